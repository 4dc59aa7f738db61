/*
 * output_text.c - rows as JSON objects and as CSV
 */
#include <string.h>

#include "base/text.h"
#include "cli/output_writers.h"

/* ------------------------------------------------------------ JSON --------------- */

static void
append_value(buffer *b, output_type type, const char *value)
{
	if (value == NULL)
		buffer_append(b, "null");
	else if (type == OUTPUT_TEXT)
		text_quote_json(b, value, strlen(value));
	else if (type == OUTPUT_BOOL)
		buffer_append(b, value[0] == 't' ? "true" : "false");
	else
		buffer_append(b, value);
}

void
output_object(buffer *b, const output_column *columns, size_t n,
              const char *const *values)
{
	buffer_append_char(b, '{');
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0)
			buffer_append(b, ", ");
		text_quote_json(b, columns[i].name, strlen(columns[i].name));
		buffer_append(b, ": ");
		append_value(b, columns[i].type, values[i]);
	}
	buffer_append_char(b, '}');
}

/* ------------------------------------------------------------ CSV ---------------- */

static void
append_field(buffer *b, const char *value)
{
	if (value == NULL)
		return;
	/* an empty string is quoted, to tell it from NULL */
	if (value[0] != '\0' && strpbrk(value, ",\"\r\n") == NULL)
	{
		buffer_append(b, value);
		return;
	}
	buffer_append_char(b, '"');
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '"')
			buffer_append_char(b, '"');
		buffer_append_char(b, *c);
	}
	buffer_append_char(b, '"');
}

void
csv_heading(buffer *b, const output_column *columns, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0)
			buffer_append_char(b, ',');
		append_field(b, columns[i].name);
	}
	buffer_append_char(b, '\n');
}

void
csv_row(buffer *b, const output_column *columns, size_t n, const char *const *values)
{
	for (size_t i = 0; i < n; i++)
	{
		const char *value = values[i];

		if (i > 0)
			buffer_append_char(b, ',');
		if (value != NULL && columns[i].type == OUTPUT_BOOL)
			value = value[0] == 't' ? "true" : "false";
		append_field(b, value);
	}
	buffer_append_char(b, '\n');
}

/* ------------------------------------------------------------ terminals ---------- */

void
output_printable(buffer *b, const char *text)
{
	for (const unsigned char *c = (const unsigned char *) text; *c != '\0'; c++)
	{
		if ((*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f)
			buffer_appendf(b, "\\x%02x", *c);
		else
			buffer_append_char(b, (char) *c);
	}
}
