/*
 * fold.h - the steward's walk over the batches that are not done, folding each
 *
 * In chunks, from a cursor, one for each call.  When one of a chunk fails, none of it is
 * folded: then one at a time, and the one that fails alone is passed over, so that the
 * newer ones do not wait for it.
 */
#ifndef PAWL_WORKER_FOLD_H
#define PAWL_WORKER_FOLD_H

#include "queue/upkeep.h"
#include "worker/worker.h"

typedef struct fold
{
	pawl_worker *worker;
	int64_t cursor; /* up to which batch, in this round */
	int n;          /* how many at once: one after a failure */
	bool passed;    /* one was passed over in this round */
	int64_t told_ms;
} fold;

void fold_init(fold *f, pawl_worker *worker);

/*
 * A chunk.  *ret_again: there is more to do now; *ret_rest_ms: so long the next round
 * waits, 0 when the next look decides.  An error: the same chunk is next.
 */
PAWL_CHECK pawl_status fold_chunk(fold *f, const queue_call *call, bool *ret_again,
                                  int64_t *ret_rest_ms, pawl_error *error);

#endif
