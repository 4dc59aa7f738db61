/*
 * blocker_connect.c - a second connection to the server of the first; see blocker.h
 *
 * With several hosts in conninfo another server would know nothing of the first one's
 * backends.  The address is the one that the first connection has, so nothing is looked
 * up: starting to connect does not block.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "db/blocker.h"
#include "db/connection.h"

/* What we say ourselves, and the terminator. */
#define OWN_OPTIONS 7

typedef struct settings
{
	const char **keywords;
	const char **values;
	size_t count;
} settings;

static void
add(settings *s, const char *keyword, const char *value)
{
	s->keywords[s->count] = keyword;
	s->values[s->count] = value;
	s->count++;
}

/* Where to, and as whom: not what conninfo says. */
static bool
is_ours(const char *keyword)
{
	static const char *const OURS[] = {
		"host",
		"hostaddr",
		"port",
		"client_encoding",
		"connect_timeout",
		"fallback_application_name",
		"load_balance_hosts",
		"target_session_attrs",
	};

	for (size_t i = 0; i < sizeof(OURS) / sizeof(OURS[0]); i++)
		if (strcmp(keyword, OURS[i]) == 0)
			return true;
	return false;
}

static void
collect(settings *s, const PQconninfoOption *options, const db *conn)
{
	const char *address = PQhostaddr(conn->pg);

	for (const PQconninfoOption *o = options; o->keyword != NULL; o++)
		if (o->val != NULL && !is_ours(o->keyword))
			add(s, o->keyword, o->val);
	add(s, "host", PQhost(conn->pg));
	if (address != NULL && address[0] != '\0')
		add(s, "hostaddr", address);
	add(s, "port", PQport(conn->pg));
	add(s, "client_encoding", "UTF8");
	add(s, "fallback_application_name", conn->watch_name);
	add(s, "target_session_attrs", "any");
	add(s, NULL, NULL);
}

static PGconn *
start(const PQconninfoOption *options, const db *conn)
{
	size_t room = OWN_OPTIONS;
	auto_free const char **keywords = NULL;
	auto_free const char **values = NULL;
	settings s = {0};

	for (const PQconninfoOption *o = options; o->keyword != NULL; o++)
		room++;
	keywords = calloc(room, sizeof(*keywords));
	values = calloc(room, sizeof(*values));
	if (keywords == NULL || values == NULL)
		return NULL;
	s.keywords = keywords;
	s.values = values;
	collect(&s, options, conn);
	assert(s.count <= room);
	return PQconnectStartParams(keywords, values, 0);
}

/* The library never prints. */
static void
ignore_notice(void *closure, const PGresult *notice)
{
	(void) closure;
	(void) notice;
}

PGconn *
blocker_connect(const db *conn)
{
	PQconninfoOption *options = PQconninfoParse(conn->conninfo, NULL);
	PGconn *pg = NULL;

	assert(conn->pg != NULL);
	if (options == NULL)
		return NULL;
	pg = start(options, conn);
	if (pg != NULL)
		PQsetNoticeReceiver(pg, ignore_notice, NULL);
	PQconninfoFree(options);
	return pg;
}
