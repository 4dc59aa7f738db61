/*
 * mark.c - see mark.h; called by the claimer
 */
#include "worker/mark.h"

#include <assert.h>
#include <stdlib.h>

#include "queue/claim.h"

struct mark
{
	size_t lanes;
	bool whole_next;  /* the next scan is from the beginning */
	bool whole_now;   /* the present one is */
	int64_t whole_ms; /* when the last such scan ended */
	int64_t highest[];
};

mark *
mark_new(size_t n_queues)
{
	size_t lanes = n_queues * CLAIM_PRIORITIES;
	mark *m = calloc(1, sizeof(*m) + lanes * sizeof(m->highest[0]));

	if (m == NULL)
		return NULL;
	m->lanes = lanes;
	m->whole_next = true;
	return m;
}

void
mark_free(mark *m)
{
	free(m);
}

const int64_t *
mark_starts(mark *m, int64_t now_ms)
{
	m->whole_now = m->whole_next || now_ms - m->whole_ms >= MARK_WHOLE_MS;
	return m->whole_now ? NULL : m->highest;
}

void
mark_took(mark *m, size_t queue, int priority, int64_t pos)
{
	size_t lane = queue * CLAIM_PRIORITIES + (size_t) priority;

	assert(priority >= 0 && priority < CLAIM_PRIORITIES);
	assert(lane < m->lanes);
	if (pos > m->highest[lane])
		m->highest[lane] = pos;
}

bool
mark_ended(mark *m, bool found_all, int64_t now_ms)
{
	if (m->whole_now)
		m->whole_ms = now_ms;

	/* after a short scan only one from the beginning can say that nothing is there */
	m->whole_next = !found_all;
	return !found_all && m->whole_now;
}
