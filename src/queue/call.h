/*
 * call.h - where and within which bounds a verb runs
 *
 * Each verb of src/queue is one SQL function called by one unnamed statement in one
 * transaction, a pure function of a call and its arguments.  The call names the
 * connection (of the calling thread), the limits of the transaction and the end of the
 * tries: with deadline_ms (CLOCK_BOOTTIME) transient errors and lost connections are
 * tried again until then; CALL_ONCE means one try.
 *
 * Times go as microseconds and durations as milliseconds and are made into timestamps
 * and intervals by the server, so no setting of the session can change their meaning.
 */
#ifndef PAWL_QUEUE_CALL_H
#define PAWL_QUEUE_CALL_H

#include "db/db.h"

#define CALL_ONCE 0

typedef struct queue_call
{
	db *db;
	db_limits limits;
	int64_t deadline_ms;

	/* An open transaction to run in, instead of one of its own; then limits and deadline
	 * do not matter, and a failure has rolled it back.  NULL: none. */
	db_txn *txn;
} queue_call;

/* Run one statement within the call's bounds; params NULL is a failure of memory. */
PAWL_CHECK pawl_status call_run(const queue_call *call, const char *sql,
                                const db_params *params, db_result **ret_result,
                                pawl_error *error);

/* The same for a function that answers one value, which is not NULL. */
PAWL_CHECK pawl_status call_run_int(const queue_call *call, const char *sql,
                                    const db_params *params, int64_t *ret_value,
                                    pawl_error *error);
PAWL_CHECK pawl_status call_run_bool(const queue_call *call, const char *sql,
                                     const db_params *params, bool *ret_value,
                                     pawl_error *error);

/* A value of a result where NULL means none: NULL, or 0. */
const char *call_text(const db_result *result, int row, int column);
int64_t call_int(const db_result *result, int row, int column);

/* Append n texts, or n integers, as one array. */
void call_param_texts(db_params *params, const char *const *texts, size_t n);
void call_param_ints(db_params *params, const int64_t *values, size_t n);

#endif
