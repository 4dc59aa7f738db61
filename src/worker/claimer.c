/*
 * claimer.c - begins leases, claims jobs and hands them over
 *
 * The thread owns the connection "claim", the lanes, the rate, the bell, and every
 * decision when to claim how much: which step is next is decided anew after each of them
 * and after each wait (decide).  Claims, the look for claims that it does not know of,
 * and giving back surplus happen here alone, so none of them runs beside another.
 */
#include "worker/claimer.h"

#include <assert.h>

#include "base/clock.h"
#include "base/limits.h"

/*
 * A claim waits for nobody but an outsider's lock; shorter than it takes to drain.  A
 * claim without an answer is found by STEP_UNKNOWN, so nobody asks what became of it.
 */
static const db_limits limits = {.lock_timeout_ms = 2000,
                                 .statement_timeout_ms = 10000,
                                 .idle_timeout_ms = 10000,
                                 .at_once = true};

/* While it rings, what else is due may wait so long. */
#define CHORE_PATIENCE_MS 500

queue_call
claimer_call(const claimer *self)
{
	return (queue_call){.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};
}

size_t
claimer_per_s(const claimer *self)
{
	return rate_per_s(&self->rate, self->view.finished, self->now_ms);
}

/* ------------------------------------------------------------ deciding ----------- */

static int64_t
earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Wait for the board, at most until the next thing that is due. */
static claim_step
wait_for(claimer *self, board_wake wake, int64_t until_ms)
{
	self->wake = wake;
	self->wake.on_suspect = !self->view.suspect_waits;
	self->wait_ms = earliest(until_ms, self->unknown_ms);
	self->wait_ms = earliest(self->wait_ms, lanes_sweep_due(self->lanes));
	self->wait_ms = earliest(self->wait_ms, claimer_scout_due(self));
	return STEP_WAIT;
}

/* Something may have come since a claim ran short. */
static bool
may_claim_again(claimer *self)
{
	if (!self->ran_short || self->now_ms >= self->poll_ms)
		return true;
	if (self->now_ms >= bell_answer(&self->bell))
		return true;
	if (self->worker->once && !self->clear && self->view.held == 0 &&
	    self->view.ticks >= self->tick && !self->view.folding &&
	    groups_is_idle(&self->worker->seats))
		return true;
	return !self->bell.trusted && self->view.finished > self->seen &&
	       self->now_ms >= self->gap_ms;
}

static claim_step
wait_after_short(claimer *self)
{
	int64_t until_ms = earliest(self->poll_ms, bell_answer(&self->bell));
	board_wake none = {0};
	board_wake room = {.on_room = !self->bell.trusted,
	                   .finished_from = self->seen + 1,
	                   .on_empty =
	                       self->worker->once && board_ungrouped(&self->view) > 0,
	                   .tick = self->view.ticks < self->tick ? self->tick : 0};

	if (!self->bell.trusted && self->view.finished > self->seen &&
	    self->now_ms < self->gap_ms)
		return wait_for(self, none, earliest(self->gap_ms, until_ms));
	return wait_for(self, room, until_ms);
}

/* It has rung, and what a claim brings can be started: it is next, unless a chore is. */
static bool
is_hurried(const claimer *self)
{
	const board_view *v = &self->view;

	return self->now_ms >= bell_answer(&self->bell) && v->idle > v->pending &&
	       board_unsettled(v) < BOARD_UNSETTLED_MAX;
}

static claim_step
decide_claim(claimer *self)
{
	const board_view *v = &self->view;
	size_t ahead = rate_ahead(&self->rate, v->finished, self->now_ms);
	size_t surplus = rate_surplus(ahead, self->worker->executors, v->pending);

	if (surplus > 0)
	{
		self->n = surplus;
		return STEP_GIVE_BACK;
	}
	if (!may_claim_again(self))
		return wait_after_short(self);
	self->n = rate_want(ahead, v->idle, v->pending, LIMIT_CLAIM);
	if (self->n == 0 || board_unsettled(v) >= BOARD_UNSETTLED_MAX)
	{
		board_wake room = {.on_room = true,
		                   .pending_below = ahead > 0 ? ahead / 2 + 1 : 0};

		return wait_for(self, room,
		                self->now_ms + earliest(self->worker->poll_ms, RATE_WINDOW_MS));
	}
	/* it sleeps, and one rang: few have come, most likely, and are wanted soon */
	if (self->ran_short && is_hurried(self) && self->n > CLAIM_FEW)
		self->n = CLAIM_FEW;
	return STEP_CLAIM;
}

/* What a waiting suspect asks for, or STEP_DONE when it asks for nothing now. */
static claim_step
decide_suspect(claimer *self)
{
	board_wake empty = {.on_empty = true};

	if (self->view.suspects > 0)
		return wait_for(self, empty, self->now_ms + self->worker->poll_ms);
	if (self->patience_ms == 0)
		return STEP_DONE;
	if (self->suspect_before && self->now_ms >= self->pause_ms)
		return STEP_DONE;
	if (board_ungrouped(&self->view) == 0)
		return STEP_SUSPECT;
	if (self->now_ms >= self->patience_ms)
		return wait_for(self, empty, self->now_ms + self->worker->poll_ms);
	return STEP_DONE;
}

/* Is it time to ask for suspects?  The steward sees it when one waits. */
static bool
may_ask(const claimer *self, int64_t due_ms)
{
	if (due_ms < self->ask_ms)
		return false;
	return self->ask_ms == 0 || self->patience_ms != 0 || self->view.suspect_waits;
}

/* Once: nothing was claimed.  The groups have the last word. */
static claim_step
decide_end(claimer *self)
{
	if (self->worker->groups == 0 || self->scout.nothing)
		return STEP_DONE;
	if (self->now_ms < self->scout.not_before_ms)
		return wait_for(self, (board_wake){0}, self->scout.not_before_ms);
	return STEP_SCOUT;
}

/* What can wait for a claim that somebody has rung for. */
static claim_step
decide_chore(claimer *self)
{
	int64_t due_ms = self->now_ms - (is_hurried(self) ? CHORE_PATIENCE_MS : 0);

	if (may_ask(self, due_ms))
		return STEP_ASK;
	if (self->clear && self->patience_ms == 0)
		return decide_end(self);
	if (due_ms >= lanes_sweep_due(self->lanes))
		return STEP_SWEEP;
	switch (bell_next(&self->bell, claimer_per_s(self), self->ran_short, self->now_ms))
	{
		case BELL_SET:
			return STEP_SLEEP;
		case BELL_CLEAR:
			return STEP_WAKE;
		case BELL_KEEP:
			break;
	}
	if (due_ms >= claimer_scout_due(self))
		return STEP_SCOUT;
	return decide_claim(self);
}

static claim_step
decide(claimer *self)
{
	claim_step next;

	if (self->now_ms < self->retry_ms)
	{
		self->wake = (board_wake){.unleased = true};
		self->wait_ms = self->retry_ms;
		return STEP_WAIT;
	}
	if (!self->view.leased)
		return STEP_LEASE;
	if (self->now_ms >= self->unknown_ms)
		return STEP_UNKNOWN;
	if (self->worker->n_handlers == 0)
	{
		if (self->worker->once && self->view.ticks > 0)
			return STEP_DONE;
		return wait_for(self, (board_wake){0}, self->now_ms + SHORT_PAUSE_MS);
	}
	if (!lanes_known(self->lanes))
		return STEP_FLOORS;
	if (!is_hurried(self) && self->now_ms >= claimer_scout_due(self))
		return STEP_SCOUT;
	next = decide_suspect(self);
	if (next == STEP_WAIT && self->now_ms >= claimer_scout_due(self))
		return STEP_SCOUT;
	return next != STEP_DONE ? next : decide_chore(self);
}

/* ------------------------------------------------------------ steps -------------- */

/* Of the lanes alone; answers to nobody. */
static void
tend_lanes(claimer *self, claim_step which)
{
	queue_call call = claimer_call(self);
	pawl_error error;
	pawl_status status = which == STEP_FLOORS
	                         ? lanes_read_floors(self->lanes, &call, &error)
	                         : lanes_sweep(self->lanes, &call, self->now_ms, &error);

	if (status != PAWL_OK)
		claimer_failed(self, status, &error);
}

static void
give_back(claimer *self)
{
	board_give_back(self->board, self->n);
}

static void
read_floors(claimer *self)
{
	tend_lanes(self, STEP_FLOORS);
	self->ran_short = false; /* whatever it found was found from other marks */
}

static void
sweep_lanes(claimer *self)
{
	tend_lanes(self, STEP_SWEEP);
}

static void
end_once(claimer *self)
{
	board_done(self->board);
	self->wake = (board_wake){0};
	self->wait_ms = CLOCK_NEVER;
	claimer_wait(self);
}

static void (*const steps[])(claimer *self) = {
	[STEP_WAIT] = claimer_wait,
	[STEP_LEASE] = claimer_begin_lease,
	[STEP_FLOORS] = read_floors,
	[STEP_UNKNOWN] = claimer_look_for_unknown,
	[STEP_ASK] = claimer_ask_for_suspects,
	[STEP_SUSPECT] = claimer_claim_suspect,
	[STEP_SWEEP] = sweep_lanes,
	[STEP_SLEEP] = claimer_sleep,
	[STEP_WAKE] = claimer_wake,
	[STEP_SCOUT] = claimer_scout,
	[STEP_CLAIM] = claimer_claim_many,
	[STEP_GIVE_BACK] = give_back,
	[STEP_DONE] = end_once,
};
static_assert(sizeof(steps) / sizeof(steps[0]) == STEP_DONE + 1,
              "a step without a function");

void *
claimer_main(void *arg)
{
	claimer self = {.worker = arg};

	self.board = &self.worker->board;
	outage_init(&self.outage, self.worker, "claim");
	self.db = worker_db(self.worker, "claim");
	self.lanes = lanes_new(self.worker);
	if (self.worker->once)
		bell_turn_off(&self.bell);
	board_look(self.board, &self.view);
	while (self.view.phase == BOARD_RUNNING && self.db != NULL && self.lanes != NULL)
	{
		self.now_ms = clock_ms();
		rate_note(&self.rate, self.view.finished, self.now_ms);
		bell_note(&self.bell, db_heard(self.db), db_backend_pid(self.db), self.now_ms);
		steps[decide(&self)](&self);
		board_look(self.board, &self.view);
	}
	cursors_free(&self.scout.cursors);
	lanes_free(self.lanes);
	db_free(self.db);
	return NULL;
}
