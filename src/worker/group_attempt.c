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

/* Settle what can be; what a handler wrote together with a lost job must not be kept. */
static group_next
settle(group_runner *self, const attempt *a)
{
	pawl_worker *worker = self->context.worker;
	queue_call call = group_runner_call(self);
	bool own = self->own.txn.db != NULL;
	int64_t sent_ms = clock_ms();
	pawl_error error;
	pawl_status status;

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
