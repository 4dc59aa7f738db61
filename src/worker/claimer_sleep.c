/*
 * claimer_sleep.c - the doorbell, and waiting; see claimer.h, and bell.h for when
 */
#include "base/clock.h"
#include "queue/doorbell.h"
#include "queue/lane.h"
#include "worker/claimer.h"
#include "worker/wait.h"

/* Listen, set the flag, and learn from which transaction on everybody sees it. */
static pawl_status
set_flag(claimer *self, uint64_t *ret_bound, pawl_error *error)
{
	queue_call call = claimer_call(self);
	const char *const *queues = (const char *const *) self->worker->queues;
	size_t n = self->worker->n_queues;
	pawl_status status = PAWL_OK;

	if (!self->listening)
		status = doorbell_listen(&call, queues, n, error);
	if (status == PAWL_OK)
	{
		self->listening = true;
		status = doorbell_sleep(&call, self->view.worker, queues, n, error);
		if (status == PAWL_OK || outage_is_doubt(status))
			bell_may_be_set(&self->bell, clock_ms());
	}
	if (status == PAWL_OK)
		status = lane_xid(&call, ret_bound, error);
	return status;
}

/* Without the bell there is still the poll, so a failure stops nothing. */
static void
bell_refused(claimer *self, pawl_status status, const pawl_error *error)
{
	bell_failed(&self->bell, clock_ms());
	if (status == PAWL_ERR_LEASE)
		claimer_failed(self, status, error);
	else
		worker_notice(self->worker, PAWL_DEBUG, "claim: no doorbell: %s",
		              error->message);
}

void
claimer_sleep(claimer *self)
{
	uint64_t bound;
	pawl_error error;
	pawl_status status;

	if (db_is_pooled(self->db))
	{
		bell_turn_off(&self->bell);
		worker_notice(self->worker, PAWL_DEBUG,
		              "claim: a pooler is between: no doorbell, it polls");
		return;
	}
	status = set_flag(self, &bound, &error);
	if (status != PAWL_OK)
	{
		bell_refused(self, status, &error);
		return;
	}
	bell_was_set(&self->bell, bound, clock_ms());
	self->ran_short = false; /* look once more */
}

void
claimer_wake(claimer *self)
{
	queue_call call = claimer_call(self);
	pawl_error error;
	pawl_status status = doorbell_wake(&call, self->view.worker, &error);

	if (status != PAWL_OK)
	{
		bell_refused(self, status, &error);
		return;
	}
	bell_was_cleared(&self->bell, claimer_per_s(self), clock_ms());
	self->ran_short = false; /* what was to ring until the next poll rings no more */
}

/* For the board, for the bell, or for the deadline. */
void
claimer_wait(claimer *self)
{
	bool notified;
	pawl_error error;

	if (board_claim_waits(self->board, &self->wake) &&
	    db_wait(self->db, self->board->claim_fd, self->wait_ms, &notified, &error) !=
	        PAWL_OK)
		db_close(self->db);
	board_claim_goes(self->board);
}
