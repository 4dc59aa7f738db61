/*
 * ending.c - see ending.h; runs on the settler's thread
 */
#include "worker/ending.h"

#include <stdlib.h>

#include "base/clock.h"
#include "queue/batch.h"

#define PAUSE_MS 50

/* The steward looks each second, too. */
#define TRIES 5

void
ending_add(ending *e, int64_t batch)
{
	for (size_t i = 0; i < e->n; i++)
	{
		if (e->batches[i] == batch)
			return;
	}
	if (e->n < ENDING_BATCHES)
		e->batches[e->n++] = batch;
}

int64_t
ending_due(const ending *e)
{
	return e->n > 0 ? e->due_ms : CLOCK_NEVER;
}

/* Those of which the worker has a job have not ended: its settling adds them again. */
static void
leave_out_held(ending *e, board *b)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
	{
		if (!board_holds_batch(b, e->batches[i]))
			e->batches[n++] = e->batches[i];
	}
	e->n = n;
}

void
ending_look(ending *e, board *b, db *conn, const db_limits *limits, bool at_once)
{
	queue_call call = {.db = conn, .limits = *limits, .deadline_ms = CALL_ONCE};
	size_t left = 0;
	pawl_error error;

	if (e->n == 0 || (!at_once && clock_ms() < e->due_ms))
		return;
	leave_out_held(e, b);
	if (e->n == 0)
		return;
	if (batch_fold_ended(&call, e->batches, e->n, &left, &error) != PAWL_OK)
		left = 0; /* the next settle tells of the trouble, if there is any */
	e->tries = left > 0 ? e->tries + 1 : 0;
	e->n = e->tries < TRIES ? left : 0;
	if (e->n == 0)
		e->tries = 0;
	e->due_ms = clock_ms() + PAUSE_MS;
}
