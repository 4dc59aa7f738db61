/*
 * lanes.h - what the claimer knows of its lanes: the mark and the sweep, with a database
 *
 * A lane is a queue of the worker's and a priority.  Owned by the claimer's thread.
 */
#ifndef PAWL_WORKER_LANES_H
#define PAWL_WORKER_LANES_H

#include "queue/claim.h"
#include "worker/worker.h"

typedef struct lanes lanes;

lanes *lanes_new(const pawl_worker *worker); /* NULL without memory */
void lanes_free(lanes *l);

/*
 * Read the floors: until then lanes_known answers false, and again when the server has
 * another history than that of the marks.  A crash or a failover may have lost what a
 * mark was made from, and positions are drawn anew below it.
 */
bool lanes_known(const lanes *l);
PAWL_CHECK pawl_status lanes_read_floors(lanes *l, const queue_call *call,
                                         pawl_error *error);

/* Where the claim is to look; lives until the next call. */
void lanes_begin(lanes *l, claim_args *args);

/* Each row of the claim, in their order; then the end, full: it got all it wanted. */
void lanes_tell(lanes *l, const claim_job *row);
void lanes_end(lanes *l, const queue_call *call, bool full);

/* What had not ended in the snapshot of the last claim, from this xid on; 0: unknown. */
uint64_t lanes_oldest(const lanes *l);

/* Is there a part behind the marks that the next claim has to look at? */
bool lanes_unfinished(const lanes *l);

/* Look from the floors again. */
void lanes_restart(lanes *l);

/* The sweep: when its next step is due, and the step (one statement, or none). */
int64_t lanes_sweep_due(const lanes *l);
PAWL_CHECK pawl_status lanes_sweep(lanes *l, const queue_call *call, int64_t now_ms,
                                   pawl_error *error);

#endif
