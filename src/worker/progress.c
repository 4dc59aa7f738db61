/*
 * progress.c - see progress.h; runs on the steward's thread
 */
#include "worker/progress.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* A program has ten seconds from SIGTERM to SIGKILL. */
#define LATE_MS 15000

#define ASK_SHARE 20 /* asking takes a part of the time at most */
#define LOG_AGAIN_MS (10 * 60 * 1000)

static const struct
{
	const char *name; /* in pawl.stall */
	pawl_level level; /* an operator's doing, or much to do, is no trouble */
} reasons[] = {
	[STALL_HANDLER] = {"handler", PAWL_WARN},
	[STALL_RESULTS] = {"results", PAWL_WARN},
	[STALL_CLAIMS] = {"claims", PAWL_WARN},
	[STALL_GROUPS] = {"groups", PAWL_WARN},
	[STALL_EXECUTORS] = {"executors", PAWL_INFO},
	[STALL_RUNNERS] = {"runners", PAWL_INFO},
	[STALL_PAUSED] = {"paused", PAWL_INFO},
	[STALL_KINDS] = {"kinds", PAWL_WARN},
	[STALL_LOCKED] = {"locked", PAWL_WARN},
};
static_assert(sizeof(reasons) / sizeof(reasons[0]) == STALL_REASONS, "a name for each");

/* What a tick has found. */
typedef struct finding
{
	stall_reason reason;
	int64_t job; /* which the reason names */
	int64_t since_ms;
	char text[1000];
} finding;

void
progress_init(progress *p, pawl_worker *worker)
{
	*p = (progress){.worker = worker,
	                .told = STALL_REASONS,
	                .said = STALL_REASONS,
	                .moved_ms = clock_ms()};
}

/* ------------------------------------------------------------ asking ------------- */

/* So long nothing has to have moved. */
static int64_t
patience_ms(const progress *p)
{
	return p->worker->lease_ms;
}

static bool
is_still(const progress *p)
{
	return clock_ms() - p->moved_ms >= patience_ms(p);
}

static void
note_moved(progress *p, const board_view *view)
{
	uint64_t moved = view->started + view->finished + view->turns;

	if (moved == p->moved)
		return;
	p->moved = moved;
	p->moved_ms = clock_ms();
	p->known = false;
	p->job = 0;
}

stall_work *
progress_asks(progress *p, const board_view *view)
{
	int64_t now_ms = clock_ms();

	p->asked_ms = 0;
	note_moved(p, view);
	if (view->phase != BOARD_RUNNING || !is_still(p) || now_ms < p->ask_ms)
		return NULL;
	p->asked_ms = now_ms;
	return &p->waits;
}

static void
take_answer(progress *p)
{
	int64_t now_ms = clock_ms();
	int64_t took_ms = now_ms - p->asked_ms;

	p->known = true;
	p->ask_ms = now_ms + patience_ms(p) / 3;
	if (p->ask_ms < now_ms + took_ms * ASK_SHARE)
		p->ask_ms = now_ms + took_ms * ASK_SHARE;
	if (p->waits.job != p->job)
	{
		p->job = p->waits.job;
		p->job_ms = now_ms;
	}
}

/* ------------------------------------------------------------ reasons ------------ */

static bool
conclude(finding *f, stall_reason reason, int64_t job, int64_t since_ms)
{
	f->reason = reason;
	f->job = job;
	f->since_ms = since_ms;
	f->text[text_valid_utf8(f->text, strlen(f->text))] = '\0';
	return true;
}

static bool
find_handler(progress *p, finding *f)
{
	int64_t late_ms = patience_ms(p) < LATE_MS ? patience_ms(p) : LATE_MS;
	board_running run;

	if (!board_longest(&p->worker->board, late_ms, &run))
		return false;
	(void) snprintf(f->text, sizeof(f->text),
	                "the handler of job %" PRId64 ", kind \"%s\", does not come back, "
	                "although its time is over",
	                run.job, run.kind);
	return conclude(f, STALL_HANDLER, run.job, clock_ms() - run.over_ms);
}

/* The trouble of a thread that lasts. */
static bool
find_trouble(progress *p, trouble_of which, stall_reason reason, const char *what,
             finding *f)
{
	trouble_note note;

	if (!trouble_look(&p->worker->trouble, which, &note) ||
	    clock_ms() - note.since_ms < patience_ms(p))
		return false;
	(void) snprintf(f->text, sizeof(f->text), "%s: %s", what, note.why);
	return conclude(f, reason, 0, note.since_ms);
}

static bool
find_results(progress *p, const board_view *view, finding *f)
{
	if (board_unsettled(view) == 0)
		return false;
	if (find_trouble(p, TROUBLE_SETTLE, STALL_RESULTS, "results cannot be stored", f))
		return true;
	if (!is_still(p))
		return false;
	(void) snprintf(
		f->text, sizeof(f->text), "results wait to be stored%s",
		board_unsettled(view) >= BOARD_UNSETTLED_MAX ? ", as many as it keeps" : "");
	return conclude(f, STALL_RESULTS, 0, p->moved_ms);
}

static bool
find_executors(progress *p, const board_view *view, finding *f)
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

static bool
find_runners(progress *p, const board_view *view, finding *f)
{
	board_running run;
	groups_view v;

	groups_look(&p->worker->seats, &v);
	if (p->worker->groups == 0 || v.free > 0 || p->waits.head == 0 ||
	    !board_longest(&p->worker->board, -1, &run))
		return false;
	(void) snprintf(f->text, sizeof(f->text),
	                "no runner of groups is free: the handlers of %zu jobs run, the "
	                "longest that of job %" PRId64 ", kind \"%s\"",
	                view->attended, run.job, run.kind);
	return conclude(f, STALL_RUNNERS, run.job, p->moved_ms);
}

/* What waits, and why this worker does not take it. */
static bool
find_waiting(progress *p, const board_view *view, finding *f)
{
	const stall_work *w = &p->waits;

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
	if (p->job == 0 || clock_ms() - p->job_ms < patience_ms(p))
		return false;
	(void) snprintf(f->text, sizeof(f->text),
	                "job %" PRId64 " is ready and cannot be claimed: another session "
	                "may have locked it",
	                p->job);
	return conclude(f, STALL_LOCKED, p->job, p->job_ms);
}

static bool
find_reason(progress *p, const board_view *view, finding *f)
{
	if (view->phase != BOARD_RUNNING)
		return false;
	return find_handler(p, f) || find_results(p, view, f) ||
	       find_trouble(p, TROUBLE_CLAIM, STALL_CLAIMS, "claims fail", f) ||
	       (view->running < view->held &&
	        find_trouble(p, TROUBLE_GROUP, STALL_GROUPS, "groups cannot be worked on",
	                     f)) ||
	       (is_still(p) && p->known && find_waiting(p, view, f));
}

/* ------------------------------------------------------------ telling ------------ */

static void
tell_log(progress *p, const finding *f)
{
	int64_t now_ms = clock_ms();
	int64_t *logged_ms = &p->logged_ms[f->reason];

	p->logged = *logged_ms == 0 || now_ms - *logged_ms >= LOG_AGAIN_MS;
	if (!p->logged)
		return;
	*logged_ms = now_ms;
	worker_notice(p->worker, reasons[f->reason].level,
	              "no progress for %" PRId64 " s: %s", (now_ms - f->since_ms) / 1000,
	              f->text);
}

static void
tell_end(progress *p)
{
	if (p->logged)
		worker_notice(p->worker, PAWL_INFO,
		              "progress again, or nothing waits, after %" PRId64 " s",
		              (clock_ms() - p->since_ms) / 1000);
	p->logged = false;
}

/* The row; without it, it is tried again in the next tick. */
static bool
tell_row(const progress *p, const queue_call *call, const board_view *view,
         const finding *f)
{
	bool goes_on = f->reason == STALL_REASONS;
	pawl_error error;
	pawl_status status =
		stall_tell(call, view->worker, goes_on ? NULL : reasons[f->reason].name,
	               goes_on ? NULL : f->text, clock_ms() - f->since_ms, &error);

	if (status != PAWL_OK)
		worker_notice(p->worker, PAWL_DEBUG, "upkeep: could not tell of a stall: %s",
		              error.message);
	return status == PAWL_OK;
}

void
progress_tick(progress *p, const queue_call *call, const board_view *view,
              bool answered)
{
	finding f = {.reason = STALL_REASONS};

	if (p->epoch != view->epoch)
	{
		p->epoch = view->epoch; /* the row of the former lease is void */
		p->told = STALL_REASONS;
		p->told_job = 0;
	}
	if (answered && p->asked_ms != 0)
		take_answer(p);
	(void) find_reason(p, view, &f);
	if (f.reason != p->said || f.job != p->said_job)
	{
		if (f.reason == STALL_REASONS)
			tell_end(p);
		else
			tell_log(p, &f);
		p->said = f.reason;
		p->said_job = f.job;
		p->since_ms = f.since_ms;
	}
	if (!answered || (f.reason == p->told && f.job == p->told_job))
		return;
	if (tell_row(p, call, view, &f))
	{
		p->told = f.reason;
		p->told_job = f.job;
	}
}
