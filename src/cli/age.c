/*
 * age.c - see age.h
 */
#include "cli/age.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* A unit and the next smaller one, which is shown beside it. */
static const struct
{
	int64_t seconds;
	const char *name;
	int64_t part_seconds;
	const char *part;
} UNITS[] = {
	{86400, "d", 3600, "h"},
	{3600, "h", 60, "min"},
	{60, "min", 1, "s"},
};

const char *
age_text(int64_t seconds, char ret_text[AGE_SIZE])
{
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
	{
		int64_t rest = seconds % UNITS[i].seconds;

		if (seconds < UNITS[i].seconds)
			continue;
		(void) snprintf(ret_text, AGE_SIZE, "%" PRId64 "%s %" PRId64 "%s",
		                seconds / UNITS[i].seconds, UNITS[i].name,
		                rest / UNITS[i].part_seconds, UNITS[i].part);
		return ret_text;
	}
	(void) snprintf(ret_text, AGE_SIZE, "%" PRId64 "s", seconds < 0 ? 0 : seconds);
	return ret_text;
}

const char *
age_of(const char *seconds, char ret_text[AGE_SIZE])
{
	return seconds == NULL ? NULL : age_text(strtoll(seconds, NULL, 10), ret_text);
}
