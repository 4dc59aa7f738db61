/*
 * rate.h - how many jobs a worker may hold unstarted
 *
 * A worker never holds more unstarted jobs than it will start within 100 ms at its own
 * rate, which is the number of jobs finished in the last second (of a longer time, if
 * nobody asked in between; of as much as there is, of a worker that is younger).  Starts
 * are not counted: eight executors that start eight jobs in a millisecond are no rate of
 * 8,000 a second.  And the divisor is never below 100 ms: no more is held than has been
 * finished in that time, so batches double from claim to claim.
 *
 * Pure: counts and times come from the caller, the claimer.
 */
#ifndef PAWL_WORKER_RATE_H
#define PAWL_WORKER_RATE_H

#include <stddef.h>
#include <stdint.h>

#define RATE_WINDOW_MS 1000
#define RATE_STEP_MS 50 /* distance of samples */
#define RATE_SAMPLES (RATE_WINDOW_MS / RATE_STEP_MS + 2)
#define RATE_AHEAD_MS 100

/* Two batches: one that is being started while the next is being claimed. */
#define RATE_AHEAD_MAX 2000

typedef struct rate
{
	struct
	{
		int64_t at_ms;
		uint64_t finished;
	} samples[RATE_SAMPLES]; /* a ring, newest at (first + n - 1) */
	size_t first;
	size_t n;
} rate;

/* Tell the number of jobs finished so far. */
void rate_note(rate *r, uint64_t finished, int64_t now_ms);

/* How many may be held unstarted, besides one for each idle executor. */
size_t rate_ahead(const rate *r, uint64_t finished, int64_t now_ms);

/* How many finish in a second; the divisor is never below one. */
size_t rate_per_s(const rate *r, uint64_t finished, int64_t now_ms);

/* How many to claim; 0: enough are there.  At most max. */
size_t rate_want(size_t ahead, size_t idle, size_t pending, size_t max);

/* How many of those pending should be given back: the rate has fallen since. */
size_t rate_surplus(size_t ahead, size_t executors, size_t pending);

#endif
