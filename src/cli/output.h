/*
 * output.h - data on stdout, as a table, JSON, JSON lines or CSV
 *
 * The one home of -o.  A command names its columns once and hands over rows of text,
 * as PostgreSQL wrote them; NULL is SQL's NULL.  Numbers and JSON are passed on as
 * they are, never through a double, so that no id and no argument changes on its way.
 *
 * JSON lines and CSV are written row by row; a table is kept until its end (its
 * widths depend on all rows).  Strings that go to a terminal have their control
 * characters escaped.
 *
 * Failure.  output_finish says whether everything could be written: 0, or the exit
 * code of the program, the user having been told (a full disk) or not (a closed
 * pipe: whoever reads has enough).
 */
#ifndef PAWL_CLI_OUTPUT_H
#define PAWL_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

typedef enum output_format
{
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_JSONL,
	OUTPUT_CSV,
	OUTPUT_FORMATS
} output_format;

/* "table", "json", ...; ended by NULL. */
extern const char *const OUTPUT_FORMAT_NAMES[];

typedef enum output_type
{
	OUTPUT_TEXT,
	OUTPUT_NUMBER, /* written as it is; in a table on the right */
	OUTPUT_BOOL,   /* PostgreSQL's t and f */
	OUTPUT_VALUE   /* JSON text */
} output_type;

typedef struct output_column
{
	const char *name;
	output_type type;
	bool wide;  /* left out of tables: too wide, or of little use to a reader */
	bool state; /* a job's state: coloured on a terminal */
} output_column;

/* More columns has no command. */
#define OUTPUT_COLUMNS_MAX 32

typedef struct output output;

/* columns must outlive the output.  NULL when memory runs out. */
output *output_new(output_format format, const output_column *columns, size_t n);
void output_row(output *out, const char *const *values);

/* Send what was written so far to its reader: 0, or the exit code. */
int output_flush(output *out);

/* Write the rest, free it: 0, or the exit code. */
int output_finish(output *out);

/* Append one row as a JSON object. */
void output_object(buffer *b, const output_column *columns, size_t n,
                   const char *const *values);

/* Append text as it may go to a terminal: control characters but newline escaped. */
void output_printable(buffer *b, const char *text);

/* Flush stdout and say whether that went well: 0, or the exit code. */
int output_check(void);

#endif
