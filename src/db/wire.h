/*
 * wire.h - statements to the server and results back, each wait with a deadline
 *
 * Runs in libpq's pipeline mode with a non-blocking socket: everything is sent, then
 * everything is read.  Whatever goes wrong between closes the connection, so that what
 * is open is always at rest.
 */
#ifndef PAWL_DB_WIRE_H
#define PAWL_DB_WIRE_H

#include <stddef.h>

#include "db/connection.h"

/* One statement of an exchange and its result, which is cleared by wire_clear. */
typedef struct wire_step
{
	const char *sql;
	const db_params *params;
	bool tells_pid; /* its last column is the backend's pid; see db/blocker.h */
	bool named;     /* it may be prepared; see db/named.h */
	bool syncs;     /* a Sync comes before it, which nobody waits for */
	PGresult *result;

	/* of the exchange */
	named_statement statement;
	bool prepares; /* an answer to that comes first */
} wire_step;

/*
 * Send n statements and a Sync in one round trip.  OK when the Sync came back: each
 * step then has its result, which may be an error or PGRES_PIPELINE_ABORTED.  Otherwise
 * the connection is closed: ERR_CONNECTION; ERR_MEMORY.
 *
 * In the middle of what a Sync ends, a server waits for the rest without a limit, with all
 * that it has locked.  So a Sync comes before what may be lost on its way: from then on
 * the transaction is idle, and idle_in_transaction_session_timeout ends it.
 */
PAWL_CHECK pawl_status wire_exchange(db *conn, wire_step *steps, size_t n,
                                     int64_t deadline_ms, pawl_error *error);

/*
 * Send a string of statements as one simple query.  OK when the server is ready again;
 * *ret_failed is the first error's result, to be cleared by the caller, or NULL.
 */
PAWL_CHECK pawl_status wire_script(db *conn, const char *sql, int64_t deadline_ms,
                                   PGresult **ret_failed, pawl_error *error);

/* For db/lend.c, out of pipeline mode: the next result, NULL at the end; false: lost, or
 * silent. */
bool wire_next(db *conn, int64_t deadline_ms, PGresult **ret_result);

void wire_clear(wire_step *steps, size_t n);

/* It answered with rows or with nothing to answer. */
bool wire_succeeded(const PGresult *result);

#endif
