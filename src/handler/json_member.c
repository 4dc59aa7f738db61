/*
 * json_member.c - the text of one member of a JSON object
 *
 * A scanner over JSON that a parser has accepted: it need only know where strings and
 * nested values end.
 */
#include "handler/json_member.h"

#include <assert.h>
#include <string.h>

static const char *
skip_blanks(const char *at, const char *end)
{
	while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
		at++;
	return at;
}

/* at: the opening quote; answers what follows the closing one. */
static const char *
skip_string(const char *at, const char *end)
{
	assert(*at == '"');
	for (at++; at < end && *at != '"'; at++)
	{
		if (*at == '\\')
			at++;
	}
	assert(at < end);
	return at + 1;
}

/* To the comma or brace that ends the value. */
static const char *
skip_value(const char *at, const char *end)
{
	int depth = 0;

	while (at < end)
	{
		if (*at == '"')
		{
			at = skip_string(at, end);
			continue;
		}
		if (depth == 0 && (*at == ',' || *at == '}'))
			break;
		depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
		at++;
	}
	assert(at < end && depth == 0);
	return at;
}

/* A backslash is always copied with what it escapes, so "\\u0000" stays as it is. */
static void
append_value(buffer *out, const char *at, const char *end)
{
	static const char nul[] = "\\u0000";

	while (end > at && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	while (at < end)
	{
		const char *backslash = memchr(at, '\\', (size_t) (end - at));
		size_t plain =
			backslash == NULL ? (size_t) (end - at) : (size_t) (backslash - at);

		buffer_append_bytes(out, at, plain);
		at += plain;
		if (backslash == NULL)
			break;
		assert(end - at >= 2);
		if (end - at >= 6 && memcmp(at, nul, 6) == 0)
			buffer_append_char(out, '\\');
		buffer_append_bytes(out, at, 2);
		at += 2;
	}
}

bool
json_member(const char *json, size_t length, const char *name, buffer *out)
{
	const char *end = json + length;
	const char *at = skip_blanks(json, end);
	const char *value = NULL;
	const char *value_end = NULL;

	assert(at < end && *at == '{');
	at = skip_blanks(at + 1, end);
	while (at < end && *at == '"')
	{
		const char *key = at + 1;
		const char *key_end = skip_string(at, end) - 1;
		bool wanted = (size_t) (key_end - key) == strlen(name) &&
		              memcmp(key, name, strlen(name)) == 0;

		at = skip_blanks(key_end + 1, end);
		assert(at < end && *at == ':');
		at = skip_blanks(at + 1, end);
		value = wanted ? at : value;
		at = skip_value(at, end);
		value_end = wanted ? at : value_end;
		at = skip_blanks(at + (*at == ','), end);
	}
	if (value != NULL)
		append_value(out, value, value_end);
	return value != NULL;
}
