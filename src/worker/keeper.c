/*
 * keeper.c - renews leases, and nothing else, so that no chore can cost one
 *
 * The thread owns the connection "keep" and the local deadline: the lease counted from
 * before the last renewal was sent, on CLOCK_BOOTTIME, so it ends before the server's.
 * When that passes, everything is lost, whatever the server says.  An error of a
 * renewal is no loss: it is tried again until the deadline.
 *
 * A renewal presents what is pending and running, and learns what has ended
 * (cancelled, recovered).  Cancelling rings the channel, so that it is learnt at once.
 * After it come the leases of the groups whose handler runs (groups.h).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "queue/group.h"
#include "worker/group_runner.h"
#include "worker/outage.h"
#include "worker/wait.h"

#define CHANNEL "pawl_worker" /* its notifications name the worker */

/* A bell that rings all the time does not make it beat all the time. */
#define BELL_GAP_MS 50

#define STOP_TRY_MS 5000 /* how long to try to end the lease in order */

typedef struct keeper
{
	pawl_worker *worker;
	board *board;
	db *db;
	outage outage;
	board_view view;
	group_renewal *renewals; /* room for each runner's */
	unsigned epoch;          /* of the lease that beat_ms is for */
	int64_t beat_ms;         /* when to renew */
	int64_t beaten_ms;       /* when it was tried last */
} keeper;

/*
 * No wait of a renewal goes on beyond a third of the lease; stopped within its
 * transaction it keeps what it has locked from recovery no longer than that, either.
 */
static db_limits
keeper_limits(const keeper *self)
{
	int third_ms = (int) (self->worker->lease_ms / 3);
	db_limits limits = {.lock_timeout_ms = third_ms < 10000 ? third_ms / 2 : 5000,
	                    .statement_timeout_ms = third_ms < 10000 ? third_ms : 10000,
	                    .idle_timeout_ms = third_ms < 10000 ? third_ms : 10000};

	return limits;
}

static void
lose(keeper *self, const char *why)
{
	if (!board_lose_lease(self->board, self->view.epoch))
		return;
	self->worker->counts.leases_lost++;
	worker_notice(self->worker, PAWL_WARN, "keep: lease lost: %s; starting anew", why);
}

/* ------------------------------------------------------------ renewal ------------ */

static int64_t
earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
renewed(keeper *self, int64_t sent_ms, const int64_t *ended, size_t n)
{
	size_t stopped;

	outage_over(&self->outage);
	board_renew_lease(self->board, self->epoch, sent_ms + self->worker->lease_ms);
	self->beat_ms = sent_ms + self->worker->lease_ms / 3;
	stopped = board_end_claims(self->board, self->epoch, ended, n);
	self->worker->counts.cancelled += (int64_t) stopped;
	if (stopped > 0)
		worker_notice(self->worker, PAWL_INFO,
		              "keep: %zu jobs were cancelled or taken over", stopped);
}

/*
 * Renew the leases of the groups whose handler runs, by end_ms: then the next heartbeat
 * is due.  What cannot be renewed is tried again with that, and runs out by itself.
 */
static void
renew_groups(keeper *self, int64_t end_ms)
{
	group_seats *g = &self->worker->seats;
	queue_call call = {
		.db = self->db, .limits = keeper_limits(self), .deadline_ms = end_ms};
	size_t n = groups_renewals(g, self->renewals);
	int64_t sent_ms = clock_ms();
	pawl_status status = PAWL_OK;
	pawl_error error;

	if (n > 0)
		status =
			group_runner_renew(&call, self->view.worker, self->renewals, n, &error);
	if (n > 0)
		groups_are_renewed(g, self->renewals, n,
		                   status == PAWL_OK ? sent_ms + self->worker->lease_ms : 0);
	if (status != PAWL_OK)
		self->beat_ms = clock_ms() + outage_failed(&self->outage, status, &error);
	group_runner_losses(self->worker);
}

static void
beat(keeper *self)
{
	pawl_worker *w = self->worker;
	int64_t sent_ms = clock_ms();
	int64_t end_ms = earliest(self->view.lease_end_ms, sent_ms + w->lease_ms / 3);
	queue_call call = {
		.db = self->db, .limits = keeper_limits(self), .deadline_ms = end_ms};
	size_t n_pairs = 0;
	size_t n_ended = 0;
	auto_free worker_pair *pairs = board_pairs(self->board, self->epoch, &n_pairs);
	auto_free int64_t *ended = calloc(n_pairs + 1, sizeof(*ended));
	pawl_status status = PAWL_ERR_MEMORY;
	pawl_error error = {.message = "out of memory"};
	int64_t pause_ms;

	self->beaten_ms = sent_ms;
	if (pairs != NULL && ended != NULL)
		status = worker_row_heartbeat(&call, self->view.worker, pairs, n_pairs, ended,
		                              &n_ended, &error);
	if (status == PAWL_OK)
	{
		renewed(self, sent_ms, ended, n_ended);
		renew_groups(self, end_ms);
	}
	else if (status == PAWL_ERR_LEASE)
		lose(self, error.message);
	else
	{
		pause_ms = outage_failed(&self->outage, status, &error);
		self->beat_ms = clock_ms() + earliest(pause_ms, w->lease_ms / 20 + 1);
	}
}

/* ------------------------------------------------------------ waiting ------------ */

/* Wait for the board to ring, for a bell of the channel, or until end_ms. */
static void
wait_until(keeper *self, int64_t end_ms)
{
	bool notified = false;
	pawl_error error;

	if (db_wait(self->db, self->board->keep_fd, end_ms, &notified, &error) != PAWL_OK)
		db_close(self->db);
	wait_event_drain(self->board->keep_fd);
	if (notified)
		self->beat_ms = earliest(self->beat_ms, self->beaten_ms + BELL_GAP_MS);
}

static void
keep(keeper *self)
{
	int64_t now_ms = clock_ms();

	if (!self->view.leased)
	{
		wait_until(self, CLOCK_NEVER);
		return;
	}
	if (self->epoch != self->view.epoch)
	{
		self->epoch = self->view.epoch;
		self->beat_ms = now_ms + self->worker->lease_ms / 3;
	}
	if (now_ms >= self->view.lease_end_ms)
		lose(self, "it could not be renewed in time");
	else if (now_ms >= self->beat_ms)
		beat(self);
	else
		wait_until(self, earliest(self->beat_ms, self->view.lease_end_ms));
}

/* The end: give back what is left and end the lease. */
static void
stop(keeper *self)
{
	queue_call call = {.db = self->db,
	                   .limits = keeper_limits(self),
	                   .deadline_ms = clock_ms() + STOP_TRY_MS};
	pawl_error error;

	if (!self->view.leased)
		return;
	if (worker_row_stop(&call, self->view.worker, &error) != PAWL_OK)
		worker_notice(self->worker, PAWL_WARN, "keep: could not end the lease: %s",
		              error.message);
}

void *
keeper_main(void *arg)
{
	keeper self = {.worker = arg};
	pawl_error error;

	self.board = &self.worker->board;
	outage_init(&self.outage, self.worker, "keep");
	self.db = worker_db(self.worker, "keep");
	self.renewals = calloc(self.worker->groups + 1, sizeof(*self.renewals));
	if (self.db == NULL || self.renewals == NULL)
	{
		free(self.renewals);
		db_free(self.db);
		return NULL;
	}
	if (db_listen(self.db, CHANNEL, &error) != PAWL_OK)
		db_close(self.db); /* the channel is known: it is tried at each opening */
	for (;;)
	{
		board_look(self.board, &self.view);
		if (self.view.phase == BOARD_ENDED)
			break;
		keep(&self);
	}
	stop(&self);
	free(self.renewals);
	db_free(self.db);
	return NULL;
}
