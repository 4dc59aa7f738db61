/*
 * counters.c - see counters.h; runs on the executor's thread
 */
#include "worker/counters.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

/* The counter of this name, made if there is none; NULL: wrong says why not. */
static counter *
find(counters *c, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < c->n; i++)
	{
		if (strcmp(c->items[i].name, name) == 0)
			return &c->items[i];
	}
	if (length < 1 || length > LIMIT_NAME || text_valid_utf8(name, length) != length)
		c->wrong = "a counter's name must have 1 to 255 bytes of UTF-8";
	else if (c->n == LIMIT_COUNTS)
		c->wrong = "an attempt counts at most 64 names";
	else if (c->items == NULL &&
	         (c->items = calloc(LIMIT_COUNTS, sizeof(*c->items))) == NULL)
		c->wrong = "out of memory for the counters";
	else if ((c->items[c->n].name = strdup(name)) == NULL)
		c->wrong = "out of memory for the counters";
	if (c->wrong != NULL)
		return NULL;
	c->items[c->n].n = 0;
	return &c->items[c->n++];
}

void
counters_add(counters *c, const char *name, int64_t n)
{
	counter *found = c->wrong != NULL ? NULL : find(c, name);

	if (found != NULL && __builtin_add_overflow(found->n, n, &found->n))
		c->wrong = "a counter is out of range";
}

void
counters_json(const counters *c, buffer *out)
{
	assert(c->wrong == NULL);
	buffer_append_char(out, '{');
	for (size_t i = 0; i < c->n; i++)
	{
		if (i > 0)
			buffer_append_char(out, ',');
		text_quote_json(out, c->items[i].name, strlen(c->items[i].name));
		buffer_appendf(out, ":%" PRId64, c->items[i].n);
	}
	buffer_append_char(out, '}');
}

void
counters_free(counters *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->items[i].name);
	free(c->items);
	*c = (counters){0};
}
