/*
 * strings.c - a growing NULL-terminated list of strings
 */
#include "handler/strings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
reserve_one(strings *s)
{
	size_t capacity = s->capacity == 0 ? 16 : s->capacity * 2;
	char **list;

	if (s->count + 1 < s->capacity)
		return true;
	list = reallocarray(s->list, capacity, sizeof(*list));
	if (list == NULL)
		return false;
	s->list = list;
	s->capacity = capacity;
	return true;
}

void
strings_take(strings *s, char *text)
{
	if (text == NULL || !reserve_one(s))
	{
		free(text);
		s->broken = true;
		return;
	}
	s->list[s->count++] = text;
	s->list[s->count] = NULL;
}

void
strings_add(strings *s, const char *text)
{
	strings_take(s, strdup(text));
}

void
strings_addf(strings *s, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	strings_take(s, text);
}

void
strings_add_all(strings *s, const char *const *texts)
{
	for (; texts != NULL && *texts != NULL; texts++)
		strings_add(s, *texts);
}

void
strings_free(strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->list[i]);
	free(s->list);
	*s = (strings) STRINGS_INIT;
}
