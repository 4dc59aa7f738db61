/*
 * session.h - a command's connection
 *
 * One connection a command, opened by the main thread; its application_name is
 * "pawl cli <command>", or "pawl job <id>" in a handler.  The version of the schema is
 * checked at once, so that a command on a database of another version ends with exit
 * code 6 and not with a syntax error.
 */
#ifndef PAWL_CLI_SESSION_H
#define PAWL_CLI_SESSION_H

#include "cli/command.h"
#include "db/db.h"
#include "queue/call.h"

/* How long one call goes on trying when the server is slow or restarts. */
#define SESSION_TRY_MS 30000

PAWL_CHECK pawl_status session_connect(const command_call *call, db **ret_db,
                                       pawl_error *error); /* without the check */
PAWL_CHECK pawl_status session_open(const command_call *call, db **ret_db,
                                    pawl_error *error);

/* From now on no call goes on trying beyond this. */
void session_until(int64_t deadline_ms);

/* The bounds of one verb from now on. */
queue_call session_call(db *own_db);

/*
 * The same for a read, begun by a call that is tried once: when it fails for want of a
 * server, that is told before it is tried for long.
 *
 *	queue_call call = session_first_call(db);
 *	do
 *		status = verb(&call, ...);
 *	while (session_again(&call, status));
 */
queue_call session_first_call(db *own_db);
bool session_again(queue_call *call, pawl_status status);

/* Run a query of sql/queries by its name; a read. */
PAWL_CHECK pawl_status session_query(db *own_db, const char *name,
                                     const db_params *params, db_result **ret_result,
                                     pawl_error *error);

/*
 * Let time pass between two looks at the database: at most milliseconds, and not
 * beyond deadline_ms.  ERR_TIMEOUT when that is over already.
 */
PAWL_CHECK pawl_status session_pause(db *own_db, int64_t milliseconds,
                                     int64_t deadline_ms, pawl_error *error);

void session_cleanup(db **own_db);
#define auto_session __attribute__((cleanup(session_cleanup))) db

/* The values of a row, in the order of the columns; NULL for SQL's NULL. */
void session_row(const db_result *result, int row, const char **ret_values, size_t n);

#endif
