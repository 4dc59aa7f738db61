/*
 * snapshot.c - see snapshot.h; called by the claimer
 */
#include "queue/snapshot.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* A number at *text, which moves behind it; false: there is none. */
static bool
read_xid(const char **text, uint64_t *ret_xid)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*ret_xid = strtoumax(*text, &end, 10);
	*text = end;
	return true;
}

static bool
skip(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool
add(snapshot *s, uint64_t xid)
{
	if (s->n == s->room)
	{
		size_t room = s->room > 0 ? 2 * s->room : 16;
		uint64_t *larger = reallocarray(s->running, room, sizeof(*larger));

		if (larger == NULL)
			return false;
		s->running = larger;
		s->room = room;
	}
	s->running[s->n++] = xid;
	return true;
}

static bool
read_running(snapshot *s, const char *text)
{
	uint64_t xid;

	if (*text == '\0')
		return true;
	do
	{
		if (!read_xid(&text, &xid) || xid < s->xmin || xid >= s->xmax)
			return false;
		if (s->n > 0 && xid <= s->running[s->n - 1])
			return false;
		if (!add(s, xid))
			return false;
	} while (skip(&text, ','));
	return *text == '\0';
}

bool
snapshot_read(snapshot *s, const char *text)
{
	s->n = 0;
	if (read_xid(&text, &s->xmin) && skip(&text, ':') && read_xid(&text, &s->xmax) &&
	    skip(&text, ':') && s->xmin <= s->xmax && read_running(s, text))
		return true;
	s->xmin = s->xmax = 0;
	s->n = 0;
	return false;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *) a;
	uint64_t y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

bool
snapshot_in_progress(const snapshot *s, uint64_t xid)
{
	assert(s->xmin <= s->xmax);
	if (xid >= s->xmax)
		return true;
	if (xid < s->xmin || s->n == 0)
		return false;
	return bsearch(&xid, s->running, s->n, sizeof(xid), compare) != NULL;
}

void
snapshot_free(snapshot *s)
{
	free(s->running);
	*s = (snapshot) SNAPSHOT_INIT;
}
