/*
 * cursors.c - see cursors.h; runs on the claimer's thread
 */
#include "worker/cursors.h"

#include <stdlib.h>
#include <string.h>

static size_t
oldest(const cursors *c)
{
	size_t found = 0;

	for (size_t i = 1; i < c->n; i++)
		if (c->moved[i] < c->moved[found])
			found = i;
	return found;
}

static void
forget(cursors *c, size_t at)
{
	free(c->tenants[at]);
	free(c->afters[at]);
	c->n--;
	c->tenants[at] = c->tenants[c->n];
	c->afters[at] = c->afters[c->n];
	c->moved[at] = c->moved[c->n];
}

/* Where the tenant's is, or the place of a new one. */
static size_t
place_of(cursors *c, const char *tenant)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->tenants[i], tenant) == 0)
			return i;
	if (c->n == CURSORS_MAX)
		forget(c, oldest(c));
	return c->n;
}

void
cursors_move(cursors *c, const char *tenant, const char *group_key)
{
	size_t at = place_of(c, tenant);

	if (at == c->n)
	{
		c->tenants[at] = strdup(tenant);
		c->afters[at] = NULL;
		c->n++;
	}
	else if (c->afters[at] != NULL && strcmp(group_key, c->afters[at]) <= 0)
		c->rounds++;
	free(c->afters[at]);
	c->afters[at] = strdup(group_key);
	c->moved[at] = ++c->moves;
	if (c->tenants[at] == NULL || c->afters[at] == NULL)
		forget(c, at);
}

void
cursors_found(cursors *c)
{
	c->rounds = 0;
}

bool
cursors_have_seen_all(const cursors *c)
{
	return c->rounds >= 2 * c->n;
}

void
cursors_turn(cursors *c, const char *tenant)
{
	free(c->last);
	c->last = strdup(tenant);
}

void
cursors_free(cursors *c)
{
	while (c->n > 0)
		forget(c, c->n - 1);
	free(c->last);
	c->last = NULL;
}
