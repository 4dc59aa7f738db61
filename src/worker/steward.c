/*
 * steward.c - the fleet's duties: recover, promote, fold, partitions, watch, retain
 *
 * The thread owns the connection "upkeep".  Each duty is held by one worker of the
 * fleet through a lease row; done by two it would be harmless.  A tick is one look for
 * all of them (queue/upkeep.h) and a call for each that has something to do.  The look
 * tells also when the next job is due: the steward wakes then.
 *
 * Promotion looks from a mark: a second before the last look that found nothing more.
 * A row appears behind it when its transaction committed later than that, or when it
 * was locked; rows without a worker are rare as well.  Both are found when everything is
 * looked at, which is in each tick while it costs next to nothing, and a twentieth of
 * the time at most when it walks over what was deleted while somebody holds a snapshot.
 *
 * A duty that fails is tried again after a pause; the others go on.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "queue/upkeep.h"
#include "worker/fold.h"
#include "worker/outage.h"
#include "worker/progress.h"
#include "worker/watch.h"

/* A duty gives way: what it waits for, a user may hold. */
static const db_limits limits = {
	.lock_timeout_ms = 1000, .statement_timeout_ms = 30000, .idle_timeout_ms = 10000};

/*
 * A tick, at most; a third of a short lease.  Shorter than the first backoff (1.6 s),
 * so that its end is known before it comes.  With a poll a second an idle worker runs
 * less than two transactions in one.
 */
#define TICK_MS 1400
#define TICK_GAP_MS 20 /* when jobs are due one after the other, */
#define TICK_SHARE 10  /* and a part of the time */

#define WHOLE_SHARE 20 /* for looks at everything */
#define MARK_BEHIND_US (1000 * 1000)
#define MARK_NONE 1 /* before every due time; 0 asks for a look at everything */

/* Twenty partitions of ten million ids are kept ahead: for 600,000 ids a second. */
#define PARTITIONS_MS (300 * 1000)
#define RETAIN_MS (3600 * 1000)
#define RETAIN_BUSY_MS (60 * 1000) /* after a lock that could not be had */
#define DUTY_TICKS 3               /* a duty is held so long without being renewed */

/* Until there is a lease; a worker that runs once waits for the first tick. */
#define UNLEASED_MS 20

typedef struct steward
{
	pawl_worker *worker;
	board *board;
	db *db;
	outage outage;
	board_view view;
	int64_t tick_ms;                /* length of a tick */
	int64_t from_ms[UPKEEP_DUTIES]; /* no duty before its time */
	int64_t whole_ms;               /* when everything is looked at again */
	int64_t since_us;               /* promotion's mark */
	fold fold;
	int64_t retained; /* jobs that it has taken away in this round */
	progress progress;
	uint64_t asked; /* so many ticks were asked for when the last began */

	/* of this tick */
	bool last; /* the claimer waits for it before it believes that nothing is left */
	upkeep_seen seen;
	int64_t due_ms; /* when the next job is due, if seen tells it */
	bool failed;
	bool again; /* there is more than a chunk */
	int64_t began_ms;
	int64_t pause_ms; /* after a look that failed */
} steward;

static queue_call
steward_call(const steward *self)
{
	return (queue_call){.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};
}

static int64_t
earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
latest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What failed waits for a pause, and no duty but that one for its own. */
static int64_t
failed(steward *self, pawl_status status, const pawl_error *error)
{
	self->failed = true;
	return latest(outage_failed(&self->outage, status, error), self->tick_ms);
}

/* When the next tick is due. */
static int64_t
next_tick(const steward *self)
{
	int64_t now_ms = clock_ms();
	int64_t gap_ms = latest(TICK_GAP_MS, (now_ms - self->began_ms) * TICK_SHARE);
	int64_t tick_ms = random_jitter(self->tick_ms, 10);

	if (!self->view.leased)
		return now_ms + UNLEASED_MS;
	if (self->pause_ms > 0)
		return now_ms + random_jitter(self->pause_ms, 10);
	if (self->again)
		return now_ms;
	if (self->seen.next_ms >= 0)
		tick_ms = earliest(tick_ms, latest(self->due_ms - now_ms, gap_ms));
	return now_ms + tick_ms;
}

/* ------------------------------------------------------------ duties ------------- */

static pawl_status
recover(steward *self, const queue_call *call, pawl_error *error)
{
	int64_t n = 0;
	pawl_status status = upkeep_recover(call, &n, error);

	if (status != PAWL_OK || n == 0)
		return status;
	self->worker->counts.taken_over += n;
	worker_notice(self->worker, PAWL_INFO,
	              "upkeep: took over %" PRId64 " jobs of lost workers", n);
	self->whole_ms = 0;
	self->again = true; /* more may be there, and suspects are */
	return PAWL_OK;
}

/* A chunk; what is left of a full one begins where this one began. */
static pawl_status
promote(steward *self, const queue_call *call, pawl_error *error)
{
	int64_t since_us = self->seen.due_us != 0 ? self->seen.due_us : self->since_us;
	int64_t n = 0;
	pawl_status status = upkeep_promote(call, since_us, &n, error);

	if (status == PAWL_OK && n >= UPKEEP_CHUNK)
	{
		self->since_us = since_us;
		self->again = true;
	}
	else if (status == PAWL_OK && self->seen.at_us != 0)
		self->since_us = self->seen.at_us - MARK_BEHIND_US;
	return status;
}

/* A chunk of the batches; those of many jobs that are cancelled have many turns. */
static pawl_status
fold_batches(steward *self, const queue_call *call, pawl_error *error)
{
	fold_next next = {.again = false};
	pawl_status status = fold_chunk(&self->fold, call, &next, error);

	if (status != PAWL_OK)
		return status;
	self->again = self->again || next.again;
	if (next.rest_ms > 0)
		self->from_ms[UPKEEP_FOLD] = clock_ms() + next.rest_ms;
	return PAWL_OK;
}

static pawl_status
extend_partitions(steward *self, const queue_call *call, pawl_error *error)
{
	int64_t n;
	pawl_status status = upkeep_extend_partitions(call, &n, error);

	if (status == PAWL_OK)
		self->from_ms[UPKEEP_PARTITIONS] =
			clock_ms() + random_jitter(PARTITIONS_MS, 10);
	return status;
}

/* Also while the worker drains: its handlers may be what waits. */
static pawl_status
watch(steward *self, const queue_call *call, pawl_error *error)
{
	return watch_look(self->worker, call, error);
}

static void
report_step(steward *self, const upkeep_step *step)
{
	bool jobs = strcmp(step->name, "emptied") == 0;

	worker_notice(
		self->worker, PAWL_DEBUG,
		"upkeep: retain: %s, partition %s: %" PRId64 " %s gone, %" PRId64 " kept",
		step->name, step->part, step->gone, jobs ? "jobs" : "rows", step->kept);
	if (jobs)
		self->retained += step->gone;
}

/* One step a tick, so that no other duty waits for more than one. */
static pawl_status
retain(steward *self, const queue_call *call, pawl_error *error)
{
	upkeep_step step = {.gone = 0};
	pawl_status status = upkeep_retain(call, &step, error);
	bool busy = status == PAWL_OK && strcmp(step.name, "busy") == 0;

	if (status != PAWL_OK)
		return status;
	if (step.name[0] != '\0' && !busy)
	{
		report_step(self, &step);
		return PAWL_OK;
	}
	if (self->retained > 0)
		worker_notice(self->worker, PAWL_INFO,
		              "upkeep: took away %" PRId64 " jobs that had ended long ago",
		              self->retained);
	self->retained = 0;
	self->from_ms[UPKEEP_RETAIN] =
		clock_ms() + random_jitter(busy ? RETAIN_BUSY_MS : RETAIN_MS, 10);
	return PAWL_OK;
}

typedef pawl_status (*duty)(steward *self, const queue_call *call, pawl_error *error);

/* In the order in which they are done. */
static const duty duties[] = {
	[UPKEEP_RECOVER] = recover,   [UPKEEP_PROMOTE] = promote,
	[UPKEEP_FOLD] = fold_batches, [UPKEEP_PARTITIONS] = extend_partitions,
	[UPKEEP_WATCH] = watch,       [UPKEEP_RETAIN] = retain,
};
static_assert(sizeof(duties) / sizeof(duties[0]) == UPKEEP_DUTIES, "each is done");

/* ------------------------------------------------------------ a tick ------------- */

/* What the look says beside what is to be done. */
static void
conclude(steward *self, const bool *wanted)
{
	board_tell_waiting(self->board, self->seen.suspects, self->seen.groups);

	/* nothing was due: the mark rises; whoever gets the duty has none */
	if (self->seen.at_us == 0)
		self->since_us = MARK_NONE;
	else if (!self->seen.todo[UPKEEP_PROMOTE])
		self->since_us = self->seen.at_us - MARK_BEHIND_US;

	/* somebody else does it in this hour */
	if (wanted[UPKEEP_PARTITIONS] && !self->seen.todo[UPKEEP_PARTITIONS])
		self->from_ms[UPKEEP_PARTITIONS] =
			clock_ms() + random_jitter(PARTITIONS_MS, 10);
	if (wanted[UPKEEP_RETAIN] && !self->seen.todo[UPKEEP_RETAIN])
		self->from_ms[UPKEEP_RETAIN] = clock_ms() + random_jitter(RETAIN_MS, 10);
}

/* Ask for the duties that are due; a worker that drains has the watch alone. */
static bool
look(steward *self)
{
	queue_call call = steward_call(self);
	bool wanted[UPKEEP_DUTIES];
	bool whole = self->began_ms >= self->whole_ms;
	bool draining = self->view.phase != BOARD_RUNNING;
	pawl_error error;
	pawl_status status;
	int64_t now_ms;

	for (int i = 0; i < UPKEEP_DUTIES; i++)
		wanted[i] =
			self->began_ms >= self->from_ms[i] && (!draining || i == UPKEEP_WATCH);
	status = upkeep_look(&call, self->view.worker, wanted, self->tick_ms * DUTY_TICKS,
	                     whole ? 0 : self->since_us, &self->seen,
	                     progress_asks(&self->progress, &self->view), &error);
	if (status != PAWL_OK)
	{
		self->pause_ms = failed(self, status, &error);
		return false;
	}
	now_ms = clock_ms();
	self->due_ms = now_ms + self->seen.next_ms + 1;

	/* whoever else has the duty may be gone; done by two it is harmless */
	if (self->last && !draining)
		self->seen.todo[UPKEEP_FOLD] = true;
	if (whole)
		self->whole_ms = now_ms + (now_ms - self->began_ms) * (WHOLE_SHARE - 1);
	conclude(self, wanted);
	return true;
}

static void
tick(steward *self)
{
	queue_call call = steward_call(self);
	pawl_error error;

	self->failed = false;
	self->again = false;
	self->pause_ms = 0;
	self->began_ms = clock_ms();
	if (!look(self))
	{
		progress_tick(&self->progress, &call, &self->view, false);
		return;
	}
	for (int i = 0; i < UPKEEP_DUTIES; i++)
	{
		pawl_status status;

		if (!self->seen.todo[i])
			continue;
		status = duties[i](self, &call, &error);
		if (status != PAWL_OK)
			self->from_ms[i] = clock_ms() + failed(self, status, &error);
		if (status != PAWL_OK && !db_is_open(self->db))
			break;
	}
	if (!self->failed)
		outage_over(&self->outage);
	progress_tick(&self->progress, &call, &self->view, true);
}

void *
steward_main(void *arg)
{
	steward self = {.worker = arg, .since_us = MARK_NONE};
	int64_t third_ms = self.worker->lease_ms / 3;
	int64_t next_ms = 0;

	self.board = &self.worker->board;
	self.tick_ms = earliest(third_ms, TICK_MS);
	outage_init(&self.outage, self.worker, "upkeep");
	progress_init(&self.progress, self.worker);
	fold_init(&self.fold, self.worker);
	self.db = worker_db(self.worker, "upkeep");
	while (self.db != NULL && board_steward_wait(self.board, next_ms, self.asked))
	{
		board_look(self.board, &self.view);
		if (clock_ms() < next_ms && self.view.ticks_asked == self.asked)
			continue;
		if (self.asked != self.view.ticks_asked)
			fold_asked(&self.fold);
		self.asked = self.view.ticks_asked;
		self.last = self.asked > 1 && self.view.ticks < self.asked;
		if (self.view.leased)
		{
			tick(&self);
			if (!self.again)
				board_ticked(self.board, self.asked);
		}
		next_ms = next_tick(&self);
	}
	db_free(self.db);
	return NULL;
}
