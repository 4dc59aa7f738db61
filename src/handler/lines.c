/*
 * lines.c - bytes of a pipe, cut into lines
 */
#include "handler/lines.h"

#include <assert.h>
#include <string.h>

static void
keep(lines *l, const char *bytes, size_t count)
{
	size_t room = l->limit - l->kept.length;

	assert(l->kept.length <= l->limit);
	buffer_append_bytes(&l->kept, bytes, count < room ? count : room);
	l->length += count;
}

/* A line for which there was no memory is told as one of which nothing was kept. */
static void
finish(lines *l)
{
	const char *text = l->kept.data == NULL ? "" : l->kept.data;

	l->callback(text, l->kept.length, l->length, l->closure);
	buffer_clear(&l->kept);
	if (!buffer_ok(&l->kept))
		buffer_free(&l->kept);
	l->length = 0;
}

void
lines_add(lines *l, const char *bytes, size_t count)
{
	while (count > 0)
	{
		const char *newline = memchr(bytes, '\n', count);
		size_t part = newline == NULL ? count : (size_t) (newline - bytes);

		keep(l, bytes, part);
		if (newline == NULL)
			return;
		finish(l);
		bytes += part + 1;
		count -= part + 1;
	}
}

void
lines_end(lines *l)
{
	if (l->length > 0)
		finish(l);
}

void
lines_free(lines *l)
{
	buffer_free(&l->kept);
}
