/*
 * txn.h - the transaction of a connection, for the files of src/db alone
 *
 * db/db.h has what others use; these take the deadlines that it leaves out.
 */
#ifndef PAWL_DB_TXN_H
#define PAWL_DB_TXN_H

#include "db/connection.h"

/* Open the connection if need be, by deadline_ms; nothing else is sent yet. */
PAWL_CHECK pawl_status txn_begin(db *conn, const db_limits *limits, int64_t deadline_ms,
                                 pawl_error *error);

/* The same on a connection that is open and idle. */
void txn_start(db *conn, const db_limits *limits);

/* One statement.  On failure the transaction is rolled back before this returns. */
PAWL_CHECK pawl_status txn_exec(db *conn, const char *sql, const db_params *params,
                                db_result **ret_result, pawl_error *error);

/*
 * The only statement, and COMMIT, in one round trip.  A lost connection is ERR_UNKNOWN.
 * *ret_result is NULL on failure.
 */
PAWL_CHECK pawl_status txn_exec_last(db *conn, const char *sql, const db_params *params,
                                     db_result **ret_result, pawl_error *error);

/*
 * Commit.  A COMMIT without an answer is asked for until deadline_ms: OK; ERR_CONNECTION
 * when nothing was done; ERR_UNKNOWN.
 */
PAWL_CHECK pawl_status txn_commit(db *conn, int64_t deadline_ms, pawl_error *error);

/* Roll back whatever there is; closes the connection when that cannot be had. */
void txn_rollback(db *conn);

#endif
