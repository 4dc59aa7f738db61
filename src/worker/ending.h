/*
 * ending.h - batches that may have ended with what was just settled
 *
 * So that a batch is done at once: the settler folds it after its commit.  It asks only
 * for batches of which this worker holds no job any more, at most twenty times a second;
 * what slips through is the steward's.  Without batches it costs nothing.  Belongs to the
 * settler and its connection.
 */
#ifndef PAWL_WORKER_ENDING_H
#define PAWL_WORKER_ENDING_H

#include "worker/board.h"

/* Batches at a time: a worker that has jobs of more leaves the others to the steward. */
#define ENDING_BATCHES 16

typedef struct ending
{
	int64_t batches[ENDING_BATCHES];
	size_t n;
	int tries;      /* looks in turn after which somebody else had one of them */
	int64_t due_ms; /* no look before this */
} ending;

/* A job that counts in this batch was settled. */
void ending_add(ending *e, int64_t batch);

/* When the next look is due; CLOCK_NEVER: none is. */
int64_t ending_due(const ending *e);

/* Look if it is due, or at_once. */
void ending_look(ending *e, board *b, db *conn, const db_limits *limits, bool at_once);

#endif
