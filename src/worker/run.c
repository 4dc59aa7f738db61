/*
 * run.c - one run of a worker: the supervisor
 *
 * Runs on the thread that calls pawl_worker_run, which owns the connection "check"
 * until the schema is found right, and none afterwards.  It starts the threads, waits
 * for a stop or for the end of a run with `once`, for the end of the lease, which it
 * watches besides the keeper because it never waits for a connection, and for servers
 * that hang up on a group's connection; then it ends the threads in the order in which
 * they hand work on.
 */
#include <assert.h>
#include <inttypes.h>
#include <poll.h>

#include "base/clock.h"
#include "db/migrate.h"
#include "worker/crew.h"
#include "worker/wait.h"

/* ------------------------------------------------------------ waiting ------------ */

typedef struct supervisor
{
	pawl_worker *worker;
	board *board;
	crew crew;
	uint64_t stops; /* how often it was asked to stop */
} supervisor;

/* The lease's end on the local clock; also when the keeper waits for a server. */
static int64_t
watch_lease(supervisor *self)
{
	board_view view;

	board_look(self->board, &view);
	if (!view.leased)
		return clock_ms() + self->worker->lease_ms;
	if (clock_ms() < view.lease_end_ms)
		return view.lease_end_ms;
	if (board_lose_lease(self->board, view.epoch))
	{
		self->worker->counts.leases_lost++;
		worker_notice(self->worker, PAWL_WARN,
		              "lease lost: it could not be renewed in time; starting anew");
	}
	return clock_ms() + self->worker->lease_ms;
}

/* Wait for a stop, for the board's bell, or until deadline_ms. */
static void
wait_for_bells(supervisor *self, int64_t deadline_ms)
{
	struct pollfd fds[3] = {{.fd = self->worker->stop_fd, .events = POLLIN},
	                        {.fd = self->board->bell_fd, .events = POLLIN},
	                        {.fd = self->worker->seats.watch_fd, .events = POLLIN}};
	int64_t lease_ms = watch_lease(self);

	group_runner_losses(self->worker);
	poll(fds, 3, clock_poll_ms(lease_ms < deadline_ms ? lease_ms : deadline_ms));
	self->stops += wait_event_drain(self->worker->stop_fd);
	wait_event_drain(self->board->bell_fd);
}

/* ------------------------------------------------------------ the end ------------ */

/* Running handlers have drain_ms, or until the second stop; then they are told. */
static void
wait_for_handlers(supervisor *self)
{
	int64_t deadline_ms = clock_ms() + self->worker->drain_ms;
	bool interrupted = false;

	while (!board_is_quiet(self->board) || !groups_is_idle(&self->worker->seats))
	{
		if (!interrupted && (self->stops >= 2 || clock_ms() >= deadline_ms))
		{
			worker_notice(self->worker, PAWL_INFO,
			              "drain: interrupting what still runs");
			board_interrupt_all(self->board);
			interrupted = true;
		}
		wait_for_bells(self, interrupted ? CLOCK_NEVER : deadline_ms);
	}
}

static void
drain(supervisor *self)
{
	board *b = self->board;
	crew *c = &self->crew;

	board_advance(b, BOARD_DRAINING);
	groups_end(&self->worker->seats);
	if (self->stops > 0)
		worker_notice(self->worker, PAWL_INFO,
		              "drain: nothing more is claimed, what runs has %" PRId64 " ms",
		              self->worker->drain_ms);
	wait_for_handlers(self);
	crew_join(c, CREW_CLAIMER);
	assert(board_is_quiet(b) && groups_is_idle(&self->worker->seats));
	crew_join_runners(c);
	board_advance(b, BOARD_EXECUTORS_END);
	crew_join_executors(c);
	board_advance(b, BOARD_SETTLER_END);
	crew_join(c, CREW_SETTLER);
	log_queue_end(&self->worker->log);
	crew_join(c, CREW_LOG_WRITER);
	board_advance(b, BOARD_ENDED);
	crew_join(c, CREW_STEWARD);
	crew_join(c, CREW_KEEPER);
}

/* ------------------------------------------------------------ the run ------------ */

/* The server must be there now, with the schema of this library, and let us work. */
static pawl_status
check_schema(pawl_worker *w, pawl_error *error)
{
	db *own = NULL;
	pawl_status status = db_new(w->conninfo, "check", w->name, &own, error);

	if (status == PAWL_OK)
		status = db_open(own, error);
	if (status == PAWL_OK)
		status = migrate_check(own, error);
	if (status == PAWL_OK)
		status = worker_row_check(&(queue_call){.db = own,
		                                        .limits = DB_LIMITS_DEFAULT,
		                                        .deadline_ms = CALL_ONCE},
		                          error);
	db_free(own);
	return status;
}

static pawl_status
run(pawl_worker *w, pawl_error *error)
{
	supervisor self = {.worker = w, .board = &w->board};
	pawl_status status = board_init(&w->board, error);

	if (status != PAWL_OK)
		return status;
	status =
		groups_init(&w->seats, w->groups, w->board.claim_fd, w->board.bell_fd, error);
	if (status != PAWL_OK)
	{
		board_destroy(&w->board);
		return status;
	}
	log_queue_init(&w->log);
	trouble_init(&w->trouble);
	status = crew_start(&self.crew, w, error);
	while (status == PAWL_OK && self.stops == 0 && !board_is_done(&w->board))
		wait_for_bells(&self, CLOCK_NEVER);
	drain(&self);
	trouble_destroy(&w->trouble);
	log_queue_destroy(&w->log);
	groups_destroy(&w->seats);
	board_destroy(&w->board);
	return status;
}

pawl_status
pawl_worker_run(pawl_worker *worker, pawl_error *error)
{
	pawl_status status;

	assert(!worker->running);
	worker->running = true;
	status = check_schema(worker, error);
	if (status == PAWL_OK)
		status = run(worker, error);
	worker->running = false;
	return status;
}
