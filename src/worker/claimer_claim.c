/*
 * claimer_claim.c - claims, and what follows from a short one; see claimer.h
 *
 * Suspects (jobs that have crashed a worker) are taken one at a time while nothing else
 * is held, and nothing else is claimed until it is settled.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "worker/claimer.h"

/* A long scan that finds little takes at most a tenth of the claimer's time. */
#define SHORT_GAP_FACTOR 10

/* A pause for suspects serves all that can be had in this time. */
#define SUSPECT_PAUSE_MS 1000

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
	w->handler = worker_find_handler(worker, w->job.kind);
	if (row->args == NULL)
		work_fail(w, true, "the description of the job is missing");
	else if (w->handler == NULL)
		work_conclude(w, WORK_RELEASE);
	return w;
}

/*
 * Hand over the jobs and answer how many were taken; rows of a round are told.  One
 * without a fence was taken, too, but its batch is being cancelled, and it has ended.
 */
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
		w = row.fence != 0 ? make_work(self, &row) : NULL;
		if (w != NULL)
			work_list_add(&batch, w);
	}
	self->worker->counts.claimed += (int64_t) batch.n;
	if (batch.n > 0)
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
		claimer_failed(self, status, &error);
		return false;
	}
	outage_over(&self->outage);
	trouble_ends(&w->trouble, TROUBLE_CLAIM);
	*ret_jobs = hand_over(self, result, round);
	if (round != NULL)
		lanes_end(round, &call, *ret_jobs == n);
	return true;
}

void
claimer_claim_suspect(claimer *self)
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
	self->gap_ms = now_ms + (gap_ms > BELL_GAP_MS ? gap_ms : BELL_GAP_MS);
	self->poll_ms = bell_poll(&self->bell, claimer_per_s(self),
	                          random_jitter(self->worker->poll_ms, 10), now_ms);
	if (self->worker->once && self->view.folding)
		self->poll_ms = now_ms + SHORT_PAUSE_MS; /* the settler has not looked yet */
	self->seen = self->view.finished;
}

/*
 * A worker that is to end lets the steward look what became of all that has ended: a
 * batch of which it has claimed or settled the last job may be done only then, and have a
 * completion job.  It looks once more, at everything, before it believes it.
 */
static bool
is_clear(claimer *self, bool nothing)
{
	if (!self->worker->once || !nothing || self->view.held > 0 || self->view.folding ||
	    !groups_is_idle(&self->worker->seats))
	{
		self->anew = false;
		self->tick = 0;
		return false;
	}
	if (self->tick == 0)
		self->tick = board_ask_tick(self->board);
	if (self->view.ticks < self->tick)
		return false;
	if (self->anew)
		return true;
	lanes_restart(self->lanes);
	self->anew = true;
	self->ran_short = false;
	return false;
}

void
claimer_claim_many(claimer *self)
{
	uint64_t seen = self->seen;
	bool rung = self->bell.rung;
	size_t jobs;
	bool is_short;

	assert(self->n >= 1 && self->n <= LIMIT_CLAIM);
	if (!run_claim(self, self->n, self->lanes, &jobs))
		return;
	self->suspect_before = false;
	is_short = jobs < self->n && !lanes_unfinished(self->lanes);
	self->ran_short = false;
	bell_looked(&self->bell, lanes_oldest(self->lanes), db_backend_pid(self->db), jobs,
	            is_short, clock_ms());
	if (is_short)
		note_short(self, clock_ms() - self->now_ms);
	claimer_note_ring(self, rung, jobs);
	self->clear = is_clear(self, is_short && jobs == 0);
	self->scout.nothing = false;

	/* a worker that is about to idle asks at once */
	if (is_short && jobs == 0 && self->view.held == 0 &&
	    (self->worker->once || self->view.finished > seen))
		self->ask_ms = 0;
}
