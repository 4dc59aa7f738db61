/*
 * mark.h - from where to where a claim looks in each lane
 *
 * Rows that were deleted while somebody holds a snapshot stay in the index, and a scan
 * from the beginning walks over all of them.  So the claimer remembers the highest
 * position that it took in each lane and scans from there.
 *
 * Rows appear behind the mark only from transactions that drew their position before
 * it and commit after it.  Each has its xid before it draws a position, so it was in
 * progress in a snapshot of the claimer's: those are remembered with the lowest
 * position that they can have drawn, and looked for when they have ended.  A snapshot
 * does not list what runs from its xmax on; the next one does, because a claim that
 * takes something has an xid itself.  So each round scans again from the mark of the
 * round before, and a transaction that is new counts from the mark of two rounds ago.
 *
 * A round: mark_begin, the claim, mark_took for each row, mark_skip for each lane of a
 * paused queue, mark_end.  A claim that failed, or whose answer was lost, is no round:
 * nothing is told, and the next begins as it did.  The claim is a transaction of its
 * own, finished before the next round begins.
 *
 * Not seen: a row that was locked when it was scanned and whose locker rolled back or
 * left it where it is.  The sweep finds it and tells mark_back.
 *
 * Pure: it knows no clock and no database.  Lanes are numbers from 0, in the order in
 * which the claim walks them; positions are above 0.
 */
#ifndef PAWL_WORKER_MARK_H
#define PAWL_WORKER_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/snapshot.h"

/* A transaction that began so near to the mark is not waited for: its range is walked
 * in each round. */
#define MARK_NEAR 1000

/* At most so many positions are walked by one claim behind the mark. */
#define MARK_FAR 1000000

/* Transactions in progress that are remembered; more: from the floors again. */
#define MARK_TRANSACTIONS_MAX 4096

typedef struct mark mark;

mark *mark_new(size_t lanes); /* NULL without memory; floors are 0 */
void mark_free(mark *m);

/* Begin anew from the floors: below a lane's floor there is nothing. */
void mark_reset(mark *m, const int64_t *floors);
void mark_restart(mark *m); /* from the same */

/*
 * For each lane: look at positions above starts[lane] and up to stops[lane].  The
 * arrays live until the next call.
 */
void mark_begin(mark *m, const int64_t **ret_starts, const int64_t **ret_stops);

/* A row was taken; rows are told in the order of lanes and positions. */
void mark_took(mark *m, size_t lane, int64_t pos);

/* The lane was not looked at. */
void mark_skip(mark *m, size_t lane);

/*
 * The claim has ended: in its snapshot every lane was scanned to its stop, or, when
 * full (it got as many as it asked for), up to the row that was told last.
 */
void mark_end(mark *m, const snapshot *s, bool full);

/* Is a part behind the mark still to be walked, by the next round? */
bool mark_unfinished(const mark *m);

/* There is a row at this position. */
void mark_back(mark *m, size_t lane, int64_t pos);

/* The highest position taken in the lane. */
int64_t mark_top(const mark *m, size_t lane);

#endif
