/*
 * progress_find.c - why a worker makes no progress; see progress.h
 *
 * Runs on the steward's thread.  Reads the board, the troubles of the threads, and what
 * the last look has found to wait.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "worker/progress.h"

/* A program has ten seconds from SIGTERM to SIGKILL. */
#define LATE_MS 15000

static bool
conclude(progress_finding *f, stall_reason reason, int64_t job, int64_t since_ms)
{
	f->reason = reason;
	f->job = job;
	f->since_ms = since_ms;
	f->text[text_valid_utf8(f->text, strlen(f->text))] = '\0';
	return true;
}

/* ' of group "acme/orders"', or nothing. */
static const char *
of_group(const board_running *run, char *text, size_t size)
{
	text[0] = '\0';
	if (run->group[0] != '\0')
		(void) snprintf(text, size, " of group \"%s\"", run->group);
	return text;
}

static bool
find_handler(progress *p, progress_finding *f)
{
	int64_t late_ms =
		progress_patience_ms(p) < LATE_MS ? progress_patience_ms(p) : LATE_MS;
	char group[LIMIT_NAME + 16];
	board_running run;

	if (!board_longest(&p->worker->board, late_ms, &run))
		return false;
	(void) snprintf(f->text, sizeof(f->text),
	                "the handler of job %" PRId64
	                "%s, kind \"%s\", does not come back, "
	                "although its time is over",
	                run.job, of_group(&run, group, sizeof(group)), run.kind);
	return conclude(f, STALL_HANDLER, run.job, clock_ms() - run.over_ms);
}

/* The trouble of a thread that lasts. */
static bool
find_trouble(progress *p, trouble_of which, stall_reason reason, const char *what,
             progress_finding *f)
{
	trouble_note note;

	if (!trouble_look(&p->worker->trouble, which, &note) ||
	    clock_ms() - note.since_ms < progress_patience_ms(p))
		return false;
	(void) snprintf(f->text, sizeof(f->text), "%s: %s", what, note.why);
	return conclude(f, reason, 0, note.since_ms);
}

/* With as many as it keeps the worker claims nothing more. */
static bool
find_results(progress *p, const board_view *view, progress_finding *f)
{
	size_t n = board_unsettled(view);

	if (n == 0)
		return false;
	if (!find_trouble(p, TROUBLE_SETTLE, STALL_RESULTS,
	                  n < BOARD_UNSETTLED_MAX
	                      ? "results cannot be stored"
	                      : "results cannot be stored, and too many "
	                        "wait to claim more",
	                  f))
	{
		if (!progress_is_still(p))
			return false;
		(void) snprintf(f->text, sizeof(f->text), "results wait to be stored%s",
		                n < BOARD_UNSETTLED_MAX ? "" : ", too many to claim more");
		(void) conclude(f, STALL_RESULTS, 0, p->moved_ms);
	}
	f->job = n >= BOARD_UNSETTLED_MAX;
	return true;
}

static bool
find_executors(progress *p, const board_view *view, progress_finding *f)
{
	board_running run;

	if (view->idle > 0 || (p->waits.job == 0 && view->pending == 0) ||
	    !board_longest(&p->worker->board, -1, &run))
		return false;
	(void) snprintf(f->text, sizeof(f->text),
	                "no executor is free: the handlers of %zu jobs run, the longest "
	                "that of job %" PRId64 ", kind \"%s\"",
	                view->running, run.job, run.kind);
	return conclude(f, STALL_EXECUTORS, run.job, p->moved_ms);
}

/* The same job could be claimed, or the same group taken, for so long. */
static bool
is_passed_over(const progress *p)
{
	return p->job != 0 && clock_ms() - p->job_ms >= progress_patience_ms(p);
}

/*
 * The head of a group waits, and no runner is there for it.  A worker that works on no
 * groups leaves them to others, as long as they come.
 */
static bool
find_runners(progress *p, const board_view *view, progress_finding *f)
{
	board_running run = {.job = 0};
	groups_view v;

	groups_look(&p->worker->seats, &v);
	if (p->waits.head == 0 || v.free > 0 ||
	    (p->worker->groups == 0 && !is_passed_over(p)))
		return false;
	if (p->worker->groups == 0)
		(void) snprintf(f->text, sizeof(f->text),
		                "job %" PRId64 " is of a group, and this worker works on none",
		                p->waits.head);
	else if (board_longest(&p->worker->board, -1, &run))
		(void) snprintf(f->text, sizeof(f->text),
		                "no runner of groups is free: the handlers of %zu jobs run, "
		                "the longest that of job %" PRId64 ", kind \"%s\"",
		                view->attended, run.job, run.kind);
	else
		(void) snprintf(f->text, sizeof(f->text),
		                "no runner of groups is free: all %zu have one",
		                p->worker->groups);
	return conclude(f, STALL_RUNNERS, run.job, p->moved_ms);
}

static bool
find_locked(progress *p, progress_finding *f)
{
	if (!is_passed_over(p))
		return false;
	(void) snprintf(f->text, sizeof(f->text),
	                "job %" PRId64 " is %s: another session may have locked it", p->job,
	                p->waits.job != 0 ? "ready and cannot be claimed"
	                                  : "due and its group cannot be taken");
	return conclude(f, STALL_LOCKED, p->job, p->job_ms);
}

/* What waits, and why this worker does not take it. */
static bool
find_waiting(progress *p, const board_view *view, progress_finding *f)
{
	const stall_work *w = &p->waits;

	if (w->head != 0 &&
	    find_trouble(p, TROUBLE_GROUP, STALL_GROUPS, "groups cannot be worked on", f))
		return true;
	if (find_executors(p, view, f) || find_runners(p, view, f))
		return true;
	if (w->paused[0] != '\0')
	{
		(void) snprintf(f->text, sizeof(f->text), "jobs wait in paused queues: %s",
		                w->paused);
		return conclude(f, STALL_PAUSED, 0, p->moved_ms);
	}
	if (w->kinds[0] != '\0')
	{
		(void) snprintf(f->text, sizeof(f->text),
		                "jobs wait whose kind no worker handles: %s", w->kinds);
		return conclude(f, STALL_KINDS, 0, p->moved_ms);
	}
	return find_locked(p, f);
}

bool
progress_find(progress *p, const board_view *view, progress_finding *f)
{
	if (view->phase != BOARD_RUNNING)
		return false;
	return find_handler(p, f) || find_results(p, view, f) ||
	       find_trouble(p, TROUBLE_CLAIM, STALL_CLAIMS, "claims fail", f) ||
	       (progress_is_still(p) && p->known && find_waiting(p, view, f));
}
