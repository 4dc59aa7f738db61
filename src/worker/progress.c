/*
 * progress.c - see progress.h; runs on the steward's thread
 */
#include "worker/progress.h"

#include <assert.h>
#include <inttypes.h>

#include "base/clock.h"

/*
 * Asking takes a part of the time at most: it walks over what was deleted while somebody
 * holds a snapshot, in each idle worker of a fleet.
 */
#define ASK_SHARE 500
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

void
progress_init(progress *p, pawl_worker *worker)
{
	*p = (progress){.worker = worker,
	                .told = STALL_REASONS,
	                .said = STALL_REASONS,
	                .moved_ms = clock_ms()};
}

/* ------------------------------------------------------------ asking ------------- */

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

	p->asked = false;
	note_moved(p, view);
	if (view->phase != BOARD_RUNNING || !progress_is_still(p) || now_ms < p->ask_ms)
		return NULL;
	p->asked = true;
	return &p->waits;
}

static void
take_answer(progress *p)
{
	int64_t now_ms = clock_ms();
	int64_t pause_ms = p->waits.took_us * ASK_SHARE / 1000;
	int64_t job = p->waits.job != 0 ? p->waits.job : p->waits.head;

	p->known = true;
	if (pause_ms < progress_patience_ms(p) / 3)
		pause_ms = progress_patience_ms(p) / 3;
	p->ask_ms = now_ms + pause_ms;
	if (job != p->job)
	{
		p->job = job;
		p->job_ms = now_ms;
	}
}

/* ------------------------------------------------------------ telling ------------ */

static void
tell_log(progress *p, const progress_finding *f)
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
         const progress_finding *f)
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
	progress_finding f = {.reason = STALL_REASONS};

	if (p->epoch != view->epoch)
	{
		p->epoch = view->epoch; /* the row of the former lease is void */
		p->told = STALL_REASONS;
		p->told_job = 0;
	}
	if (answered && p->asked)
		take_answer(p);
	(void) progress_find(p, view, &f);
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
