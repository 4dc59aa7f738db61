/*
 * sweep.h - the safety net under the marks, and what raises a lane's floor
 *
 * A pass walks each lane from its floor to the mark that it had when the pass began, in
 * steps of a bounded number of positions, and takes at most a twentieth of the
 * claimer's time.  A row that it finds is told to the mark.  Where it finds none, and
 * every transaction that ran when the pass began had ended before the step looked,
 * none can come: the floor rises.  Where one had not, the next pass asks for the same.
 *
 * Pure: times and answers come from the caller, the claimer.
 */
#ifndef PAWL_WORKER_SWEEP_H
#define PAWL_WORKER_SWEEP_H

#include "worker/mark.h"

#define SWEEP_STEP 50000   /* positions */
#define SWEEP_SHARE 20     /* one part of so many of the time */
#define SWEEP_PASS_MS 1000 /* from the beginning of a pass to that of the next */
#define SWEEP_PAUSE_MS 50  /* before a step, at least */
#define SWEEP_FAILED_MS 5000
#define SWEEP_RAISE 100000 /* a floor that has risen less is not written */

typedef struct sweep sweep;

typedef enum sweep_task
{
	SWEEP_NOTHING, /* until the time that sweep_due answers */
	SWEEP_BEGIN,   /* tell sweep_began an xid */
	SWEEP_LOOK,    /* between after and upto in lane: tell sweep_saw */
	SWEEP_FLOOR    /* write the lane's floor: tell sweep_raised */
} sweep_task;

typedef struct sweep_step
{
	sweep_task task;
	size_t lane;
	int64_t after;
	int64_t upto; /* SWEEP_FLOOR: the floor */
} sweep_step;

sweep *sweep_new(size_t lanes); /* NULL without memory */
void sweep_free(sweep *s);

/* The floors that were read. */
void sweep_set_floors(sweep *s, const int64_t *floors);

/* When something is to be done; INT64_MAX: when a mark has risen. */
int64_t sweep_due(const sweep *s, const mark *m);

void sweep_next(sweep *s, const mark *m, int64_t now_ms, sweep_step *ret_step);

/* The answers; the step began at began_ms and has just ended. */
void sweep_began(sweep *s, const mark *m, uint64_t xid, int64_t now_ms);
void sweep_saw(sweep *s, mark *m, int64_t pos, uint64_t oldest, int64_t began_ms,
               int64_t now_ms);
void sweep_raised(sweep *s);
void sweep_failed(sweep *s, int64_t now_ms); /* the pass is begun anew, later */

#endif
