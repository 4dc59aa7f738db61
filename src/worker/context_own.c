/*
 * context_own.c - the group's own connection, as a handler gets it; see context.h
 *
 * Runs on the runner's thread, which owns the connection and calls the handler.
 */
#include <assert.h>
#include <limits.h>

#include "base/clock.h"
#include "worker/context.h"

/* A handler that ends in time has so long to have its result stored. */
#define SETTLE_MS 10000

/* The last statement before a deadline still gets this much. */
#define SHORTEST_MS 100

/* What is left of the attempt, in whole milliseconds of an int. */
static int
time_left(const pawl_context *context)
{
	int64_t left = context->deadline_ms == CLOCK_NEVER
	                   ? INT_MAX
	                   : context->deadline_ms - clock_ms();

	if (left > INT_MAX - SETTLE_MS)
		left = INT_MAX - SETTLE_MS;
	return left < SHORTEST_MS ? SHORTEST_MS : (int) left;
}

/* A user's own tables are found by the session's search_path. */
static db_limits
own_limits(const pawl_context *context)
{
	return (db_limits){
		.lock_timeout_ms = DB_LIMITS_DEFAULT.lock_timeout_ms,
		.statement_timeout_ms = time_left(context),
		.idle_timeout_ms = time_left(context) + SETTLE_MS,
		.session_path = true,
		.same_session = true,
	};
}

struct pg_conn *
pawl_context_connection(pawl_context *context)
{
	context_own *own = context->own;
	db_limits limits = own_limits(context);
	pawl_error error;
	pawl_status status;

	if (own == NULL || own->refused || own->pg != NULL)
		return own != NULL ? own->pg : NULL;
	status = db_begin(own->db, &limits, &own->txn, &error);
	if (status == PAWL_OK)
		status = db_lend(&own->txn, &own->pg, &error);
	if (status != PAWL_OK)
	{
		own->refused = true;
		worker_notice(context->worker, PAWL_WARN,
		              "group: no transaction for a handler: %s", error.message);
	}
	return own->pg;
}

void
context_abandon(pawl_context *context)
{
	context_own *own = context->own;

	assert(own != NULL);
	db_rollback(&own->txn);
	own->pg = NULL;
	own->refused = false;
}
