/*
 * output.h - what an exec handler's program prints, as log lines of its job
 */
#ifndef PAWL_HANDLER_OUTPUT_H
#define PAWL_HANDLER_OUTPUT_H

#include "handler/lines.h"

/* What an error text ends with: enough for a stack trace's last frames. */
#define LIMIT_TAIL (4 * 1024)

typedef struct output
{
	pawl_context *context;
	pawl_level level;
	lines lines;
	char tail[LIMIT_TAIL]; /* the last bytes printed */
	size_t tail_length;
} output;

/* In place, because lines calls back with its address. */
void output_init(output *o, pawl_context *context, pawl_level level);
void output_add(output *o, const char *bytes, size_t count);
void output_end(output *o);
void output_free(output *o);

/* Append the last whole lines printed, escaped; nothing when there are none. */
void output_tail(const output *o, buffer *out);

#endif
