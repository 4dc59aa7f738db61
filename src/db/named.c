/*
 * named.c - see named.h; runs on the thread that owns the connection
 */
#include "db/named.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a */
static uint64_t
hash_of(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *c = text; *c != '\0'; c++)
		hash = (hash ^ (unsigned char) *c) * UINT64_C(0x100000001b3);
	return hash;
}

bool
named_look_up(const named_set *names, const char *sql, named_statement *ret_statement)
{
	named_statement found = {.hash = hash_of(sql)};

	for (int i = 0; i < names->n && !found.known; i++)
		found.known = names->known[i] == found.hash;
	if (!found.known && names->n == NAMED_MAX)
		return false;
	snprintf(found.name, sizeof(found.name), "pawl_%016" PRIx64, found.hash);
	*ret_statement = found;
	return true;
}

void
named_add(named_set *names, const named_statement *statement)
{
	assert(names->n < NAMED_MAX && !statement->known);
	names->known[names->n++] = statement->hash;
}

void
named_forget(named_set *names)
{
	names->n = 0;
}

bool
named_is_stale(const char *sqlstate)
{
	return strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0;
}
