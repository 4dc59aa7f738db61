/*
 * claimer_lease.c - leases, claims without an answer, and suspects; see claimer.h
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/random.h"
#include "queue/settle.h"
#include "queue/upkeep.h"
#include "worker/claimer.h"

/*
 * A busy worker pauses for a suspect that has waited a lease, or so long; jittered, so
 * that not the whole fleet does.
 */
#define SUSPECT_PATIENCE_MS 5000

/* After a failure: what becomes of it. */
void
claimer_failed(claimer *self, pawl_status status, const pawl_error *error)
{
	if (status == PAWL_ERR_LEASE)
	{
		if (board_lose_lease(self->board, self->epoch))
		{
			self->worker->counts.leases_lost++;
			worker_notice(self->worker, PAWL_WARN, "claim: lease lost: %s",
			              error->message);
		}
		return;
	}
	if (outage_is_doubt(status))
		self->unknown_ms = 0;
	self->retry_ms = clock_ms() + outage_failed(&self->outage, status, error);
}

void
claimer_begin_lease(claimer *self)
{
	pawl_worker *w = self->worker;
	queue_call call = claimer_call(self);
	char uuid[WORKER_UUID];
	int64_t sent_ms = clock_ms();
	pawl_error error;
	pawl_status status =
		worker_row_start(&call, w->name, w->lease_ms, (const char *const *) w->queues,
	                     w->n_queues, w->kinds, w->n_handlers, uuid, &error);

	if (status != PAWL_OK)
	{
		claimer_failed(self, status, &error);
		return;
	}
	outage_over(&self->outage);
	board_begin_lease(self->board, uuid, sent_ms + w->lease_ms);
	board_look(self->board, &self->view);
	self->epoch = self->view.epoch;
	self->unknown_ms = sent_ms + w->lease_ms;
	self->ran_short = false;
	bell_forget(&self->bell);
	self->ask_ms = 0;
	self->patience_ms = 0;
	worker_notice(w, PAWL_DEBUG, "claim: lease begun by worker %s", uuid);
}

/* Give back what runs under this worker's uuid and was not on the board. */
static pawl_status
release_unknown(claimer *self, const worker_pair *pairs, size_t n, size_t *ret_released,
                pawl_error *error)
{
	queue_call call = claimer_call(self);
	auto_free settle_row *rows = calloc(LIMIT_SETTLE, sizeof(*rows));
	pawl_status status = PAWL_OK;

	if (rows == NULL)
		return PAWL_OK; /* it looks again a lease later */
	for (size_t done = 0; done < n && status == PAWL_OK;)
	{
		size_t length = n - done < LIMIT_SETTLE ? n - done : LIMIT_SETTLE;

		for (size_t i = 0; i < length; i++)
			rows[i] = (settle_row){.job = pairs[done + i].job,
			                       .fence = pairs[done + i].fence};
		status = settle_release_many(&call, rows, length, error);
		for (size_t i = 0; i < length && status == PAWL_OK; i++)
			*ret_released += rows[i].answer == SETTLE_WON;
		done += length;
	}
	return status;
}

/*
 * What the board holds is asked for before what the server says: nothing is claimed
 * meanwhile, so what runs is among that or is unknown, and what is settled meanwhile is
 * not taken for it.
 */
void
claimer_look_for_unknown(claimer *self)
{
	queue_call call = claimer_call(self);
	auto_free worker_pair *pairs = NULL;
	size_t n_fences = 0;
	auto_free int64_t *fences = board_fences(self->board, &n_fences);
	pawl_error error;
	size_t released = 0;
	size_t n = 0;
	pawl_status status;

	self->unknown_ms = clock_ms() + self->worker->lease_ms;
	if (fences == NULL)
		return; /* it looks again a lease later */
	status = worker_row_held(&call, self->view.worker, &pairs, &n, &error);
	if (status == PAWL_OK)
	{
		n = board_unknown(fences, n_fences, pairs, n);
		status = release_unknown(self, pairs, n, &released, &error);
	}
	/* once more, for it may have taken a lease; claims go on, whatever failed */
	self->unknown_ms = clock_ms() + self->worker->lease_ms;
	if (status != PAWL_OK)
	{
		claimer_failed(self, status, &error);
		return;
	}
	outage_over(&self->outage);
	if (released > 0)
		worker_notice(self->worker, PAWL_INFO,
		              "claim: gave back %zu jobs of a claim without an answer",
		              released);
}

void
claimer_ask_for_suspects(claimer *self)
{
	pawl_worker *w = self->worker;
	queue_call call = claimer_call(self);
	pawl_error error;
	bool waiting;
	pawl_status status =
		upkeep_suspects_waiting(&call, (const char *const *) w->queues, w->n_queues,
	                            w->kinds, w->n_handlers, &waiting, &error);

	if (status != PAWL_OK)
	{
		claimer_failed(self, status, &error);
		return;
	}
	outage_over(&self->outage);
	self->ask_ms = clock_ms() + w->poll_ms;
	if (!waiting)
		self->patience_ms = 0;
	else if (self->patience_ms == 0)
		self->patience_ms = clock_ms() + random_jitter(w->lease_ms < SUSPECT_PATIENCE_MS
		                                                   ? w->lease_ms
		                                                   : SUSPECT_PATIENCE_MS,
		                                               30);
}
