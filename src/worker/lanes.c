/*
 * lanes.c - see lanes.h; called by the claimer
 */
#include "worker/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "queue/lane.h"
#include "worker/mark.h"
#include "worker/sweep.h"

struct lanes
{
	lane_set set;
	size_t n;
	mark *mark;
	sweep *sweep;
	bool known;
	char timeline[9]; /* of the server that the floors are from, */
	int backend;      /* and the session; a server that crashed has ended it */
	snapshot seen;    /* of the present claim */
	bool told;        /* its snapshot could be read */
};

/* ------------------------------------------------------------ life --------------- */

lanes *
lanes_new(const pawl_worker *worker)
{
	lanes *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->set = (lane_set){.queues = (const char *const *) worker->queues,
	                    .n_queues = worker->n_queues,
	                    .kinds = worker->kinds,
	                    .n_kinds = worker->n_handlers};
	l->n = worker->n_queues * CLAIM_PRIORITIES;
	l->mark = mark_new(l->n);
	l->sweep = sweep_new(l->n);
	if (l->mark == NULL || l->sweep == NULL)
	{
		lanes_free(l);
		return NULL;
	}
	return l;
}

void
lanes_free(lanes *l)
{
	if (l == NULL)
		return;
	snapshot_free(&l->seen);
	sweep_free(l->sweep);
	mark_free(l->mark);
	free(l);
}

bool
lanes_known(const lanes *l)
{
	return l->known;
}

/* After a call: is what it answered of the history that the marks are of? */
static bool
same_history(lanes *l, const queue_call *call)
{
	if (l->backend != db_backend_pid(call->db) ||
	    strcmp(l->timeline, db_timeline(call->db)) != 0)
		l->known = false;
	return l->known;
}

pawl_status
lanes_read_floors(lanes *l, const queue_call *call, pawl_error *error)
{
	auto_free int64_t *floors = calloc(l->n, sizeof(*floors));
	pawl_status status;

	if (floors == NULL)
		return error_memory(error);
	status = lane_floors(call, &l->set, floors, error);
	if (status != PAWL_OK)
		return status;
	mark_reset(l->mark, floors);
	sweep_set_floors(l->sweep, floors);
	snprintf(l->timeline, sizeof(l->timeline), "%s", db_timeline(call->db));
	l->backend = db_backend_pid(call->db);
	l->known = true;
	return PAWL_OK;
}

/* ------------------------------------------------------------ claims ------------- */

void
lanes_begin(lanes *l, claim_args *args)
{
	mark_begin(l->mark, &args->starts, &args->stops);
	l->told = false;
}

static bool
find_queue(const lane_set *set, const char *queue, size_t *ret_lane)
{
	for (size_t i = 0; i < set->n_queues; i++)
	{
		if (strcmp(set->queues[i], queue) != 0)
			continue;
		*ret_lane = i * CLAIM_PRIORITIES;
		return true;
	}
	return false;
}

void
lanes_tell(lanes *l, const claim_job *row)
{
	size_t first;

	if (row->snapshot != NULL)
		l->told = snapshot_read(&l->seen, row->snapshot);
	if (row->job != 0 && row->lane >= 0 && (size_t) row->lane < l->n)
		mark_took(l->mark, (size_t) row->lane, row->pos);
	if (row->job != 0 || row->queue == NULL || !find_queue(&l->set, row->queue, &first))
		return;
	for (size_t i = 0; i < CLAIM_PRIORITIES; i++)
		mark_skip(l->mark, first + i);
}

/* Without a snapshot (memory was short) it was no round: the next looks there again. */
void
lanes_end(lanes *l, const queue_call *call, bool full)
{
	if (same_history(l, call) && l->told)
		mark_end(l->mark, &l->seen, full);
}

uint64_t
lanes_oldest(const lanes *l)
{
	return l->told ? l->seen.xmin : 0;
}

bool
lanes_unfinished(const lanes *l)
{
	return mark_unfinished(l->mark);
}

void
lanes_restart(lanes *l)
{
	mark_restart(l->mark);
}

/* ------------------------------------------------------------ sweep -------------- */

int64_t
lanes_sweep_due(const lanes *l)
{
	return sweep_due(l->sweep, l->mark);
}

static pawl_status
begin_pass(lanes *l, const queue_call *call, pawl_error *error)
{
	uint64_t xid;
	pawl_status status = lane_xid(call, &xid, error);

	if (status == PAWL_OK && same_history(l, call))
		sweep_began(l->sweep, l->mark, xid, clock_ms());
	return status;
}

static pawl_status
look(lanes *l, const queue_call *call, const sweep_step *step, pawl_error *error)
{
	int64_t began_ms = clock_ms();
	int64_t pos;
	uint64_t oldest;
	pawl_status status = lane_sweep(call, &l->set, step->lane, step->after, step->upto,
	                                &pos, &oldest, error);

	if (status == PAWL_OK && same_history(l, call))
		sweep_saw(l->sweep, l->mark, pos, oldest, began_ms, clock_ms());
	return status;
}

static pawl_status
raise_floor(lanes *l, const queue_call *call, const sweep_step *step, pawl_error *error)
{
	pawl_status status =
		lane_raise_floor(call, &l->set, step->lane, step->upto, l->timeline, error);

	if (status == PAWL_OK && same_history(l, call))
		sweep_raised(l->sweep);
	return status;
}

pawl_status
lanes_sweep(lanes *l, const queue_call *call, int64_t now_ms, pawl_error *error)
{
	sweep_step step;
	pawl_status status = PAWL_OK;

	sweep_next(l->sweep, l->mark, now_ms, &step);
	if (step.task == SWEEP_BEGIN)
		status = begin_pass(l, call, error);
	else if (step.task == SWEEP_LOOK)
		status = look(l, call, &step, error);
	else if (step.task == SWEEP_FLOOR)
		status = raise_floor(l, call, &step, error);
	if (status != PAWL_OK)
		sweep_failed(l->sweep, clock_ms());
	return status;
}
