/*
 * strings.h - a growing NULL-terminated list of strings: argv, envp
 *
 * list is NULL until the first string is added.  When memory runs out the list is
 * marked broken and stays as it is: a caller adds freely and asks once at the end.
 */
#ifndef PAWL_HANDLER_STRINGS_H
#define PAWL_HANDLER_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "pawl.h"

typedef struct strings
{
	char **list;
	size_t count;
	size_t capacity;
	bool broken;
} strings;

#define STRINGS_INIT                                                                   \
	{                                                                                  \
		0                                                                              \
	}

void strings_add(strings *s, const char *text);
void strings_addf(strings *s, const char *format, ...) PAWL_PRINTF(2, 3);
void strings_take(strings *s, char *text); /* owned from now on; NULL: broken */
void strings_add_all(strings *s, const char *const *texts); /* NULL: none */
void strings_free(strings *s);

#define auto_strings __attribute__((cleanup(strings_free))) strings

#endif
