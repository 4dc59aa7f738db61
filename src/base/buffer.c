/*
 * buffer.c - a growing string
 */
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#define FIRST_CAPACITY 64

/* Give up: what was appended is gone, later appends do nothing. */
static void
break_down(buffer *b)
{
	free(b->data);
	*b = (buffer) BUFFER_INIT;
	b->broken = true;
}

/* Make room for more bytes and the terminator. */
static bool
reserve(buffer *b, size_t more)
{
	size_t needed;
	size_t capacity = b->capacity > 0 ? b->capacity : FIRST_CAPACITY;
	char *data;

	assert(b->length <= b->capacity);
	if (b->broken)
		return false;
	if (more >= SIZE_MAX / 2 - b->length)
	{
		break_down(b);
		return false;
	}
	needed = b->length + more + 1;
	if (needed <= b->capacity)
		return true;

	while (capacity < needed)
		capacity *= 2;
	data = realloc(b->data, capacity);
	if (data == NULL)
	{
		break_down(b);
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

void
buffer_append_bytes(buffer *b, const void *bytes, size_t length)
{
	if (!reserve(b, length))
		return;
	if (length > 0)
		memcpy(b->data + b->length, bytes, length);
	b->length += length;
	b->data[b->length] = '\0';
}

void
buffer_append(buffer *b, const char *text)
{
	buffer_append_bytes(b, text, strlen(text));
}

void
buffer_append_char(buffer *b, char c)
{
	if (!reserve(b, 1))
		return;
	b->data[b->length++] = c;
	b->data[b->length] = '\0';
}

void
buffer_append_int(buffer *b, int64_t value)
{
	char digits[20]; /* of INT64_MIN, with its sign */
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;

	do
	{
		digits[--at] = (char) ('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	buffer_append_bytes(b, digits + at, sizeof(digits) - at);
}

void
buffer_appendf(buffer *b, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
	{
		break_down(b);
		return;
	}
	if (!reserve(b, (size_t) length))
		return;

	va_start(arguments, format);
	vsnprintf(b->data + b->length, (size_t) length + 1, format, arguments);
	va_end(arguments);
	b->length += (size_t) length;
}

void
buffer_clear(buffer *b)
{
	b->length = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void
buffer_free(buffer *b)
{
	free(b->data);
	*b = (buffer) BUFFER_INIT;
}

bool
buffer_ok(const buffer *b)
{
	return !b->broken;
}

char *
buffer_take(buffer *b)
{
	char *data;

	buffer_append_bytes(b, "", 0); /* an empty buffer hands on "" */
	data = b->data;
	b->data = NULL;
	b->length = 0;
	b->capacity = 0;
	return data;
}
