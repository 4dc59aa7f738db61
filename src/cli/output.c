/*
 * output.c - data on stdout: which format, and whether it could be written
 *
 * A table of writers, one a format; the table of libsmartcols is in output_table.c,
 * the text of JSON and CSV in output_text.c.
 */
#include "cli/output.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/output_writers.h"
#include "cli/talk.h"

const char *const OUTPUT_FORMAT_NAMES[] = {
	[OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json",  [OUTPUT_JSONL] = "jsonl",
	[OUTPUT_CSV] = "csv",     [OUTPUT_FORMATS] = NULL,
};

struct output
{
	output_format format;
	const output_column *columns;
	size_t n;
	size_t rows;
	table_writer *table; /* of OUTPUT_TABLE */
};

output *
output_new(output_format format, const output_column *columns, size_t n)
{
	output *out = calloc(1, sizeof(*out));

	assert(n <= OUTPUT_COLUMNS_MAX);
	if (out == NULL)
		return NULL;
	out->format = format;
	out->columns = columns;
	out->n = n;
	if (format == OUTPUT_TABLE && (out->table = table_new(columns, n)) == NULL)
	{
		free(out);
		return NULL;
	}
	return out;
}

/* ------------------------------------------------------------ one row ------------ */

static void
write_buffer(const buffer *b)
{
	if (buffer_ok(b) && b->length > 0)
		(void) fwrite(b->data, 1, b->length, stdout);
}

static void
row_table(output *out, const char *const *values)
{
	table_row(out->table, values);
}

static void
row_json(output *out, const char *const *values)
{
	auto_buffer b = BUFFER_INIT;

	buffer_append(&b, out->rows == 0 ? "[" : ",\n ");
	output_object(&b, out->columns, out->n, values);
	write_buffer(&b);
}

static void
row_jsonl(output *out, const char *const *values)
{
	auto_buffer b = BUFFER_INIT;

	output_object(&b, out->columns, out->n, values);
	buffer_append_char(&b, '\n');
	write_buffer(&b);
}

static void
row_csv(output *out, const char *const *values)
{
	auto_buffer b = BUFFER_INIT;

	if (out->rows == 0)
		csv_heading(&b, out->columns, out->n);
	csv_row(&b, out->columns, out->n, values);
	write_buffer(&b);
}

typedef void (*row_writer)(output *out, const char *const *values);

static const row_writer ROW_WRITERS[] = {
	[OUTPUT_TABLE] = row_table,
	[OUTPUT_JSON] = row_json,
	[OUTPUT_JSONL] = row_jsonl,
	[OUTPUT_CSV] = row_csv,
};
static_assert(sizeof(ROW_WRITERS) / sizeof(ROW_WRITERS[0]) == OUTPUT_FORMATS,
              "one writer a format");

void
output_row(output *out, const char *const *values)
{
	assert(out->format < OUTPUT_FORMATS);
	ROW_WRITERS[out->format](out, values);
	out->rows++;
}

/* ------------------------------------------------------------ the end ------------ */

/* The error of a write may be long past, and errno another's. */
static bool
is_reader_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return errno == EPIPE || (poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0);
}

int
output_check(void)
{
	static int told; /* once, by whoever sees it first: the exit code */
	pawl_error error;

	if (told != 0 || (fflush(stdout) == 0 && !ferror(stdout)))
		return told;
	if (is_reader_gone())
	{
		told = EXIT_SIGNAL + SIGPIPE; /* he has enough */
		return told;
	}
	(void) error_set(&error, PAWL_ERR_SYSTEM, "could not write to standard output: %s",
	                 strerror(errno));
	told = talk_error(&error);
	return told;
}

int
output_flush(output *out)
{
	(void) out;
	return output_check();
}

int
output_finish(output *out)
{
	auto_buffer b = BUFFER_INIT;

	if (out->format == OUTPUT_TABLE)
	{
		table_print(out->table);
		table_free(out->table);
	}
	else if (out->format == OUTPUT_JSON)
		buffer_append(&b, out->rows == 0 ? "[]\n" : "]\n");
	else if (out->format == OUTPUT_CSV && out->rows == 0)
		csv_heading(&b, out->columns, out->n);
	write_buffer(&b);
	free(out);
	return output_check();
}
