/*
 * doubt.h - a COMMIT without an answer
 *
 * What is remembered of each transaction before COMMIT is sent, and the question that
 * is asked over a new connection afterwards.
 */
#ifndef PAWL_DB_DOUBT_H
#define PAWL_DB_DOUBT_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef struct doubt_mark
{
	bool current;     /* read after the transaction's last statement */
	char xid[24];     /* "": none assigned, so there is nothing to commit */
	char timeline[9]; /* of the server: changes with a failover */
	int64_t begun_ms; /* CLOCK_BOOTTIME, before BEGIN was sent */
} doubt_mark;

/* A statement with the columns xid and timeline, which doubt_note reads. */
extern const char DOUBT_MARK_SQL[];
void doubt_note(doubt_mark *mark, const db_result *result);

/* Its second column, for a transaction whose id nobody will ask for. */
#define DOUBT_TIMELINE_SQL                                                             \
	"pg_catalog.substr(pg_catalog.pg_walfile_name("                                    \
	"pg_catalog.pg_current_wal_lsn()), 1, 8)"
void doubt_note_timeline(doubt_mark *mark, const char *timeline);

/*
 * Ask the server what became of the transaction.  error holds why the connection was
 * lost.  OK: committed.  ERR_CONNECTION: it was not, nothing was done.  ERR_UNKNOWN:
 * nobody could say by deadline_ms.  The db is closed when this is called.
 */
PAWL_CHECK pawl_status doubt_resolve(db *conn, const doubt_mark *mark,
                                     int64_t deadline_ms, pawl_error *error);

#endif
