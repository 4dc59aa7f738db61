/*
 * mark.c - see mark.h; called by the claimer
 */
#include "worker/mark.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct lane
{
	int64_t floor;
	int64_t top;      /* the mark: highest position taken */
	int64_t previous; /* the mark one round ago */
	int64_t next;     /* where the next scan begins, but for near transactions */

	/* of the present round */
	int64_t last;    /* position told last */
	int64_t highest; /* of those told */
	bool skipped;
	int64_t scanned; /* up to here; SCANNED_NOT: not at all */
} lane;

#define SCANNED_NOT (-1)

struct mark
{
	size_t n;
	lane *lanes;
	int64_t *starts;
	int64_t *stops;
	int64_t *two_ago; /* the mark two rounds ago */
	size_t told;      /* lane of the row told last */

	/* Transactions in progress, and for each and each lane the lowest position that it
	 * can have drawn: lows[i * n + lane]. */
	uint64_t xids[MARK_TRANSACTIONS_MAX];
	int64_t *lows;
	size_t n_xids;
	size_t room;
};

/* ------------------------------------------------------------ life --------------- */

mark *
mark_new(size_t lanes)
{
	mark *m = calloc(1, sizeof(*m));

	assert(lanes > 0);
	if (m == NULL)
		return NULL;
	m->n = lanes;
	m->lanes = calloc(lanes, sizeof(*m->lanes));
	m->starts = calloc(lanes, sizeof(*m->starts));
	m->stops = calloc(lanes, sizeof(*m->stops));
	m->two_ago = calloc(lanes, sizeof(*m->two_ago));
	if (m->lanes == NULL || m->starts == NULL || m->stops == NULL || m->two_ago == NULL)
	{
		mark_free(m);
		return NULL;
	}
	return m;
}

void
mark_free(mark *m)
{
	if (m == NULL)
		return;
	free(m->lanes);
	free(m->starts);
	free(m->stops);
	free(m->two_ago);
	free(m->lows);
	free(m);
}

void
mark_restart(mark *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->lanes[i] = (lane){.floor = m->lanes[i].floor,
		                     .top = m->lanes[i].floor,
		                     .previous = m->lanes[i].floor,
		                     .next = m->lanes[i].floor};
	m->n_xids = 0;
}

void
mark_reset(mark *m, const int64_t *floors)
{
	for (size_t i = 0; i < m->n; i++)
		m->lanes[i].floor = floors[i];
	mark_restart(m);
}

/* ------------------------------------------------------------ a round ------------ */

static int64_t
lower(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
start_of(const mark *m, size_t i)
{
	const lane *l = &m->lanes[i];
	int64_t start = l->next;

	for (size_t x = 0; x < m->n_xids; x++)
	{
		int64_t low = m->lows[x * m->n + i];

		if (low >= l->top - MARK_NEAR)
			start = lower(start, low);
	}
	return start;
}

void
mark_begin(mark *m, const int64_t **ret_starts, const int64_t **ret_stops)
{
	for (size_t i = 0; i < m->n; i++)
	{
		lane *l = &m->lanes[i];
		int64_t start = start_of(m, i);

		l->last = l->highest = 0;
		l->skipped = false;
		m->starts[i] = start;
		m->stops[i] = l->top - start > MARK_FAR ? start + MARK_FAR : INT64_MAX;
	}
	m->told = 0;
	*ret_starts = m->starts;
	*ret_stops = m->stops;
}

void
mark_took(mark *m, size_t i, int64_t pos)
{
	lane *l = &m->lanes[i];

	assert(i < m->n);
	l->last = pos;
	if (pos > l->highest)
		l->highest = pos;
	m->told = i;
}

void
mark_skip(mark *m, size_t i)
{
	assert(i < m->n);
	m->lanes[i].skipped = true;
}

static void
note_scanned(mark *m, bool full)
{
	for (size_t i = 0; i < m->n; i++)
	{
		lane *l = &m->lanes[i];

		if (l->skipped || (full && i > m->told))
			l->scanned = SCANNED_NOT;
		else
			l->scanned = full && i == m->told ? l->last : m->stops[i];
	}
}

static void
move_marks(mark *m)
{
	for (size_t i = 0; i < m->n; i++)
	{
		lane *l = &m->lanes[i];

		m->two_ago[i] = l->previous;
		l->previous = l->top;
		if (l->highest > l->top)
			l->top = l->highest;
		if (l->scanned != SCANNED_NOT)
			l->next = lower(lower(l->scanned, l->top), l->previous);
	}
}

/* The rows of a transaction that has ended are looked for, where this round did not. */
static void
look_back(mark *m, const int64_t *lows)
{
	for (size_t i = 0; i < m->n; i++)
	{
		lane *l = &m->lanes[i];

		if (lows[i] < m->starts[i] || l->scanned == SCANNED_NOT)
			l->next = lower(l->next, lows[i]);
	}
}

static void
forget_ended(mark *m, const snapshot *s)
{
	size_t kept = 0;

	for (size_t x = 0; x < m->n_xids; x++)
	{
		const int64_t *lows = &m->lows[x * m->n];

		if (!snapshot_in_progress(s, m->xids[x]))
		{
			look_back(m, lows);
			continue;
		}
		m->xids[kept] = m->xids[x];
		memmove(&m->lows[kept++ * m->n], lows, m->n * sizeof(*lows));
	}
	m->n_xids = kept;
}

static bool
make_room(mark *m, size_t wanted)
{
	int64_t *larger;

	if (wanted <= m->room)
		return true;
	larger = reallocarray(m->lows, 2 * wanted, m->n * sizeof(*larger));
	if (larger == NULL)
		return false;
	m->lows = larger;
	m->room = 2 * wanted;
	return true;
}

static bool
is_remembered(const mark *m, size_t n, uint64_t xid)
{
	for (size_t x = 0; x < n; x++)
	{
		if (m->xids[x] == xid)
			return true;
	}
	return false;
}

/* False without room. */
static bool
remember_new(mark *m, const snapshot *s)
{
	size_t before = m->n_xids;

	for (size_t j = 0; j < s->n; j++)
	{
		if (is_remembered(m, before, s->running[j]))
			continue;
		if (m->n_xids == MARK_TRANSACTIONS_MAX || !make_room(m, m->n_xids + 1))
			return false;
		memcpy(&m->lows[m->n_xids * m->n], m->two_ago, m->n * sizeof(*m->two_ago));
		m->xids[m->n_xids++] = s->running[j];
	}
	return true;
}

void
mark_end(mark *m, const snapshot *s, bool full)
{
	assert(!full || m->lanes[m->told].last > 0);
	note_scanned(m, full);
	move_marks(m);
	forget_ended(m, s);
	if (!remember_new(m, s))
		mark_restart(m);
}

bool
mark_unfinished(const mark *m)
{
	for (size_t i = 0; i < m->n; i++)
	{
		if (m->stops[i] != INT64_MAX || start_of(m, i) < m->starts[i])
			return true;
	}
	return false;
}

/* ------------------------------------------------------------ the sweep ---------- */

void
mark_back(mark *m, size_t i, int64_t pos)
{
	assert(i < m->n);
	m->lanes[i].next = lower(m->lanes[i].next, pos - 1);
}

int64_t
mark_top(const mark *m, size_t i)
{
	assert(i < m->n);
	return m->lanes[i].top;
}
