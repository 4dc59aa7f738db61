/*
 * output_table.c - rows as a table for people, by libsmartcols
 *
 * On a terminal the last columns are cut to its width and states have colours (unless
 * NO_COLOR is set); elsewhere nothing is cut.  Control characters are escaped by
 * libsmartcols.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "cli/output_writers.h"

struct table_writer
{
	struct libscols_table *table;
	const output_column *columns;
	size_t n;
	bool colours;
};

/* The colours of states that a reader looks for; the others have none. */
static const struct state_colour
{
	const char *state;
	const char *escape;
} STATE_COLOURS[] = {
	{"running", "\033[36m"},   {"succeeded", "\033[32m"}, {"failed", "\033[31m"},
	{"cancelled", "\033[33m"}, {"paused", "\033[33m"},    {"stalled", "\033[33m"},
	{"blocked", "\033[31m"},   {"lost", "\033[31m"},
};

static bool
add_columns(table_writer *writer)
{
	for (size_t i = 0; i < writer->n; i++)
	{
		const output_column *column = &writer->columns[i];
		int flags = 0;

		if (column->wide)
			continue;
		if (column->type == OUTPUT_NUMBER)
			flags |= SCOLS_FL_RIGHT;
		if (i + 1 == writer->n)
			flags |= SCOLS_FL_TRUNC;
		if (scols_table_new_column(writer->table, column->name, 0, flags) == NULL)
			return false;
	}
	return true;
}

table_writer *
table_new(const output_column *columns, size_t n)
{
	table_writer *writer = calloc(1, sizeof(*writer));
	const char *no_color = getenv("NO_COLOR");

	if (writer == NULL)
		return NULL;
	writer->columns = columns;
	writer->n = n;
	writer->table = scols_new_table();
	writer->colours =
		isatty(STDOUT_FILENO) == 1 && (no_color == NULL || no_color[0] == '\0');
	if (writer->table == NULL || !add_columns(writer))
	{
		table_free(writer);
		return NULL;
	}
	(void) scols_table_enable_colors(writer->table, writer->colours);
	return writer;
}

static void
colour_state(struct libscols_line *line, size_t cell, const char *state)
{
	for (size_t i = 0; i < sizeof(STATE_COLOURS) / sizeof(STATE_COLOURS[0]); i++)
	{
		if (strcmp(STATE_COLOURS[i].state, state) == 0)
			(void) scols_cell_set_color(scols_line_get_cell(line, cell),
			                            STATE_COLOURS[i].escape);
	}
}

void
table_row(table_writer *writer, const char *const *values)
{
	struct libscols_line *line = scols_table_new_line(writer->table, NULL);
	size_t cell = 0;

	if (line == NULL)
		return;
	for (size_t i = 0; i < writer->n; i++)
	{
		const char *value = values[i];

		if (writer->columns[i].wide)
			continue;
		if (value != NULL && writer->columns[i].type == OUTPUT_BOOL)
			value = value[0] == 't' ? "yes" : "no";
		if (value != NULL)
			(void) scols_line_set_data(line, cell, value);
		if (value != NULL && writer->columns[i].state && writer->colours)
			colour_state(line, cell, value);
		cell++;
	}
}

void
table_print(table_writer *writer)
{
	/* nothing to show: not even a heading, as in psql -t and ps */
	if (scols_table_is_empty(writer->table))
		return;
	(void) scols_print_table(writer->table);
}

void
table_free(table_writer *writer)
{
	if (writer == NULL)
		return;
	scols_unref_table(writer->table);
	free(writer);
}
