/*
 * lines.h - bytes of a pipe, cut into lines
 *
 * Keeps at most `limit` bytes of a line and counts the rest, so that a program that
 * writes ten megabytes without a newline costs no more than one that writes short
 * lines.
 */
#ifndef PAWL_HANDLER_LINES_H
#define PAWL_HANDLER_LINES_H

#include "base/buffer.h"

/* kept bytes of a line of length bytes; the newline is not counted. */
typedef void (*lines_callback)(const char *line, size_t kept, size_t length,
                               void *closure);

typedef struct lines
{
	size_t limit;
	lines_callback callback;
	void *closure;
	buffer kept;
	size_t length; /* of the line so far */
} lines;

void lines_add(lines *l, const char *bytes, size_t count);
void lines_end(lines *l); /* the last line, if it has no newline */
void lines_free(lines *l);

#endif
