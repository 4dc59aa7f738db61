/*
 * sqlstate.c - the one table of SQLSTATE classes (DESIGN.md section 6)
 *
 * A code of five characters stands for itself, a shorter one for its class.  What the
 * table does not name is ERR_DATABASE.
 */
#include <stddef.h>
#include <string.h>

#include "db/sqlstate.h"

typedef struct sqlstate_class
{
	const char *prefix;
	pawl_status status;
} sqlstate_class;

static const sqlstate_class CLASSES[] = {
	{"40001", PAWL_ERR_TRANSIENT},  /* serialization failure */
	{"40P01", PAWL_ERR_TRANSIENT},  /* deadlock */
	{"55P03", PAWL_ERR_TRANSIENT},  /* lock timeout, NOWAIT */
	{"25006", PAWL_ERR_TRANSIENT},  /* read-only: a failover is under way */
	{"53", PAWL_ERR_TRANSIENT},     /* too little of something */
	{"57014", PAWL_ERR_TRANSIENT},  /* statement timeout */
	{"08", PAWL_ERR_CONNECTION},    /* connection exception */
	{"57P01", PAWL_ERR_CONNECTION}, /* terminated by an administrator */
	{"57P02", PAWL_ERR_CONNECTION}, /* the server crashed */
	{"57P03", PAWL_ERR_CONNECTION}, /* the server starts or stops */
	{"57P04", PAWL_ERR_CONNECTION}, /* the database was dropped */
	{"57P05", PAWL_ERR_CONNECTION}, /* idle session timeout */
	{"25P03", PAWL_ERR_CONNECTION}, /* idle in transaction: the server hangs up */
	{"PW001", PAWL_ERR_STALE},      {"PW002", PAWL_ERR_LEASE},
	{"PW003", PAWL_ERR_CONFLICT},   {"PW004", PAWL_ERR_REFUSED},
	{"P0002", PAWL_ERR_NOT_FOUND},  {"22023", PAWL_ERR_ARGUMENT},
};

pawl_status
sqlstate_status(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof(CLASSES) / sizeof(CLASSES[0]); i++)
	{
		const char *prefix = CLASSES[i].prefix;

		if (strncmp(sqlstate, prefix, strlen(prefix)) == 0)
			return CLASSES[i].status;
	}
	return PAWL_ERR_DATABASE;
}
