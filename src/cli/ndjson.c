/*
 * ndjson.c - lines of a file, in constant memory
 *
 * One buffer of the longest line plus a chunk.  A line that does not fit is dropped as
 * it comes, up to its end.
 */
#include "cli/ndjson.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

struct ndjson_reader
{
	int fd;
	bool ended;     /* read has answered 0 */
	bool dropping;  /* inside a line that is too long */
	int64_t line;   /* of the last one answered */
	int64_t bytes;  /* read so far */
	size_t start;   /* of what is not consumed yet */
	size_t length;  /* bytes in data */
	size_t scanned; /* no newline before here */
	char data[LIMIT_NDJSON_LINE + CHUNK];
};

ndjson_reader *
ndjson_new(int fd)
{
	ndjson_reader *reader = malloc(sizeof(*reader));

	if (reader == NULL)
		return NULL;
	/* data is left alone: untouched pages cost nothing */
	memset(reader, 0, offsetof(ndjson_reader, data));
	reader->fd = fd;
	return reader;
}

void
ndjson_free(ndjson_reader *reader)
{
	free(reader);
}

int64_t
ndjson_bytes(const ndjson_reader *reader)
{
	return reader->bytes;
}

/* Read another chunk; false on an error. */
static bool
fill(ndjson_reader *reader)
{
	ssize_t n;

	if (reader->start > 0)
	{
		memmove(reader->data, reader->data + reader->start,
		        reader->length - reader->start);
		reader->length -= reader->start;
		reader->scanned -= reader->start;
		reader->start = 0;
	}
	assert(reader->length + CHUNK <= sizeof(reader->data));
	do
		n = read(reader->fd, reader->data + reader->length, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return false;
	reader->ended = n == 0;
	reader->length += (size_t) n;
	reader->bytes += n;
	return true;
}

static bool
is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (strchr(" \t\r", text[i]) == NULL || text[i] == '\0')
			return false;
	}
	return true;
}

/* Is there a whole line at start?  Answers its length without the newline. */
static bool
find_line(ndjson_reader *reader, size_t *ret_length, size_t *ret_next)
{
	const char *newline =
		memchr(reader->data + reader->scanned, '\n', reader->length - reader->scanned);

	if (newline != NULL)
	{
		*ret_length = (size_t) (newline - reader->data) - reader->start;
		*ret_next = reader->start + *ret_length + 1;
		return true;
	}
	reader->scanned = reader->length;
	if (reader->ended && reader->length > reader->start)
	{
		*ret_length = reader->length - reader->start; /* the last, without newline */
		*ret_next = reader->length;
		return true;
	}
	return false;
}

ndjson_answer
ndjson_next(ndjson_reader *reader, const char **ret_text, size_t *ret_length,
            int64_t *ret_line)
{
	size_t length;
	size_t next;

	for (;;)
	{
		if (find_line(reader, &length, &next))
		{
			bool dropped = reader->dropping || length > LIMIT_NDJSON_LINE;

			*ret_text = reader->data + reader->start;
			*ret_length = length;
			*ret_line = ++reader->line;
			reader->start = next;
			reader->scanned = next;
			reader->dropping = false;
			if (dropped)
				return NDJSON_TOO_LONG;
			if (!is_blank(*ret_text, length))
				return NDJSON_LINE;
			continue;
		}
		if (reader->ended)
			break;
		if (reader->dropping || reader->length - reader->start > LIMIT_NDJSON_LINE)
		{
			reader->dropping = true;
			reader->start = reader->length;
		}
		if (!fill(reader))
			return NDJSON_FAILED;
	}
	if (!reader->dropping)
		return NDJSON_END;
	/* a last line that was too long and has no newline */
	reader->dropping = false;
	*ret_line = ++reader->line;
	return NDJSON_TOO_LONG;
}
