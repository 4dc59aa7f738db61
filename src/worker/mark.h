/*
 * mark.h - where a claim begins to look
 *
 * Rows that were deleted while somebody holds a snapshot stay in the index, and a scan
 * from the beginning walks over all of them.  So the claimer remembers the highest
 * position that it took in each lane (queue, priority) and scans from there.
 *
 * Rows can appear behind a mark (a transaction that drew its position early and
 * committed late), so correctness never rests on it: a scan from the beginning decides
 * whether there is nothing to do, and one is made at least once a second.
 *
 * Pure: times come from the caller, the claimer.
 */
#ifndef PAWL_WORKER_MARK_H
#define PAWL_WORKER_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MARK_WHOLE_MS 1000 /* how long a row behind the mark may have to wait */

typedef struct mark mark;

mark *mark_new(size_t n_queues); /* NULL without memory */
void mark_free(mark *m);

/*
 * The positions to scan from in the next claim, CLAIM_PRIORITIES for each queue; NULL:
 * from the beginning.  Lives until the next call.
 */
const int64_t *mark_starts(mark *m, int64_t now_ms);

/* A job was taken from this lane. */
void mark_took(mark *m, size_t queue, int priority, int64_t pos);

/*
 * The claim whose starts were asked for last has ended; found_all: it got as many as
 * it wanted.  Answers true when the claim was short and has seen everything; false
 * when it was not, or when a scan from the beginning has to decide.
 */
bool mark_ended(mark *m, bool found_all, int64_t now_ms);

#endif
