/*
 * settler.c - records results, many in one statement
 *
 * The thread owns the connection "settle" and the works that it has taken from the
 * board (state SETTLING): those of the present batch, and `later`, those to be tried
 * again.  A batch is divided by verb; one that fails for good is divided in halves down
 * to the row that is to blame, which is settled as a failure that tells the error.  One
 * that the server lacks the space for is divided too, down to what it takes.
 *
 * An error that passes may still be one row's, and come back with it each time: what has
 * met with several such errors goes in small batches, then alone, after the others.
 *
 * Settling twice is harmless: the fence decides, and what was stored the first time
 * answers stale.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "worker/ending.h"
#include "worker/outage.h"

/* A settle waits for nobody but an outsider's lock. */
static const db_limits limits = {
	.lock_timeout_ms = 2000, .statement_timeout_ms = 20000, .idle_timeout_ms = 10000};

/* Results of one statement: a message of the protocol is bounded, and so is memory. */
#define BATCH_BYTES (16 * 1024 * 1024)

#define BUSY_FIRST_MS 20
#define BUSY_LONGEST_MS 2000

/* Errors after which a result goes with few others, or alone. */
#define ERRORS_ALL 3
#define ERRORS_FEW 5
#define SHARE_FEW 32

/* After the executors' end: how long what cannot be stored is tried. */
#define LAST_TRIES_MS 10000

/*
 * While others run, a statement is not begun sooner after the last one than this, unless
 * it would have so many rows: a row alone costs as much as twenty together, and is taken
 * from the handlers.
 */
#define GATHER_MS 10
#define GATHER_ENOUGH 100

/* Stale results are told of at most so often. */
#define STALE_TELL_MS 10000

typedef struct settler
{
	pawl_worker *worker;
	board *board;
	db *db;
	outage outage;
	settle_row *rows; /* LIMIT_SETTLE of them */
	work_list later;
	int64_t retry_ms; /* nothing is sent before this */
	int64_t small_ms; /* no small batch is sent before this */
	int64_t small_told_ms;
	ending ending;
	bool folding;      /* as the board knows it */
	int64_t gather_ms; /* results are waited for until then */
	int64_t end_ms;    /* the last tries; 0: the run goes on */
	int64_t stale;     /* since they were last told of */
	int64_t stale_told_ms;
} settler;

/* ------------------------------------------------------------ later -------------- */

static void
put_off(settler *self, work *w, int64_t first_ms, int64_t longest_ms)
{
	int64_t pause_ms = first_ms;

	for (int i = 0; i < w->tries && pause_ms < longest_ms; i++)
		pause_ms *= 2;
	w->tries++;
	w->due_ms =
		clock_ms() + random_jitter(pause_ms < longest_ms ? pause_ms : longest_ms, 25);
	work_list_add(&self->later, w);
}

/* Move what is due from `later` to the batch. */
static void
take_due(settler *self, work_list *batch)
{
	work_list rest = {0};
	int64_t now_ms = clock_ms();
	work *w;

	while ((w = work_list_take(&self->later)) != NULL)
	{
		bool due = w->due_ms <= now_ms && batch->n < LIMIT_SETTLE;

		work_list_add(due ? batch : &rest, w);
	}
	self->later = rest;
}

static int64_t
next_due(const settler *self)
{
	int64_t due_ms = self->end_ms == 0 ? CLOCK_NEVER : self->end_ms;

	if (ending_due(&self->ending) < due_ms)
		due_ms = ending_due(&self->ending);

	for (const work *w = self->later.first; w != NULL; w = w->next)
		if (w->due_ms < due_ms)
			due_ms = w->due_ms;
	return due_ms;
}

/* ------------------------------------------------------------ answers ------------ */

static void
tell_stale(settler *self)
{
	if (self->stale == 0 || clock_ms() < self->stale_told_ms + STALE_TELL_MS)
		return;
	worker_notice(self->worker, PAWL_INFO,
	              "settle: %" PRId64 " results were not needed: their claims had ended "
	              "(settled by the handler itself, cancelled, taken over)",
	              self->stale);
	self->stale = 0;
	self->stale_told_ms = clock_ms();
}

/* A worker that is to end waits for the completion job of a batch that ends now. */
static void
tell_folding(settler *self)
{
	bool folding = ending_due(&self->ending) != CLOCK_NEVER;

	if (folding == self->folding)
		return;
	board_folds(self->board, folding);
	self->folding = folding;
}

/* The batch was stored: each work gets its answer. */
static void
take_answers(settler *self, work_list *batch)
{
	work_list done = {0};
	size_t i = 0;
	work *w;

	while ((w = work_list_take(batch)) != NULL)
	{
		settle_answer answer = self->rows[i++].answer;

		if (answer == SETTLE_BUSY)
		{
			put_off(self, w, BUSY_FIRST_MS, BUSY_LONGEST_MS);
			continue;
		}
		if (answer == SETTLE_WON || w->unknown)
			worker_count(self->worker, w->verb);
		else if (w->verb != WORK_RELEASE)
		{
			self->worker->counts.stale++;
			self->stale++;
		}
		if (w->job.stage != NULL)
			ending_add(&self->ending, w->job.batch);
		work_list_add(&done, w);
	}
	tell_folding(self);
	board_forget(self->board, &done);
	tell_stale(self);
}

/* ------------------------------------------------------------ batches ------------ */

/* Nothing of it can be stored for a while. */
static void
put_off_batch(settler *self, work_list *batch, int64_t due_ms, bool unknown)
{
	work *w;

	while ((w = work_list_take(batch)) != NULL)
	{
		w->unknown = w->unknown || unknown;
		w->due_ms = due_ms;
		work_list_add(&self->later, w);
	}
}

/* At most so many go with it in one statement. */
static size_t
share_of(const work *w)
{
	if (w->errors < ERRORS_ALL)
		return LIMIT_SETTLE;
	return w->errors < ERRORS_FEW ? SHARE_FEW : 1;
}

static bool
is_small(const work_list *batch)
{
	return share_of(batch->first) < LIMIT_SETTLE;
}

static int64_t
not_before(const settler *self, const work_list *batch)
{
	bool small = is_small(batch) && self->small_ms > self->retry_ms;

	return small ? self->small_ms : self->retry_ms;
}

/*
 * A small batch has failed, too.  Only it waits, longer each time; the other small ones
 * go on in a moment, those that have met with no error at once.
 */
static void
put_off_small(settler *self, work_list *batch, const pawl_error *error)
{
	work *w;

	if (clock_ms() >= self->small_told_ms + OUTAGE_TELL_MS)
	{
		worker_notice(self->worker, PAWL_WARN,
		              "settle: could not store %s%" PRId64
		              ": %s (%s)%s%s; trying again",
		              batch->n > 1 ? "some results, among them that of job "
		                           : "the result of job ",
		              batch->first->job.id, error->message, error->sqlstate,
		              error->detail[0] != '\0' ? ": " : "", error->detail);
		self->small_told_ms = clock_ms();
	}
	self->small_ms = clock_ms() + BUSY_FIRST_MS;
	while ((w = work_list_take(batch)) != NULL)
		put_off(self, w, BUSY_FIRST_MS, OUTAGE_LONGEST_MS);
}

/* Another try may be spared the error; nothing was stored. */
static void
try_again(settler *self, work_list *batch, pawl_status status, const pawl_error *error)
{
	bool of_rows = outage_is_of_rows(error);

	if (of_rows)
		for (work *w = batch->first; w != NULL; w = w->next)
			w->errors++;
	if (of_rows && is_small(batch))
	{
		put_off_small(self, batch, error);
		return;
	}
	self->retry_ms = clock_ms() + outage_failed(&self->outage, status, error);
	put_off_batch(self, batch, self->retry_ms, outage_is_doubt(status));
}

/*
 * One row that the server refuses.  What a handler gave is its failure; when even that
 * is refused, or nothing of the row's is to blame, it is tried again later.
 */
static void
refuse_one(settler *self, work *w, const pawl_error *error)
{
	if (!outage_is_data(error))
		(void) outage_failed(&self->outage, PAWL_ERR_DATABASE, error);
	else
		worker_notice(self->worker, PAWL_DEBUG, "settle: job %" PRId64 ": %s (%s)",
		              w->job.id, error->message, error->sqlstate);
	if (outage_is_data(error) && w->verb == WORK_COMPLETE)
	{
		work_fail(w, false, "could not store the result: %s (%s)%s%s", error->message,
		          error->sqlstate, error->detail[0] != '\0' ? ": " : "", error->detail);
		w->due_ms = 0;
		work_list_add(&self->later, w);
		return;
	}
	put_off(self, w, BUSY_FIRST_MS * 10, OUTAGE_LONGEST_MS);
}

static void settle_halves(settler *self, work_verb verb, work_list *batch);

/* Settle works of one verb; the list is empty afterwards. */
static void
settle_batch(settler *self, work_verb verb, work_list *batch)
{
	queue_call call = {.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};
	pawl_error error;
	pawl_status status;
	size_t n = 0;

	assert(batch->n >= 1 && batch->n <= LIMIT_SETTLE);
	if (clock_ms() < not_before(self, batch))
	{
		put_off_batch(self, batch, not_before(self, batch), false);
		return;
	}
	for (const work *w = batch->first; w != NULL; w = w->next)
		self->rows[n++] = work_row(w);
	status = work_settles[verb](&call, self->rows, n, &error);
	if (status == PAWL_OK)
	{
		outage_over(&self->outage);
		trouble_ends(&self->worker->trouble, TROUBLE_SETTLE);
		take_answers(self, batch);
	}
	else if (n > 1 && status == PAWL_ERR_TRANSIENT && outage_is_shortage(&error))
	{
		(void) outage_failed(&self->outage, status, &error);
		settle_halves(self, verb, batch);
	}
	else if (outage_is_passing(status))
		try_again(self, batch, status, &error);
	else if (n == 1)
		refuse_one(self, work_list_take(batch), &error);
	else
		settle_halves(self, verb, batch);
}

static void
settle_halves(settler *self, work_verb verb, work_list *batch)
{
	work_list half = {0};

	work_list_move(batch, &half, batch->n / 2);
	settle_batch(self, verb, &half);
	settle_batch(self, verb, batch);
}

/* Cut off what is too much for one statement. */
static void
limit_batch(work_list *from, work_list *to, size_t max)
{
	size_t bytes = 0;

	while (from->first != NULL && to->n < max)
	{
		const work *w = from->first;

		bytes += w->result != NULL ? strlen(w->result) : 0;
		bytes += w->error != NULL ? strlen(w->error) : 0;
		bytes += w->counts != NULL ? strlen(w->counts) : 0;
		if (to->n > 0 && bytes > BATCH_BYTES)
			break;
		work_list_add(to, work_list_take(from));
	}
}

/* Settle those of one share, and leave the others in the list. */
static void
settle_share(settler *self, work_list *batch, size_t share)
{
	work_list by_verb[WORK_VERBS] = {0};
	work_list rest = {0};
	work *w;

	while ((w = work_list_take(batch)) != NULL)
	{
		assert(w->concluded && w->state == WORK_SETTLING);
		work_list_add(share_of(w) == share ? &by_verb[w->verb] : &rest, w);
	}
	*batch = rest;
	for (int verb = 0; verb < WORK_VERBS; verb++)
	{
		while (by_verb[verb].n > 0)
		{
			work_list part = {0};

			limit_batch(&by_verb[verb], &part, share);
			settle_batch(self, (work_verb) verb, &part);
		}
	}
}

static void
settle_all(settler *self, work_list *batch)
{
	board_sift(self->board, batch);
	settle_share(self, batch, LIMIT_SETTLE);
	settle_share(self, batch, SHARE_FEW);
	settle_share(self, batch, 1);
	assert(batch->n == 0);
}

/* ------------------------------------------------------------ thread ------------- */

/* While nothing can be sent, results wait on the board, which bounds them. */
static void
wait_for_retry(settler *self)
{
	work_list none = {0};

	while (clock_ms() < self->retry_ms &&
	       (self->end_ms == 0 || clock_ms() < self->end_ms))
		(void) board_results(self->board, &none, 0, self->retry_ms);
	assert(none.n == 0);
}

/*
 * The executors have ended, and nothing is held any more or has been tried for long
 * enough.  What is due again at once is no new result: it must not put the end off.
 */
static bool
is_last(settler *self)
{
	board_view view;

	board_look(self->board, &view);
	if (view.phase < BOARD_SETTLER_END)
		return false;
	if (self->end_ms == 0)
		self->end_ms = clock_ms() + LAST_TRIES_MS;
	return view.held == 0 || clock_ms() >= self->end_ms;
}

/* What could not be stored, also what nobody has taken from the board. */
static void
give_up(settler *self)
{
	(void) board_results(self->board, &self->later, SIZE_MAX, 0);
	if (self->later.n > 0)
		worker_notice(self->worker, PAWL_WARN,
		              "settle: %zu results could not be stored; their jobs are "
		              "recovered when the lease is over",
		              self->later.n);
	board_forget(self->board, &self->later);
}

static void
settler_loop(settler *self)
{
	do
	{
		work_list batch = {0};

		wait_for_retry(self);
		board_gather(self->board, GATHER_ENOUGH, self->gather_ms);
		take_due(self, &batch);
		(void) board_results(self->board, &batch, LIMIT_SETTLE - batch.n,
		                     batch.n > 0 ? 0 : next_due(self));
		self->gather_ms = clock_ms() + GATHER_MS;
		if (batch.n > 0)
			settle_all(self, &batch);
		ending_look(&self->ending, self->board, self->db, &limits, false);
		tell_folding(self);
	} while (!is_last(self));
	ending_look(&self->ending, self->board, self->db, &limits, true);
	give_up(self);
}

void *
settler_main(void *arg)
{
	settler self = {.worker = arg};

	self.board = &self.worker->board;
	outage_init(&self.outage, self.worker, "settle");
	self.db = worker_db(self.worker, "settle");
	self.rows = calloc(LIMIT_SETTLE, sizeof(*self.rows));
	if (self.db != NULL && self.rows != NULL)
		settler_loop(&self);
	free(self.rows);
	db_free(self.db);
	return NULL;
}
