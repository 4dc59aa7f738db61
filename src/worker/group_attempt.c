/*
 * group_attempt.c - one dispatch of a group: the handler, and the settle; see
 * group_runner.h
 *
 * The works are on the board while their handler runs (board.h), and the group's lease is
 * the keeper's to renew (groups.h).  Before anything is settled both are ended, so that
 * the settle is the last that is written of them.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "worker/group_runner.h"

/* So long what cannot be settled is tried, unless the lease is over before. */
#define SETTLE_MS 10000

/* Results that go together with the next dispatch. */
#define PROCEED_BYTES (4 * 1024 * 1024)

/* The works of one dispatch. */
typedef struct attempt
{
	work **works; /* ascending by id */
	work **left;  /* room for as many: those to be settled */
	size_t n;
	size_t n_left;
} attempt;

static void
free_attempt(attempt *a)
{
	free(a->works);
	free(a->left);
}

/* The works are not on the board. */
static void
drop_works(attempt *a)
{
	for (size_t i = 0; i < a->n; i++)
		work_free(a->works[i]);
	a->n = 0;
}

/* False: without memory. */
static bool
make_works(const group_runner *self, const db_result *result, attempt *a)
{
	size_t n = (size_t) db_rows(result);

	a->works = calloc(n, sizeof(work *));
	a->left = calloc(n, sizeof(work *));
	for (; a->works != NULL && a->left != NULL && a->n < n; a->n++)
	{
		claim_job row;
		work *w;

		group_job_row(result, (int) a->n, &row);
		w = work_new(&row, self->epoch);
		if (w == NULL)
			break;
		w->token = self->owner.token;
		w->handler = worker_find_handler(self->context.worker, row.kind);
		if (row.args == NULL)
			work_fail(w, true, "the description of the job is missing");
		else if (w->handler == NULL)
			work_conclude(w, WORK_RELEASE);
		a->works[a->n] = w;
	}
	if (a->n == n)
		return true;
	drop_works(a);
	return false;
}

/* Those without a handler, or without a description, are concluded already. */
static void
run_handler(group_runner *self, const attempt *a)
{
	size_t first = 0;

	while (first < a->n)
	{
		size_t n = 0;

		while (first + n < a->n && !a->works[first + n]->concluded)
			n++;
		if (n > 0)
			context_run(&self->context, a->works + first, n);
		first += n + 1;
	}
}

/* The run has ended since they were dispatched: none is begun. */
static void
release_all(const attempt *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!a->works[i]->concluded)
			work_conclude(a->works[i], WORK_RELEASE);
}

/*
 * Attended by the keeper from here on, and on the board.  False: the group was lost since
 * it was dispatched.
 */
static bool
begin(group_runner *self, const attempt *a)
{
	pawl_worker *worker = self->context.worker;

	if (!groups_attend(&worker->seats, self->seat))
		return false;
	if (board_group_begin(&worker->board, a->works, a->n, self->context.interrupt_fd,
	                      self->end_ms))
		return true;
	(void) groups_rest(&worker->seats, self->seat, &self->end_ms);
	return false;
}

/* The answers to what was left: what is busy stays. */
static void
take_answers(group_runner *self, attempt *a, const settle_row *rows)
{
	pawl_worker *worker = self->context.worker;
	size_t n = a->n_left;

	a->n_left = 0;
	for (size_t i = 0; i < n; i++)
	{
		work *w = a->left[i];

		if (rows[i].answer == SETTLE_BUSY)
			a->left[a->n_left++] = w;
		else if (rows[i].answer == SETTLE_WON)
			worker_count(worker, w->verb);
		else
			worker->counts.stale++;
		if (rows[i].answer != SETTLE_BUSY && w->job.stage != NULL)
			ending_add(&self->ending, w->job.batch);
	}
}

/* All have succeeded, with little to say, and the handler has no transaction of its own. */
static bool
may_proceed(const group_runner *self, const attempt *a)
{
	size_t bytes = 0;

	if (a->n_left == 0 || self->own.txn.db != NULL)
		return false;
	for (size_t i = 0; i < a->n_left; i++)
	{
		bytes += a->left[i]->result_bytes;
		if (a->left[i]->verb != WORK_COMPLETE || bytes > PROCEED_BYTES)
			return false;
	}
	return true;
}

/*
 * Settle them and dispatch the next in one transaction.  What cannot be settled so is left,
 * for settle.
 */
static group_next
proceed(group_runner *self, attempt *a)
{
	queue_call call = group_runner_call(self);
	group_kinds kinds = group_runner_kinds(self);
	bool more = !group_runner_must_leave(self);
	auto_free settle_row *rows = calloc(a->n_left, sizeof(*rows));
	int64_t sent_ms = clock_ms();
	pawl_error error;
	pawl_status status;

	if (rows == NULL)
		return GROUP_ON;
	for (size_t i = 0; i < a->n_left; i++)
		rows[i] = work_row(a->left[i]);
	status = group_proceed(&call, &self->owner, rows, a->n_left, &kinds, more,
	                       &self->next, &error);
	if (status != PAWL_OK && (status == PAWL_ERR_LEASE || !db_is_open(self->db)))
		return group_runner_failed(self, "could not settle a job of", status, &error);
	if (status != PAWL_OK)
		return GROUP_ON;
	group_runner_renewed(self, sent_ms);
	take_answers(self, a, rows);
	if (self->next.given)
		return GROUP_GIVEN;
	self->ahead = a->n_left == 0;
	assert(self->ahead || self->next.result == NULL);
	ending_look(&self->ending, &self->context.worker->board, self->db, &call.limits,
	            false);
	return GROUP_ON;
}

/* Settle what can be; what a handler wrote together with a lost job must not be kept. */
static group_next
settle(group_runner *self, attempt *a)
{
	pawl_worker *worker = self->context.worker;
	queue_call call = group_runner_call(self);
	bool own = self->own.txn.db != NULL;
	int64_t sent_ms = clock_ms();
	pawl_error error;
	pawl_status status;

	if (may_proceed(self, a))
	{
		group_next next = proceed(self, a);

		if (next != GROUP_ON || a->n_left == 0)
			return next;
	}
	if (a->n_left == 0)
	{
		context_abandon(&self->context);
		return db_is_open(self->db) ? GROUP_ON : GROUP_ABANDON;
	}
	call.limits.at_once = false;
	call.deadline_ms =
		self->end_ms < sent_ms + SETTLE_MS ? self->end_ms : sent_ms + SETTLE_MS;
	status = context_settle(&self->context, &call, &self->owner,
	                        own ? a->works : a->left, own ? a->n : a->n_left, &error);
	if (status != PAWL_OK)
	{
		(void) group_runner_failed(self, "could not settle a job of", status, &error);
		return GROUP_ABANDON;
	}
	group_runner_renewed(self, sent_ms);
	for (size_t i = 0; i < a->n_left; i++)
	{
		if (a->left[i]->job.stage != NULL)
			ending_add(&self->ending, a->left[i]->job.batch);
	}
	ending_look(&self->ending, &worker->board, self->db, &call.limits, false);
	return GROUP_ON;
}

group_next
group_attempt(group_runner *self, const db_result *result)
{
	pawl_worker *worker = self->context.worker;
	__attribute__((cleanup(free_attempt))) attempt a = {.n = 0};
	group_next next = GROUP_ABANDON;

	if (!make_works(self, result, &a))
	{
		worker_notice(worker, PAWL_ERROR, "group \"%.100s\": out of memory",
		              self->owner.group_key);
		return GROUP_ABANDON;
	}
	worker->counts.claimed += (int64_t) a.n;
	if (groups_has_ended(&worker->seats))
		release_all(&a);
	if (!begin(self, &a))
	{
		drop_works(&a);
		return GROUP_ABANDON;
	}
	run_handler(self, &a);
	self->jobs += a.n;
	if (groups_rest(&worker->seats, self->seat, &self->end_ms))
	{
		a.n_left = board_group_end(&worker->board, a.works, a.n,
		                           self->context.interrupt_fd, a.left);
		next = settle(self, &a);
	}
	else
	{
		(void) board_group_end(&worker->board, a.works, a.n, self->context.interrupt_fd,
		                       a.left);
		context_abandon(&self->context);
	}
	board_group_forget(&worker->board, a.works, a.n);
	return next;
}
