/*
 * waits.h - who waits for whose locks, and the silent waits among them
 *
 * What a silent wait is stands in sql/queries/waits.sql, the one text of it: `pawl
 * locks` shows what it answers, the steward's watch acts on it.  It runs with the rights
 * of the connection's user, who sees no more of other roles' sessions than PostgreSQL
 * shows him.
 */
#ifndef PAWL_QUEUE_WAITS_H
#define PAWL_QUEUE_WAITS_H

#include "queue/call.h"

/* The columns of a look, as in sql/queries/waits.sql. */
typedef enum waits_column
{
	WAITS_WAITER,
	WAITS_SESSION,
	WAITS_JOB,
	WAITS_WORKER,
	WAITS_ROLE,
	WAITS_SINCE,
	WAITS_RELATION,
	WAITS_KEY, /* always NULL: see waits_key */
	WAITS_LOCK,
	WAITS_BLOCKER,
	WAITS_BLOCKER_SESSION,
	WAITS_BLOCKER_JOB,
	WAITS_BLOCKER_ROLE,
	WAITS_BLOCKER_STATE,
	WAITS_BLOCKER_SINCE,
	WAITS_SILENT,
	WAITS_HOLDER,
	WAITS_STATEMENT, /* the last that is for people */
	WAITS_RELATION_ID,
	WAITS_TUPLE,
	WAITS_WAITER_US,
	WAITS_HOLDER_US,
	WAITS_PROCESS,
	WAITS_HOLDER_SESSION,
	WAITS_HOLDER_JOB,
	WAITS_KNOT,
	WAITS_CANCELLED,
	WAITS_COLUMNS
} waits_column;

/* Room for the text of a key; longer ones are cut. */
#define WAITS_KEY_SIZE 512

/* One row for each waiter and each session that it waits for, at most n. */
PAWL_CHECK pawl_status waits_look(const queue_call *call, bool silent_only, int64_t n,
                                  db_result **ret_rows, pawl_error *error);

/*
 * The key of the row that a row's waiter waits for: "(a, b) = (1, x)"; "" when it cannot
 * be known, as that of a row which is being inserted, or may not be read.  Waits for a
 * fifth of a second at most.
 */
void waits_key(const queue_call *call, const db_result *rows, int row,
               char ret_key[WAITS_KEY_SIZE]);

/*
 * Look again, and cancel the silent wait of that row if it still is one, in the same
 * statement.  ERR_DATABASE with SQLSTATE 42501 when this user may not.
 */
PAWL_CHECK pawl_status waits_cancel(const queue_call *call, const db_result *rows,
                                    int row, bool *ret_cancelled, pawl_error *error);

/* Record the silent wait of a row; since when it has been known. */
PAWL_CHECK pawl_status waits_found(const queue_call *call, const db_result *rows,
                                   int row, const char *key, bool *ret_created,
                                   int64_t *ret_lasted_ms, pawl_error *error);

/* Record what was done about it: "cancelled" or "refused"; is that new? */
PAWL_CHECK pawl_status waits_ended(const queue_call *call, const db_result *rows,
                                   int row, const char *answer, bool *ret_created,
                                   pawl_error *error);

#endif
