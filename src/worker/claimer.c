/*
 * claimer.c - begins leases, claims jobs and hands them over
 *
 * The thread owns the connection "claim", the lanes, the rate, and every decision when
 * to claim how much: which of the steps below is next is decided anew after each of
 * them and after each wait (decide).  Claims, the look for claims that it does not know
 * of, and giving back surplus happen here alone, so none of them runs beside another.
 *
 * Suspects (jobs that have crashed a worker) are taken one at a time while nothing else
 * is held, and nothing else is claimed until it is settled.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/random.h"
#include "queue/claim.h"
#include "queue/upkeep.h"
#include "worker/lanes.h"
#include "worker/outage.h"
#include "worker/rate.h"

/* A claim waits for nobody but an outsider's lock; shorter than it takes to drain. */
static const db_limits limits = {
	.lock_timeout_ms = 2000, .statement_timeout_ms = 10000, .idle_timeout_ms = 10000};

/* After a short claim an idle executor is no reason to claim again before this. */
#define SHORT_GAP_MS 50

/* A long scan that finds little takes at most a tenth of the claimer's time. */
#define SHORT_GAP_FACTOR 10

/*
 * A busy worker pauses for a suspect that has waited a lease, or so long; jittered, so
 * that not the whole fleet does.  The pause costs what is left idle while the last job
 * ends, so it serves all suspects that can be had in the time below.
 */
#define SUSPECT_PATIENCE_MS 5000
#define SUSPECT_PAUSE_MS 1000

typedef enum step
{
	STEP_WAIT,
	STEP_LEASE,   /* begin one */
	STEP_FLOORS,  /* read them */
	STEP_UNKNOWN, /* look for claims that are not on the board */
	STEP_ASK,     /* is a suspect waiting? */
	STEP_SUSPECT, /* claim it */
	STEP_SWEEP,   /* look behind the marks, or raise a floor */
	STEP_CLAIM,
	STEP_GIVE_BACK, /* more is pending than this worker starts in time */
	STEP_DONE       /* once: nothing is left */
} step;

typedef struct claimer
{
	pawl_worker *worker;
	board *board;
	db *db;
	outage outage;
	lanes *lanes;
	rate rate;
	board_view view; /* as of the last look */
	int64_t now_ms;
	int64_t retry_ms; /* after a failure: nothing before this */

	unsigned epoch;
	int64_t unknown_ms; /* when to look for unknown claims */

	bool ran_short;  /* the last claim left executors without work */
	int64_t gap_ms;  /* then: not before this, unless a poll is due */
	int64_t poll_ms; /* then: at the latest */
	uint64_t seen;   /* finished at that time */
	bool held_then;  /* something was held at that time */
	bool clear;      /* once: nothing was found while nothing was held */
	bool anew;       /* once: the next claim looks from the floors, to be sure */

	int64_t ask_ms;      /* when to ask for suspects again */
	int64_t patience_ms; /* a suspect waits; pause for it from then on; 0: none waits */
	bool suspect_before; /* the last claim was for a suspect */
	int64_t pause_ms;    /* then: until when another may follow it */

	/* of the step that decide() chose */
	size_t n;
	board_wake wake;
	int64_t wait_ms;
} claimer;

static queue_call
claimer_call(const claimer *self)
{
	return (queue_call){.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};
}

/* ------------------------------------------------------------ deciding ----------- */

static int64_t
earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Wait for the board, at most until the next thing that is due. */
static step
wait_for(claimer *self, board_wake wake, int64_t until_ms)
{
	self->wake = wake;
	self->wait_ms = earliest(until_ms, self->unknown_ms);
	self->wait_ms = earliest(self->wait_ms, lanes_sweep_due(self->lanes));
	return STEP_WAIT;
}

/* Something may have come since a claim ran short. */
static bool
may_claim_again(const claimer *self)
{
	if (!self->ran_short || self->now_ms >= self->poll_ms)
		return true;
	if (self->worker->once && self->held_then && self->view.held == 0)
		return true;
	return self->view.finished > self->seen && self->now_ms >= self->gap_ms;
}

static step
wait_after_short(claimer *self)
{
	board_wake none = {0};
	board_wake room = {.on_room = true,
	                   .finished_from = self->seen + 1,
	                   .on_empty = self->worker->once && self->view.held > 0};

	if (self->view.finished > self->seen && self->now_ms < self->gap_ms)
		return wait_for(self, none, earliest(self->gap_ms, self->poll_ms));
	return wait_for(self, room, self->poll_ms);
}

static step
decide_claim(claimer *self)
{
	const board_view *v = &self->view;
	size_t ahead = rate_ahead(&self->rate, v->started, self->now_ms);
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
	return STEP_CLAIM;
}

/* What a waiting suspect asks for, or STEP_DONE when it asks for nothing now. */
static step
decide_suspect(claimer *self)
{
	board_wake empty = {.on_empty = true};

	if (self->view.suspects > 0)
		return wait_for(self, empty, self->now_ms + self->worker->poll_ms);
	if (self->patience_ms == 0)
		return STEP_DONE;
	if (self->suspect_before && self->now_ms >= self->pause_ms)
		return STEP_DONE;
	if (self->view.held == 0)
		return STEP_SUSPECT;
	if (self->now_ms >= self->patience_ms)
		return wait_for(self, empty, self->now_ms + self->worker->poll_ms);
	return STEP_DONE;
}

static step
decide(claimer *self)
{
	step next;

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
		return wait_for(self, (board_wake){0}, self->now_ms + SHORT_GAP_MS);
	}
	if (!lanes_known(self->lanes))
		return STEP_FLOORS;
	next = decide_suspect(self);
	if (next != STEP_DONE)
		return next;
	if (self->now_ms >= self->ask_ms)
		return STEP_ASK;
	if (self->clear && self->patience_ms == 0)
		return STEP_DONE;
	if (self->now_ms >= lanes_sweep_due(self->lanes))
		return STEP_SWEEP;
	return decide_claim(self);
}

/* ------------------------------------------------------------ steps -------------- */

/* After a failure: what becomes of it. */
static void
failed(claimer *self, pawl_status status, const pawl_error *error)
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

static void
begin_lease(claimer *self)
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
		failed(self, status, &error);
		return;
	}
	outage_over(&self->outage);
	board_begin_lease(self->board, uuid, sent_ms + w->lease_ms);
	board_look(self->board, &self->view);
	self->epoch = self->view.epoch;
	self->unknown_ms = sent_ms + w->lease_ms;
	self->ran_short = false;
	self->ask_ms = 0;
	self->patience_ms = 0;
	worker_notice(w, PAWL_DEBUG, "claim: lease begun by worker %s", uuid);
}

/*
 * Give back what runs under this worker's uuid and is not on the board.  What was
 * settled since the look answers stale, and does not count.
 */
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

static void
look_for_unknown(claimer *self)
{
	queue_call call = claimer_call(self);
	auto_free worker_pair *pairs = NULL;
	pawl_error error;
	size_t released = 0;
	size_t n = 0;
	pawl_status status = worker_row_held(&call, self->view.worker, &pairs, &n, &error);

	if (status == PAWL_OK)
	{
		n = board_unknown(self->board, pairs, n);
		status = release_unknown(self, pairs, n, &released, &error);
	}
	if (status != PAWL_OK)
	{
		/* claims go on when it is not the connection's fault */
		self->unknown_ms = clock_ms() + self->worker->lease_ms;
		failed(self, status, &error);
		return;
	}
	outage_over(&self->outage);
	self->unknown_ms = clock_ms() + self->worker->lease_ms;
	if (released > 0)
		worker_notice(self->worker, PAWL_INFO,
		              "claim: gave back %zu jobs of a claim without an answer",
		              released);
}

static void
ask_for_suspects(claimer *self)
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
		failed(self, status, &error);
		return;
	}
	outage_over(&self->outage);
	self->ask_ms = clock_ms() + w->poll_ms;
	if (!waiting)
		self->patience_ms = 0;
	else if (self->patience_ms == 0)
		self->patience_ms =
			clock_ms() + random_jitter(earliest(SUSPECT_PATIENCE_MS, w->lease_ms), 30);
}

/* ------------------------------------------------------------ claims ------------- */

/* Make a work of a claimed row.  NULL without memory: it is found as unknown. */
static work *
make_work(claimer *self, const claim_job *row)
{
	pawl_worker *worker = self->worker;
	work *w = work_new(row, self->epoch);

	if (w == NULL)
	{
		self->unknown_ms = 0;
		return NULL;
	}
	w->handler = worker_find_handler(worker, row->kind);
	if (row->args == NULL)
		work_fail(w, true, "the description of the job is missing");
	else if (w->handler == NULL)
		work_conclude(w, WORK_RELEASE);
	return w;
}

/* Hand over the jobs and answer how many there are; rows of a round are told. */
static size_t
hand_over(claimer *self, const db_result *result, lanes *round)
{
	work_list batch = {0};
	size_t jobs = 0;

	for (int i = 0; i < db_rows(result); i++)
	{
		claim_job row;
		work *w;

		claim_row(result, i, &row);
		if (round != NULL)
			lanes_tell(round, &row);
		if (row.job == 0)
			continue;
		jobs++;
		w = make_work(self, &row);
		if (w != NULL)
			work_list_add(&batch, w);
	}
	self->worker->counts.claimed += (int64_t) jobs;
	if (jobs > 0)
		board_hand_over(self->board, &batch);
	return jobs;
}

/*
 * One claim: of a suspect (round is NULL), or of others, a round of the lanes.  Answers
 * false when it failed.
 */
static bool
run_claim(claimer *self, size_t n, lanes *round, size_t *ret_jobs)
{
	pawl_worker *w = self->worker;
	queue_call call = claimer_call(self);
	claim_args args = {
		.worker = self->view.worker,
		.n = (int) n,
		.queues = (const char *const *) w->queues,
		.n_queues = w->n_queues,
		.kinds = w->kinds,
		.n_kinds = w->n_handlers,
		.suspects = round == NULL,
	};
	auto_result *result = NULL;
	pawl_error error;
	pawl_status status;

	if (round != NULL)
		lanes_begin(round, &args);
	status = claim_jobs(&call, &args, &result, &error);
	if (status != PAWL_OK)
	{
		failed(self, status, &error);
		return false;
	}
	outage_over(&self->outage);
	*ret_jobs = hand_over(self, result, round);
	if (round != NULL)
		lanes_end(round, &call, *ret_jobs == n);
	return true;
}

static void
claim_suspect(claimer *self)
{
	size_t jobs;

	if (!run_claim(self, 1, NULL, &jobs))
		return;
	if (jobs == 0)
		self->pause_ms = 0; /* somebody else has it */
	else if (!self->suspect_before)
		self->pause_ms = self->now_ms + SUSPECT_PAUSE_MS;
	self->suspect_before = true;
	self->patience_ms = 0;
	self->ask_ms = 0; /* another may be waiting */
	self->clear = false;
}

/* Nothing more is there: when to look again. */
static void
note_short(claimer *self, int64_t took_ms)
{
	int64_t now_ms = clock_ms();
	int64_t gap_ms = took_ms * SHORT_GAP_FACTOR;

	self->ran_short = true;
	self->gap_ms = now_ms + (gap_ms > SHORT_GAP_MS ? gap_ms : SHORT_GAP_MS);
	self->poll_ms = now_ms + random_jitter(self->worker->poll_ms, 10);
	if (self->worker->once && self->view.ticks == 0)
		self->poll_ms = now_ms + SHORT_GAP_MS; /* the steward has not looked yet */
	self->seen = self->view.finished;
	self->held_then = self->view.held > 0;
}

/* A worker that is to end looks once more, at everything, before it believes it. */
static bool
is_clear(claimer *self, bool nothing)
{
	if (!self->worker->once || !nothing || self->view.held > 0 || self->view.ticks == 0)
	{
		self->anew = false;
		return false;
	}
	if (self->anew)
		return true;
	lanes_restart(self->lanes);
	self->anew = true;
	self->ran_short = false;
	return false;
}

static void
claim_many(claimer *self)
{
	size_t jobs;
	bool is_short;

	assert(self->n >= 1 && self->n <= LIMIT_CLAIM);
	if (!run_claim(self, self->n, self->lanes, &jobs))
		return;
	self->suspect_before = false;
	is_short = jobs < self->n && !lanes_unfinished(self->lanes);
	self->ran_short = false;
	if (is_short)
		note_short(self, clock_ms() - self->now_ms);
	self->clear = is_clear(self, is_short && jobs == 0);

	/* a worker that is about to idle asks at once */
	if (is_short && jobs == 0 && self->view.held == 0)
		self->ask_ms = 0;
}

/* Of the lanes alone; answers to nobody. */
static void
tend_lanes(claimer *self, step which)
{
	queue_call call = claimer_call(self);
	pawl_error error;
	pawl_status status = which == STEP_FLOORS
	                         ? lanes_read_floors(self->lanes, &call, &error)
	                         : lanes_sweep(self->lanes, &call, self->now_ms, &error);

	if (status != PAWL_OK)
		failed(self, status, &error);
}

static void
take_step(claimer *self, step next)
{
	switch (next)
	{
		case STEP_WAIT:
			board_claim_wait(self->board, &self->wake, self->wait_ms, &self->view);
			break;
		case STEP_LEASE:
			begin_lease(self);
			break;
		case STEP_FLOORS:
		case STEP_SWEEP:
			tend_lanes(self, next);
			break;
		case STEP_UNKNOWN:
			look_for_unknown(self);
			break;
		case STEP_ASK:
			ask_for_suspects(self);
			break;
		case STEP_SUSPECT:
			claim_suspect(self);
			break;
		case STEP_CLAIM:
			claim_many(self);
			break;
		case STEP_GIVE_BACK:
			board_give_back(self->board, self->n);
			break;
		case STEP_DONE:
			board_done(self->board);
			self->wake = (board_wake){0};
			board_claim_wait(self->board, &self->wake, CLOCK_NEVER, &self->view);
			break;
	}
}

void *
claimer_main(void *arg)
{
	claimer self = {.worker = arg};

	self.board = &self.worker->board;
	outage_init(&self.outage, self.worker, "claim");
	self.db = worker_db(self.worker, "claim");
	self.lanes = lanes_new(self.worker);
	board_look(self.board, &self.view);
	while (self.view.phase == BOARD_RUNNING && self.db != NULL && self.lanes != NULL)
	{
		self.now_ms = clock_ms();
		rate_note(&self.rate, self.view.started, self.now_ms);
		take_step(&self, decide(&self));
		board_look(self.board, &self.view);
	}
	lanes_free(self.lanes);
	db_free(self.db);
	return NULL;
}
