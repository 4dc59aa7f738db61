/*
 * progress.h - a worker that is alive and makes no progress says so, and why
 *
 * The steward's: in each of its ticks it looks whether a job has begun or ended since the
 * last, and what the threads have trouble with.  When nothing has moved for a lease, the
 * look of a tick also asks what waits in the worker's queues (work_waiting), at most a
 * five hundredth of the time; so a worker without work costs no transaction more.  The reason
 * is told in the log, and in the worker's row of pawl.stall, which is written when it
 * changes and never in between.
 */
#ifndef PAWL_WORKER_PROGRESS_H
#define PAWL_WORKER_PROGRESS_H

#include "base/clock.h"
#include "queue/stall.h"
#include "worker/worker.h"

/* Why there is no progress, the first that applies; the names are in progress.c. */
typedef enum stall_reason
{
	STALL_HANDLER,   /* one does not come back although its time is over */
	STALL_RESULTS,   /* they cannot be stored */
	STALL_CLAIMS,    /* claims fail */
	STALL_GROUPS,    /* groups cannot be worked on */
	STALL_EXECUTORS, /* none is free */
	STALL_RUNNERS,   /* likewise, those of groups */
	STALL_PAUSED,    /* its queues are */
	STALL_KINDS,     /* nobody handles what waits */
	STALL_LOCKED,    /* what it could claim is there, and it cannot */
	STALL_REASONS    /* there is progress, or nothing to do */
} stall_reason;

typedef struct progress
{
	pawl_worker *worker;
	unsigned epoch;   /* of the lease that the row is of */
	uint64_t moved;   /* begun and ended, when that last changed */
	int64_t moved_ms; /* then */
	int64_t ask_ms;   /* what waits is not asked for before this */
	bool asked;       /* it was sent with the look of this tick */
	bool known;       /* it was answered since anything moved: */
	stall_work waits;
	int64_t job;    /* the one that could be claimed, */
	int64_t job_ms; /* since then the same */

	/* what stands in the row, and what was said in the log, or would have been */
	stall_reason told;
	int64_t told_job;
	stall_reason said;
	int64_t said_job;
	int64_t since_ms;
	int64_t logged_ms[STALL_REASONS]; /* 0: never */
	bool logged;                      /* the present one was */
} progress;

/* What a tick has found. */
typedef struct progress_finding
{
	stall_reason reason;
	int64_t job; /* which the reason names; it is told anew for another */
	int64_t since_ms;
	char text[1000];
} progress_finding;

/* So long nothing has to have moved, and whether that is so. */
static inline int64_t
progress_patience_ms(const progress *p)
{
	return p->worker->lease_ms;
}

static inline bool
progress_is_still(const progress *p)
{
	return clock_ms() - p->moved_ms >= progress_patience_ms(p);
}

void progress_init(progress *p, pawl_worker *worker);

/* Look for a reason (progress_find.c); false: there is progress, or nothing to do. */
bool progress_find(progress *p, const board_view *view, progress_finding *f);

/* Before the look of a tick: is what waits to be asked for?  NULL: it is not. */
stall_work *progress_asks(progress *p, const board_view *view);

/* After the tick; answered: its look was. */
void progress_tick(progress *p, const queue_call *call, const board_view *view,
                   bool answered);

#endif
