/*
 * doubt.h - a COMMIT without an answer
 */
#ifndef PAWL_DB_DOUBT_H
#define PAWL_DB_DOUBT_H

#include "db/connection.h"

/*
 * Ask the server over a new connection what became of transaction xid; "" when it had
 * none.  error holds why the connection was lost.  OK: committed.  ERR_CONNECTION: it
 * was not, nothing was done.  ERR_UNKNOWN: nobody could say by deadline_ms.
 */
PAWL_CHECK pawl_status doubt_resolve(db *conn, const char *xid, int64_t deadline_ms,
                                     pawl_error *error);

#endif
