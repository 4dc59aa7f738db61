/*
 * fold.h - the steward's walk over the batches that are not done, folding each
 *
 * In chunks, from a cursor, one for each call.  When one of a chunk fails, none of it is
 * folded: then one at a time, and the one that fails alone is passed over, so that the
 * newer ones do not wait for it, until the next round, which comes after a rest, or at
 * once when there is more to do of another.
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
	bool more;      /* of one there is more to do: after this round another one */
	bool anew;      /* it was asked for: likewise */
	bool passed;    /* one was passed over in this round */
	int64_t told;   /* the batch that was told last, */
	int told_n;     /* how many were since told_ms */
	int64_t told_ms;
} fold;

void fold_init(fold *f, pawl_worker *worker);

/* What has happened until now is to be found: by a round that has not begun yet. */
void fold_asked(fold *f);

/* When the next chunk is to come. */
typedef struct fold_next
{
	bool again;      /* now: a round is not over, or another one is to follow */
	int64_t rest_ms; /* not for so long; 0: the next look decides */
} fold_next;

/* A chunk; an error that no batch is to blame for: the same chunk is next. */
PAWL_CHECK pawl_status fold_chunk(fold *f, const queue_call *call, fold_next *ret_next,
                                  pawl_error *error);

#endif
