/*
 * duration.c - durations as a user writes them: one number, one unit
 */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/duration.h"
#include "base/error.h"

/* A hundred years: more is a slip, and sums of two never overflow anything. */
#define LONGEST_MS (INT64_C(36500) * 24 * 60 * 60 * 1000)

typedef struct unit
{
	const char *name;
	int64_t ms;
} unit;

static const unit UNITS[] = {
	{"ms", 1},
	{"s", 1000},
	{"min", 60 * 1000},
	{"h", 3600 * 1000},
	{"d", 24 * 3600 * 1000},
};

static const unit *
find_unit(const char *name)
{
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
	{
		if (strcmp(UNITS[i].name, name) == 0)
			return &UNITS[i];
	}
	return NULL;
}

static pawl_status
refuse(const char *text, pawl_error *error)
{
	pawl_status status =
		error_set(error, PAWL_ERR_ARGUMENT, "invalid duration \"%s\"", text);

	error_hint(error, "Write a whole number and one of ms, s, min, h, d: \"30s\".");
	return status;
}

pawl_status
duration_parse(const char *text, int64_t *ret_ms, pawl_error *error)
{
	const char *at = text;
	const unit *found;
	int64_t number = 0;

	for (; isdigit((unsigned char) *at); at++)
	{
		number = number * 10 + (*at - '0');
		if (number > LONGEST_MS)
			return refuse(text, error);
	}
	if (at == text)
		return refuse(text, error);
	if (number == 0 && *at == '\0')
	{
		*ret_ms = 0;
		return PAWL_OK;
	}

	found = find_unit(at);
	if (found == NULL || number > LONGEST_MS / found->ms)
		return refuse(text, error);
	*ret_ms = number * found->ms;
	return PAWL_OK;
}
