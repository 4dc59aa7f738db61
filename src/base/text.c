/*
 * text.c - text from outside: UTF-8, JSON strings, cutting with a mark
 *
 * Everything here walks the input character by character: a character is a valid
 * UTF-8 sequence, or one byte that belongs to none.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* The longest mark, with a 20-digit count. */
#define MARK_FORMAT "... [%zu bytes cut]"
#define MARK_SIZE (sizeof(MARK_FORMAT) + 20)

static bool
continues(unsigned char byte)
{
	return (byte & 0xC0) == 0x80;
}

/* The second byte's range keeps out overlong forms, surrogates and what is too big. */
static bool
second_ok(unsigned char first, unsigned char second)
{
	switch (first)
	{
		case 0xE0:
			return second >= 0xA0 && second <= 0xBF;
		case 0xED:
			return second >= 0x80 && second <= 0x9F;
		case 0xF0:
			return second >= 0x90 && second <= 0xBF;
		case 0xF4:
			return second >= 0x80 && second <= 0x8F;
		default:
			return continues(second);
	}
}

/* Length of the sequence that a first byte announces; 0: none begins so. */
static size_t
announced(unsigned char first)
{
	if (first == 0)
		return 0;
	if (first < 0x80)
		return 1;
	if (first >= 0xC2 && first <= 0xDF)
		return 2;
	if (first >= 0xE0 && first <= 0xEF)
		return 3;
	if (first >= 0xF0 && first <= 0xF4)
		return 4;
	return 0;
}

/* Bytes of the character at the beginning; 0: the first byte belongs to none. */
static size_t
character(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *) text;
	size_t size;

	assert(length > 0);
	size = announced(bytes[0]);
	if (size == 0 || size > length)
		return 0;
	if (size > 1 && !second_ok(bytes[0], bytes[1]))
		return 0;
	for (size_t i = 2; i < size; i++)
	{
		if (!continues(bytes[i]))
			return 0;
	}
	return size;
}

size_t
text_valid_utf8(const char *bytes, size_t length)
{
	size_t done = 0;

	while (done < length)
	{
		size_t size = character(bytes + done, length - done);

		if (size == 0)
			break;
		done += size;
	}
	return done;
}

/* C0 without tab and newline, DEL, and C1 (in UTF-8: C2 80 to C2 9F). */
static bool
is_control(const char *bytes, size_t size)
{
	unsigned char first = (unsigned char) bytes[0];

	if (size == 2)
		return first == 0xC2 && (unsigned char) bytes[1] < 0xA0;
	if (size != 1 || first == '\t' || first == '\n')
		return false;
	return first < 0x20 || first == 0x7F;
}

static void
append_escape(buffer *out, char byte)
{
	buffer_appendf(out, "\\x%02X", (unsigned) (unsigned char) byte);
}

/* Append the character at the beginning as PostgreSQL stores it; bytes consumed. */
static size_t
escape_character(buffer *out, const char *bytes, size_t length)
{
	size_t size = character(bytes, length);

	if (size > 0 && !is_control(bytes, size))
	{
		buffer_append_bytes(out, bytes, size);
		return size;
	}
	if (size == 0)
		size = 1;
	for (size_t i = 0; i < size; i++)
		append_escape(out, bytes[i]);
	return size;
}

/* How many bytes at the beginning, at most `most`, are printable ASCII. */
static size_t
plain_run(const char *bytes, size_t most)
{
	size_t n = 0;

	while (n < most && bytes[n] >= 0x20 && bytes[n] < 0x7F)
		n++;
	return n;
}

static void
append_mark(buffer *out, size_t cut, size_t room)
{
	char mark[MARK_SIZE];
	int length = snprintf(mark, sizeof(mark), MARK_FORMAT, cut);

	assert(length > 0 && (size_t) length < sizeof(mark));
	buffer_append_bytes(out, mark, (size_t) length < room ? (size_t) length : room);
}

void
text_escape(buffer *out, const char *bytes, size_t length, size_t limit)
{
	size_t start = out->length;
	size_t fits = limit > MARK_SIZE ? limit - MARK_SIZE : 0;
	size_t kept_out = start; /* where a mark would still fit */
	size_t kept_in = 0;
	size_t done = 0;

	while (done < length && buffer_ok(out))
	{
		size_t used = out->length - start;
		size_t room = used < fits ? fits - used : 0;
		size_t run =
			plain_run(bytes + done, room < length - done ? room : length - done);

		/* most of most texts, at once; character by character where it gets tight */
		if (run > 0)
			buffer_append_bytes(out, bytes + done, run);
		done += run > 0 ? run : escape_character(out, bytes + done, length - done);
		if (out->length - start > limit)
			break;
		if (out->length - start <= fits)
		{
			kept_out = out->length;
			kept_in = done;
		}
	}
	if (!buffer_ok(out) || out->length - start <= limit)
		return;

	out->length = kept_out;
	out->data[kept_out] = '\0';
	append_mark(out, length - kept_in, limit - (kept_out - start));
}

/* One ASCII character inside a JSON string. */
static void
quote_ascii(buffer *out, char c)
{
	static const char ESCAPED[] = "\"\\\n\r\t\b\f";
	static const char LETTERS[] = "\"\\nrtbf";
	const char *found = strchr(ESCAPED, c);

	if (found != NULL)
	{
		buffer_append_char(out, '\\');
		buffer_append_char(out, LETTERS[found - ESCAPED]);
	}
	else if ((unsigned char) c < 0x20)
		buffer_appendf(out, "\\u%04X", (unsigned) c);
	else
		buffer_append_char(out, c);
}

void
text_quote_json(buffer *out, const char *bytes, size_t length)
{
	size_t done = 0;

	buffer_append_char(out, '"');
	while (done < length && buffer_ok(out))
	{
		size_t size = character(bytes + done, length - done);

		/* jsonb refuses \u0000, so NUL goes the way of what is no UTF-8. */
		if (size == 0)
		{
			buffer_append_char(out, '\\');
			append_escape(out, bytes[done]);
			size = 1;
		}
		else if (size == 1)
			quote_ascii(out, bytes[done]);
		else
			buffer_append_bytes(out, bytes + done, size);
		done += size;
	}
	buffer_append_char(out, '"');
}
