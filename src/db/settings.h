/*
 * settings.h - what a connection is opened with: conninfo's settings, ours over them
 *
 * A list of keywords and values, as PQconnectdbParams and PQconnectStartParams take it.
 * It points into what conninfo was parsed to and to the texts that were added, and is
 * freed when the connection was started.  For the files of src/db alone.
 */
#ifndef PAWL_DB_SETTINGS_H
#define PAWL_DB_SETTINGS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct settings
{
	PQconninfoOption *parsed;
	const char **keywords; /* both end in a NULL */
	const char **values;
	size_t count;
	size_t room;
} settings;

/*
 * Those of conninfo, but for the keywords in ours, which ends in a NULL; each of them can
 * be added once.  False: out of memory (a conninfo that is wrong was refused by db_new).
 */
bool settings_begin(settings *s, const char *conninfo, const char *const *ours);
void settings_add(settings *s, const char *keyword, const char *value);
void settings_free(settings *s);
#define auto_settings __attribute__((cleanup(settings_free))) settings
#define SETTINGS_INIT                                                                  \
	{                                                                                  \
		0                                                                              \
	}

/* conninfo's own value, also of a keyword that is ours; NULL: it has none. */
const char *settings_value(const settings *s, const char *keyword);

/* The library never prints: what the server tells beside its answers is dropped. */
void settings_ignore_notices(PGconn *pg);

#endif
