/*
 * steward.c - the fleet's duties: recover, promote, partitions, watch, retain
 *
 * The thread owns the connection "upkeep".  Each duty is held by one worker of the
 * fleet through a lease row; done by two it would be harmless.  What fails is tried at
 * the next tick.
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "queue/upkeep.h"
#include "worker/outage.h"
#include "worker/watch.h"

/* A duty gives way: what it waits for, a user may hold. */
static const db_limits limits = {
	.lock_timeout_ms = 1000, .statement_timeout_ms = 30000, .idle_timeout_ms = 10000};

#define TICK_MS 1000 /* at most; a third of a short lease */
#define PARTITIONS_MS (3600 * 1000)
#define RETAIN_MS (3600 * 1000)
#define RETAIN_BUSY_MS (60 * 1000) /* after a lock that could not be had */
#define DUTY_TICKS 2               /* a duty is held so long without being renewed */

/* Until there is a lease; a worker that runs once waits for the first tick. */
#define UNLEASED_MS 20

typedef struct steward
{
	pawl_worker *worker;
	board *board;
	db *db;
	outage outage;
	board_view view;
	int64_t tick_ms;       /* length of a tick */
	int64_t partitions_ms; /* when they are due */
	int64_t retain_ms;     /* when it is due */
	int64_t retained;      /* jobs that it has taken away in this round */
	bool failed;           /* in this tick */
	int64_t pause_ms;      /* then: before the next */
} steward;

typedef pawl_status (*duty)(const queue_call *call, int64_t *ret_n, pawl_error *error);

static void
failed(steward *self, pawl_status status, const pawl_error *error)
{
	int64_t pause_ms = outage_failed(&self->outage, status, error);

	self->failed = true;
	self->pause_ms = pause_ms > self->tick_ms ? pause_ms : self->tick_ms;
}

/* When the next tick is due. */
static int64_t
next_tick(const steward *self)
{
	if (!self->view.leased)
		return clock_ms() + UNLEASED_MS;
	return clock_ms() +
	       random_jitter(self->failed ? self->pause_ms : self->tick_ms, 10);
}

/* Is the duty ours? */
static bool
take_duty(steward *self, const queue_call *call, const char *name)
{
	bool taken = false;
	pawl_error error;
	pawl_status status;

	if (self->failed)
		return false;
	status = upkeep_take(call, self->view.worker, name, self->tick_ms * DUTY_TICKS,
	                     &taken, &error);
	if (status != PAWL_OK)
		failed(self, status, &error);
	return status == PAWL_OK && taken;
}

/* Do a duty if it is ours: chunk after chunk while they are full. */
static int64_t
do_duty(steward *self, const char *name, duty run)
{
	queue_call call = {.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};
	int64_t total = 0;
	int64_t n = UPKEEP_CHUNK;
	pawl_error error;
	pawl_status status = PAWL_OK;

	if (!take_duty(self, &call, name))
		return 0;
	while (status == PAWL_OK && n >= UPKEEP_CHUNK && self->view.phase == BOARD_RUNNING)
	{
		status = run(&call, &n, &error);
		if (status == PAWL_OK)
			total += n;
		board_look(self->board, &self->view);
	}
	if (status != PAWL_OK)
		failed(self, status, &error);
	return total;
}

/* Also while the worker drains: its handlers may be what waits. */
static void
watch(steward *self)
{
	queue_call call = {.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};
	pawl_error error;
	pawl_status status;

	if (!take_duty(self, &call, "watch"))
		return;
	status = watch_look(self->worker, &call, &error);
	if (status != PAWL_OK)
		failed(self, status, &error);
}

static void
report_step(steward *self, const upkeep_step *step)
{
	const char *unit = strcmp(step->name, "attempts") == 0 ? "rows" : "jobs";

	worker_notice(self->worker, PAWL_DEBUG,
	              "upkeep: retain: %s, partition %s: %" PRId64 " %s gone, %" PRId64
	              " kept",
	              step->name, step->part, step->gone, unit, step->kept);
	if (strcmp(step->name, "emptied") == 0)
		self->retained += step->gone;
}

/* One step a tick, so that no other duty waits for more than one. */
static void
retain(steward *self)
{
	queue_call call = {.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};
	upkeep_step step = {.gone = 0};
	bool taken = false;
	bool busy;
	pawl_error error;
	pawl_status status;

	if (self->failed || clock_ms() < self->retain_ms)
		return;
	status = upkeep_take(&call, self->view.worker, "retain", self->tick_ms * DUTY_TICKS,
	                     &taken, &error);
	if (status == PAWL_OK && taken)
		status = upkeep_retain(&call, &step, &error);
	if (status != PAWL_OK)
	{
		failed(self, status, &error);
		return;
	}
	busy = strcmp(step.name, "busy") == 0;
	if (step.name[0] != '\0' && !busy)
	{
		report_step(self, &step);
		return;
	}
	if (self->retained > 0)
		worker_notice(self->worker, PAWL_INFO,
		              "upkeep: took away %" PRId64 " jobs that had ended long ago",
		              self->retained);
	self->retained = 0;
	self->retain_ms = clock_ms() + random_jitter(busy ? RETAIN_BUSY_MS : RETAIN_MS, 10);
}

static void
tick(steward *self)
{
	int64_t recovered;

	self->failed = false;
	recovered = do_duty(self, "recover", upkeep_recover);
	if (recovered > 0)
	{
		self->worker->counts.taken_over += recovered;
		worker_notice(self->worker, PAWL_INFO,
		              "upkeep: took over %" PRId64 " jobs of lost workers", recovered);
	}
	do_duty(self, "promote", upkeep_promote);
	if (clock_ms() >= self->partitions_ms && !self->failed)
	{
		do_duty(self, "partitions", upkeep_extend_partitions);
		if (!self->failed)
			self->partitions_ms = clock_ms() + random_jitter(PARTITIONS_MS, 10);
	}
	watch(self);
	retain(self);
	if (!self->failed)
		outage_over(&self->outage);
}

void *
steward_main(void *arg)
{
	steward self = {.worker = arg};
	int64_t third_ms = self.worker->lease_ms / 3;
	int64_t next_ms = 0;

	self.board = &self.worker->board;
	self.tick_ms = third_ms < TICK_MS ? third_ms : TICK_MS;
	outage_init(&self.outage, self.worker, "upkeep");
	self.db = worker_db(self.worker, "upkeep");
	while (self.db != NULL && board_steward_wait(self.board, next_ms))
	{
		if (clock_ms() < next_ms)
			continue;
		board_look(self.board, &self.view);
		if (self.view.leased)
		{
			tick(&self);
			board_ticked(self.board);
		}
		next_ms = next_tick(&self);
	}
	db_free(self.db);
	return NULL;
}
