/*
 * buffer.h - a growing string
 *
 * data is always NUL-terminated (never NULL after the first append) and may hold NUL
 * bytes inside.  When memory runs out the buffer is emptied and marked broken: later
 * appends do nothing, buffer_ok answers false.  So a caller appends freely and asks
 * once at the end.  The owner frees it, by buffer_free or auto_buffer.
 */
#ifndef PAWL_BASE_BUFFER_H
#define PAWL_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

typedef struct buffer
{
	char *data;
	size_t length;
	size_t capacity;
	bool broken;
} buffer;

#define BUFFER_INIT                                                                    \
	{                                                                                  \
		0                                                                              \
	}

void buffer_append(buffer *b, const char *text);
void buffer_append_bytes(buffer *b, const void *bytes, size_t length);
void buffer_append_char(buffer *b, char c);
void buffer_append_int(buffer *b, int64_t value); /* as %lld, at a tenth of its price */
void buffer_appendf(buffer *b, const char *format, ...) PAWL_PRINTF(2, 3);
void buffer_clear(buffer *b); /* length 0, memory and broken kept */
void buffer_free(buffer *b);
bool buffer_ok(const buffer *b);

/* Hand on the string (to free()); the buffer is empty afterwards. NULL if broken. */
char *buffer_take(buffer *b);

#define auto_buffer __attribute__((cleanup(buffer_free))) buffer

#endif
