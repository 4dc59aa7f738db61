/*
 * settings.c - what a connection is opened with; see settings.h
 */
#include "db/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool
is_among(const char *const *keywords, const char *keyword)
{
	for (; *keywords != NULL; keywords++)
		if (strcmp(*keywords, keyword) == 0)
			return true;
	return false;
}

bool
settings_begin(settings *s, const char *conninfo, const char *const *ours)
{
	size_t room = 1; /* of the terminator */

	assert(s->parsed == NULL && s->count == 0);
	s->parsed = PQconninfoParse(conninfo, NULL);
	if (s->parsed == NULL)
		return false;
	for (const PQconninfoOption *o = s->parsed; o->keyword != NULL; o++)
		room++;
	for (const char *const *o = ours; *o != NULL; o++)
		room++;
	s->keywords = calloc(room, sizeof(*s->keywords));
	s->values = calloc(room, sizeof(*s->values));
	if (s->keywords == NULL || s->values == NULL)
		return false;
	s->room = room;
	for (const PQconninfoOption *o = s->parsed; o->keyword != NULL; o++)
		if (o->val != NULL && !is_among(ours, o->keyword))
			settings_add(s, o->keyword, o->val);
	return true;
}

void
settings_add(settings *s, const char *keyword, const char *value)
{
	assert(s->count + 1 < s->room);
	s->keywords[s->count] = keyword;
	s->values[s->count] = value;
	s->count++;
}

void
settings_free(settings *s)
{
	PQconninfoFree(s->parsed);
	free(s->keywords);
	free(s->values);
	*s = (settings) SETTINGS_INIT;
}

const char *
settings_value(const settings *s, const char *keyword)
{
	for (const PQconninfoOption *o = s->parsed; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val;
	return NULL;
}

static void
ignore_notice(void *closure, const PGresult *notice)
{
	(void) closure;
	(void) notice;
}

void
settings_ignore_notices(PGconn *pg)
{
	PQsetNoticeReceiver(pg, ignore_notice, NULL);
}
