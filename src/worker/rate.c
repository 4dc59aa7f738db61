/*
 * rate.c - see rate.h; called by the claimer
 */
#include "worker/rate.h"

#include <assert.h>

void
rate_note(rate *r, uint64_t finished, int64_t now_ms)
{
	size_t last = (r->first + r->n + RATE_SAMPLES - 1) % RATE_SAMPLES;

	if (r->n > 0 && now_ms - r->samples[last].at_ms < RATE_STEP_MS)
		return;
	if (r->n == RATE_SAMPLES)
	{
		r->first = (r->first + 1) % RATE_SAMPLES;
		r->n--;
	}
	last = (r->first + r->n) % RATE_SAMPLES;
	r->samples[last].at_ms = now_ms;
	r->samples[last].finished = finished;
	r->n++;
	assert(r->n <= RATE_SAMPLES);
}

/* How many have finished within *ret_span_ms, which is at least least_ms. */
static uint64_t
lately(const rate *r, uint64_t finished, int64_t now_ms, int64_t least_ms,
       int64_t *ret_span_ms)
{
	int64_t span_ms = least_ms;
	uint64_t since = finished;

	/* the newest sample that is a whole window old, or the oldest of all */
	for (size_t i = 0; i < r->n; i++)
	{
		size_t at = (r->first + i) % RATE_SAMPLES;

		if (i > 0 && now_ms - r->samples[at].at_ms < RATE_WINDOW_MS)
			break;
		since = r->samples[at].finished;
		span_ms = now_ms - r->samples[at].at_ms;
	}
	if (span_ms < least_ms)
		span_ms = least_ms;
	assert(finished >= since);
	*ret_span_ms = span_ms;
	return finished - since;
}

size_t
rate_ahead(const rate *r, uint64_t finished, int64_t now_ms)
{
	int64_t span_ms;
	uint64_t n = lately(r, finished, now_ms, RATE_AHEAD_MS, &span_ms);
	uint64_t ahead = n * RATE_AHEAD_MS / (uint64_t) span_ms;

	return ahead < RATE_AHEAD_MAX ? (size_t) ahead : RATE_AHEAD_MAX;
}

size_t
rate_per_s(const rate *r, uint64_t finished, int64_t now_ms)
{
	int64_t span_ms;
	uint64_t n = lately(r, finished, now_ms, RATE_WINDOW_MS, &span_ms);

	return (size_t) (n * 1000 / (uint64_t) span_ms);
}

size_t
rate_want(size_t ahead, size_t idle, size_t pending, size_t max)
{
	size_t want;

	/* half of what may be held is waited for, so that claims are not tiny */
	if (idle <= pending && (ahead == 0 || pending > ahead / 2))
		return 0;
	want = idle + ahead - pending;
	assert(want > 0);
	return want < max ? want : max;
}

size_t
rate_surplus(size_t ahead, size_t executors, size_t pending)
{
	/* the margin keeps an uneven rate from giving back and claiming in turn */
	return pending > 2 * ahead + executors ? pending - ahead : 0;
}
