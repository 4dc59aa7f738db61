/*
 * context_settle.c - store what became of the jobs of a group; see context.h
 *
 * Runs on the runner's thread.  A group is settled on its own connection or not at all.
 *
 * Of the handler's transaction nothing may be left unless its jobs succeed: when it cannot
 * be committed together with their ends, they fail, or are given back, in a transaction
 * that follows.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "db/backoff.h"
#include "worker/context.h"
#include "worker/outage.h"

/* What is left to settle. */
typedef struct settling
{
	pawl_worker *worker;
	const group_owner *owner;
	work **left; /* ascending by id */
	size_t n;
	settle_row *rows; /* room for n */
	bool alone;       /* one in each transaction: one of them is refused */
} settling;

/* ------------------------------------------------------------ own transaction ---- */

static bool
all_completed(const settling *s)
{
	for (size_t i = 0; i < s->n; i++)
	{
		if (s->left[i]->verb != WORK_COMPLETE)
			return false;
	}
	return true;
}

/* Its effects are gone, so it has not succeeded; nobody is to blame. */
static void
give_back_completed(const settling *s)
{
	for (size_t i = 0; i < s->n; i++)
	{
		if (s->left[i]->verb == WORK_COMPLETE)
			work_conclude(s->left[i], WORK_RELEASE);
	}
}

/* Why its end was not stored in the handler's transaction; NULL: not because of it. */
static const char *
reason_of(settle_answer answer)
{
	switch (answer)
	{
		case SETTLE_STALE:
			return "its claim had ended, or the handler had settled it itself: what "
				   "it wrote was rolled back";
		case SETTLE_BUSY:
			return "another transaction has fenced it: what the handler wrote was "
				   "rolled back";
		case SETTLE_REFUSED:
			return "its result exceeds the limit of 1048576 bytes";
		case SETTLE_WON:
			break;
	}
	return NULL;
}

/* The transaction was rolled back instead of committed: what becomes of the works. */
static void
blame(const settling *s, pawl_status status, const pawl_error *error)
{
	for (size_t i = 0; i < s->n; i++)
	{
		work *w = s->left[i];
		const char *reason =
			status == PAWL_ERR_CONFLICT ? reason_of(s->rows[i].answer) : NULL;

		if (status != PAWL_ERR_CONFLICT)
			work_fail(w, false, "%s%s%s%s%s%s", error->message,
			          error->sqlstate[0] != '\0' ? " (" : "", error->sqlstate,
			          error->sqlstate[0] != '\0' ? ")" : "",
			          error->detail[0] != '\0' ? ": " : "", error->detail);
		else if (reason != NULL)
			work_fail(w, false, "%s", reason);
		else
			work_conclude(w, WORK_RELEASE);
	}
}

/* After this nothing of the group may be done on this connection, or on any other. */
static bool
is_end(pawl_status status)
{
	return status == PAWL_ERR_LEASE || status == PAWL_ERR_CONNECT ||
	       outage_is_doubt(status);
}

static void fill_rows(const settling *s, work *const *works, size_t n);

/*
 * Commit the handler's transaction with the ends of all jobs.  *ret_done: they are stored.
 * Else, with OK, they are to be settled as they are concluded now.
 */
static pawl_status
settle_own(settling *s, context_own *own, const db_limits *limits, bool *ret_done,
           pawl_error *error)
{
	pawl_status status;

	*ret_done = false;
	if (!all_completed(s))
	{
		db_rollback(&own->txn);
		give_back_completed(s);
		return PAWL_OK;
	}
	status = db_take_back(&own->txn, limits, error);
	fill_rows(s, s->left, s->n);
	if (status == PAWL_OK)
		status = group_settle_own(&own->txn, s->owner, s->rows, s->n, error);
	*ret_done = status == PAWL_OK;
	if (status == PAWL_OK || is_end(status))
		return status;
	blame(s, status, error);
	return PAWL_OK;
}

/* ------------------------------------------------------------ answers ------------ */

static void
fill_rows(const settling *s, work *const *works, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->rows[i] = work_row(works[i]);
}

static void
count(const settling *s, const work *w, settle_answer answer)
{
	if (answer == SETTLE_WON)
		worker_count(s->worker, w->verb);
	else if (w->verb != WORK_RELEASE)
		s->worker->counts.stale++;
}

/* ------------------------------------------------------------ one transaction ---- */

/* Rows of the works from left[at] on, sorted by verb; parts says which are whose. */
static void
divide(const settling *s, size_t at, size_t n, group_part *parts)
{
	size_t filled = 0;

	for (int verb = 0; verb < WORK_VERBS; verb++)
	{
		parts[verb] =
			(group_part){.verb = work_settles[verb], .rows = s->rows + filled};
		for (size_t i = at; i < at + n; i++)
		{
			if (s->left[i]->verb == (work_verb) verb)
				parts[verb].rows[parts[verb].n++] = work_row(s->left[i]);
		}
		filled += parts[verb].n;
	}
	assert(filled == n);
}

/* Take those that have an answer out of left; what is busy stays. */
static void
take_answers(settling *s, size_t at, size_t n, const group_part *parts)
{
	size_t next[WORK_VERBS] = {0};
	size_t kept = at;

	for (size_t i = at; i < at + n; i++)
	{
		work *w = s->left[i];
		settle_answer answer = parts[w->verb].rows[next[w->verb]++].answer;

		if (answer == SETTLE_BUSY)
			s->left[kept++] = w;
		else
			count(s, w, answer);
	}
	memmove(s->left + kept, s->left + at + n, (s->n - at - n) * sizeof(*s->left));
	s->n -= at + n - kept;
}

/* Store n of the works from left[at] on; they leave the list when they are. */
static pawl_status
settle_part(settling *s, const queue_call *call, size_t at, size_t n, pawl_error *error)
{
	group_part parts[WORK_VERBS];
	pawl_status status;

	divide(s, at, n, parts);
	status = group_settle(call, s->owner, parts, WORK_VERBS, error);
	if (status == PAWL_OK)
		take_answers(s, at, n, parts);
	return status;
}

/* ------------------------------------------------------------ rounds ------------- */

/* What the server refuses of a work becomes the failure of its attempt. */
static pawl_status
refuse(work *w, pawl_status status, const pawl_error *error)
{
	if (w->verb != WORK_COMPLETE || !outage_is_data(error))
		return status;
	work_fail(w, false, "could not store the result: %s (%s)%s%s", error->message,
	          error->sqlstate, error->detail[0] != '\0' ? ": " : "", error->detail);
	return PAWL_OK;
}

static pawl_status
settle_each(settling *s, const queue_call *call, pawl_error *error)
{
	pawl_status status = PAWL_OK;

	for (size_t i = 0; i < s->n && status == PAWL_OK;)
	{
		size_t n = s->n;

		status = settle_part(s, call, i, 1, error);
		if (status != PAWL_OK && !outage_is_passing(status))
			status = refuse(s->left[i], status, error); /* and once more */
		else if (s->n == n)
			i++; /* busy */
	}
	return status;
}

/* Once; OK with something left means that it is busy. */
static pawl_status
settle_round(settling *s, const queue_call *call, pawl_error *error)
{
	pawl_status status;

	if (s->alone)
		return settle_each(s, call, error);
	status = settle_part(s, call, 0, s->n, error);
	s->alone = status != PAWL_OK && outage_is_data(error);
	return s->alone ? settle_each(s, call, error) : status;
}

static pawl_status
settle_rounds(settling *s, const queue_call *call, pawl_error *error)
{
	queue_call once = *call;

	once.deadline_ms = CALL_ONCE;
	once.limits.same_session = true;
	for (int round = 0;; round++)
	{
		pawl_status status = settle_round(s, &once, error);

		if (status == PAWL_OK && s->n > 0)
			status = error_set(error, PAWL_ERR_BUSY,
			                   "another transaction has fenced the job");
		if (status == PAWL_OK || is_end(status) ||
		    (status != PAWL_ERR_BUSY && !outage_is_passing(status)))
			return status;
		backoff_wait(round, call->deadline_ms);
		if (clock_ms() >= call->deadline_ms)
			return status;
	}
}

/* ------------------------------------------------------------ all ---------------- */

static pawl_status
settle_all(settling *s, pawl_context *context, const queue_call *call,
           pawl_error *error)
{
	bool done = false;
	pawl_status status = PAWL_OK;

	if (context->own->txn.db != NULL)
		status = settle_own(s, context->own, &call->limits, &done, error);
	for (size_t i = 0; i < s->n && done; i++)
		worker_count(s->worker, WORK_COMPLETE);
	if (status == PAWL_OK && !done)
		status = settle_rounds(s, call, error);
	return status;
}

pawl_status
context_settle(pawl_context *context, const queue_call *call, const group_owner *owner,
               work *const *works, size_t n, pawl_error *error)
{
	auto_free work **left = calloc(n, sizeof(work *));
	auto_free settle_row *rows = calloc(n, sizeof(*rows));
	settling s = {
		.worker = context->worker, .owner = owner, .left = left, .rows = rows};
	pawl_status status;

	assert(context->own != NULL && n >= 1 && n <= LIMIT_SETTLE);
	assert(call->db == context->own->db && call->txn == NULL);
	if (left == NULL || rows == NULL)
	{
		context_abandon(context);
		return error_memory(error);
	}
	for (; s.n < n; s.n++)
	{
		assert(works[s.n]->concluded);
		assert(s.n == 0 || works[s.n]->job.id > works[s.n - 1]->job.id);
		left[s.n] = works[s.n];
	}
	status = settle_all(&s, context, call, error);
	context_abandon(context); /* what is left of a transaction, after a failure */
	return status;
}
