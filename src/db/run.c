/*
 * run.c - one statement in one transaction, tried again while that is safe
 */
#include <assert.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/backoff.h"
#include "db/txn.h"

/* The last try before a deadline still gets this much: less is sure to fail. */
#define SHORTEST_LIMIT_MS 100

/* Nothing was done, and the next try may fare better. */
static bool
worth_another_try(pawl_status status)
{
	return status == PAWL_ERR_TRANSIENT || status == PAWL_ERR_CONNECT ||
	       status == PAWL_ERR_CONNECTION;
}

static int
least(int limit_ms, int64_t most_ms)
{
	return limit_ms < most_ms ? limit_ms : (int) most_ms;
}

/*
 * No wait goes on past the deadline of the whole.  A wait for a lock ends a little before
 * the statement does: that it waited for one is worth more than that it took long.
 */
static db_limits
limits_until(const db_limits *limits, int64_t deadline_ms)
{
	int64_t left = deadline_ms == CLOCK_NEVER ? INT64_MAX : deadline_ms - clock_ms();
	db_limits capped = limits != NULL ? *limits : DB_LIMITS_DEFAULT;

	if (left < SHORTEST_LIMIT_MS)
		left = SHORTEST_LIMIT_MS;
	capped.lock_timeout_ms = least(capped.lock_timeout_ms, left / 10 * 9);
	capped.statement_timeout_ms = least(capped.statement_timeout_ms, left);
	return capped;
}

static pawl_status
try_once(db *conn, const db_limits *limits, int64_t deadline_ms, const char *sql,
         const db_params *params, db_result **ret_result, pawl_error *error)
{
	auto_result *result = NULL;
	pawl_status status = txn_begin(conn, limits, deadline_ms, error);

	if (status == PAWL_OK && limits->at_once)
		status = txn_exec_last(conn, sql, params, &result, error);
	else if (status == PAWL_OK)
	{
		status = txn_exec(conn, sql, params, &result, error);
		if (status == PAWL_OK)
			status = txn_commit(conn, deadline_ms, error);
	}
	if (status == PAWL_OK && ret_result != NULL)
	{
		*ret_result = result;
		result = NULL;
	}
	return status;
}

pawl_status
db_run_once(db *conn, const db_limits *limits, const char *sql, const db_params *params,
            db_result **ret_result, pawl_error *error)
{
	const db_limits *own = limits != NULL ? limits : &DB_LIMITS_DEFAULT;

	return try_once(conn, own, clock_ms() + own->statement_timeout_ms, sql, params,
	                ret_result, error);
}

pawl_status
db_run(db *conn, const db_limits *limits, int64_t deadline_ms, const char *sql,
       const db_params *params, db_result **ret_result, pawl_error *error)
{
	pawl_error best = {.status = PAWL_OK};

	assert(limits == NULL || !limits->at_once);
	for (int round = 0;; round++)
	{
		db_limits capped = limits_until(limits, deadline_ms);
		pawl_status status =
			try_once(conn, &capped, deadline_ms, sql, params, ret_result, error);

		if (status == PAWL_OK && round > 0)
			error_clear(error); /* of what earlier tries left in it */
		else if (status != PAWL_OK)
			blocker_prefer_seen(conn, &best, error);
		if (!worth_another_try(status) || clock_ms() >= deadline_ms)
			return status;
		backoff_wait(round, deadline_ms);
		if (clock_ms() >= deadline_ms)
			return status;
	}
}
