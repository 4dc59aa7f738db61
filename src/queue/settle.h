/*
 * settle.h - record the results of attempts, many in one statement
 *
 * Each row presents its job and fence and gets an answer of its own.  A row that the
 * server cannot take (JSON that does not parse) fails the whole call, with nothing
 * done: the caller divides the batch.  Calling again after ERR_UNKNOWN is safe: what
 * was stored the first time answers stale.
 */
#ifndef PAWL_QUEUE_SETTLE_H
#define PAWL_QUEUE_SETTLE_H

#include "queue/call.h"

typedef enum settle_answer
{
	SETTLE_WON,
	SETTLE_BUSY,   /* fenced by an open transaction: try later */
	SETTLE_STALE,  /* the claim has ended; nothing was changed */
	SETTLE_REFUSED /* see settle_complete_strict */
} settle_answer;

typedef struct settle_row
{
	int64_t job;
	int64_t fence;

	const char *result; /* complete: JSON text or NULL */
	const char *counts; /* complete: a JSON object of numbers or NULL */

	const char *error;    /* fail: text */
	const char *category; /* fail: "error" or "timeout" */
	bool retry;           /* fail: while tries are left */
	int64_t delay_ms;     /* fail: instead of the backoff, -1: none; snooze: how long */

	settle_answer answer; /* out */
} settle_row;

/* n at most LIMIT_SETTLE. */
typedef pawl_status (*settle_verb)(const queue_call *call, settle_row *rows, size_t n,
                                   pawl_error *error);

PAWL_CHECK pawl_status settle_complete_many(const queue_call *call, settle_row *rows,
                                            size_t n, pawl_error *error);

/*
 * For a transaction that is committed only when every row is won: a result that is too
 * large for the server, which the others store as a failure of its attempt, is
 * SETTLE_REFUSED.  After any other answer than SETTLE_WON the caller rolls back.
 */
PAWL_CHECK pawl_status settle_complete_strict(const queue_call *call, settle_row *rows,
                                              size_t n, pawl_error *error);
/* For others that complete: jobs, fences, results and counts as four parameters; and an
 * answer by its name. */
void settle_param_completed(db_params *params, const settle_row *rows, size_t n);
PAWL_CHECK pawl_status settle_read_answer(const char *text, settle_answer *ret_answer,
                                          pawl_error *error);

PAWL_CHECK pawl_status settle_fail_many(const queue_call *call, settle_row *rows,
                                        size_t n, pawl_error *error);
PAWL_CHECK pawl_status settle_snooze_many(const queue_call *call, settle_row *rows,
                                          size_t n, pawl_error *error);
PAWL_CHECK pawl_status settle_release_many(const queue_call *call, settle_row *rows,
                                           size_t n, pawl_error *error);

#endif
