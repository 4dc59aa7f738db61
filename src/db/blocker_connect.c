/*
 * blocker_connect.c - a second connection to the server of the first; see blocker.h
 *
 * With several hosts in conninfo another server would know nothing of the first one's
 * backends.  The address is the one that the first connection has, so nothing is looked
 * up: starting to connect does not block.
 */
#include <assert.h>

#include "db/blocker.h"
#include "db/connection.h"
#include "db/settings.h"

/* Where to, and as whom: not what conninfo says. */
static const char *const OURS[] = {
	"host",
	"hostaddr",
	"port",
	"client_encoding",
	"connect_timeout",
	"fallback_application_name",
	"load_balance_hosts",
	"target_session_attrs",
	NULL,
};

PGconn *
blocker_connect(const db *conn)
{
	auto_settings s = SETTINGS_INIT;
	const char *address;
	PGconn *pg;

	assert(conn->pg != NULL);
	if (!settings_begin(&s, conn->conninfo, OURS))
		return NULL;
	address = PQhostaddr(conn->pg);
	settings_add(&s, "host", PQhost(conn->pg));
	if (address != NULL && address[0] != '\0')
		settings_add(&s, "hostaddr", address);
	settings_add(&s, "port", PQport(conn->pg));
	settings_add(&s, "client_encoding", "UTF8");
	settings_add(&s, "fallback_application_name", conn->watch_name);
	settings_add(&s, "target_session_attrs", "any");
	pg = PQconnectStartParams(s.keywords, s.values, 0);
	if (pg != NULL)
		settings_ignore_notices(pg);
	return pg;
}
