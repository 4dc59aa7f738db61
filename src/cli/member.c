/*
 * member.c - see member.h
 */
#include "cli/member.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* The values stand in one column; the names of members are no longer than this. */
#define NAME_WIDTH 16

void
member_append(buffer *b, const char *name, const char *value)
{
	buffer_appendf(b, "%-*s ", NAME_WIDTH, name);
	for (const char *line = value;; line++)
	{
		auto_buffer part = BUFFER_INIT;
		size_t length = strcspn(line, "\n");

		buffer_append_bytes(&part, line, length);
		buffer_append_char(&part, '\0');
		if (buffer_ok(&part))
			output_printable(b, part.data);
		buffer_append_char(b, '\n');
		line += length;
		if (*line == '\0')
			return;
		buffer_appendf(b, "%*s", NAME_WIDTH + 1, "");
	}
}

void
member_append_row(buffer *b, const output_column *columns, size_t n,
                  const char *const *values)
{
	for (size_t i = 0; i < n; i++)
	{
		if (values[i] != NULL)
			member_append(b, columns[i].name, values[i]);
	}
}

void
member_append_json(buffer *b, const output_column *columns, size_t n,
                   const char *const *values, const char *note)
{
	output_object(b, columns, n, values);
	if (!buffer_ok(b))
		return;
	b->length--; /* the brace is closed by the caller */
	buffer_append(b, ", \"note\": ");
	if (note[0] == '\0')
		buffer_append(b, "null");
	else
		text_quote_json(b, note, strlen(note));
}

static int
show_csv(const output_column *columns, size_t n, const char *const *values)
{
	output *out = output_new(OUTPUT_CSV, columns, n);

	if (out == NULL)
		return EXIT_OPERATION;
	output_row(out, values);
	return output_finish(out);
}

int
member_show(const command_call *call, const output_column *columns, size_t n,
            const char *const *values, const char *note)
{
	auto_buffer b = BUFFER_INIT;

	if (call->common.format == OUTPUT_CSV)
		return show_csv(columns, n, values);
	if (call->common.format == OUTPUT_TABLE)
	{
		member_append_row(&b, columns, n, values);
		if (note[0] != '\0')
			member_append(&b, "note", note);
	}
	else
	{
		member_append_json(&b, columns, n, values, note);
		buffer_append(&b, "}\n");
	}
	if (buffer_ok(&b))
		(void) fputs(b.data, stdout);
	return output_check();
}
