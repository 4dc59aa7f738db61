/*
 * backoff.c - a short growing pause between two tries
 *
 * 20 ms, then twice as long each time up to a second: soon enough for a deadlock's
 * loser, slow enough for a server that starts.  Jitter keeps losers apart.
 */
#include <assert.h>
#include <poll.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/random.h"
#include "db/backoff.h"

#define FIRST_MS 20
#define DOUBLINGS 6 /* 1280 ms */
#define LONGEST_MS 1000
#define JITTER_PERCENT 50

void
backoff_wait(int round, int64_t deadline_ms)
{
	int64_t pause = (int64_t) FIRST_MS << (round < DOUBLINGS ? round : DOUBLINGS);
	int64_t until;

	assert(round >= 0);
	if (pause > LONGEST_MS)
		pause = LONGEST_MS;
	until = clock_ms() + random_jitter(pause, JITTER_PERCENT);
	if (until > deadline_ms)
		until = deadline_ms;
	while (clock_ms() < until)
		(void) poll(NULL, 0, clock_poll_ms(until)); /* a signal only wakes it */
}
