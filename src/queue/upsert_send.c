/*
 * upsert_send.c - one transaction of an upsert, with its tries
 *
 * Tried again are a deadlock, a serialization failure and a connection lost before
 * COMMIT, with a growing pause, until timeout_ms have passed since the first try.  A
 * lock that was not had within lock_timeout_ms is not waited for again: so long did the
 * caller want to wait; a job fails then, and is tried again as a whole.
 */
#include "queue/upsert_send.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/backoff.h"
#include "queue/upsert_probe.h"

/* The last try before the end still gets this much: less is sure to fail. */
#define SHORTEST_TRY_MS 100

/* ------------------------------------------------------------ parameters --------- */

size_t
upsert_row_place(const upsert_rows *rows, size_t i)
{
	assert(i < rows->count);
	return rows->order != NULL ? rows->order[rows->first + i] : rows->first + i;
}

db_params *
upsert_params(const upsert *u, const upsert_rows *rows)
{
	db_params *params = db_params_new();

	for (size_t column = 0; column < u->target.count; column++)
	{
		db_param_array_begin(params);
		for (size_t i = 0; i < rows->count; i++)
		{
			size_t row = upsert_row_place(rows, i);

			db_param_array_text(params, rows->cells[row * u->target.count + column]);
		}
		db_param_array_end(params);
	}
	return params;
}

/* ------------------------------------------------------------ tries -------------- */

static bool
has_sqlstate(const pawl_error *error, const char *sqlstate)
{
	return strcmp(error->sqlstate, sqlstate) == 0;
}

static bool
worth_another_try(const pawl_error *error)
{
	if (error->status == PAWL_ERR_CONNECT || error->status == PAWL_ERR_CONNECTION)
		return true;
	return error->status == PAWL_ERR_TRANSIENT && !has_sqlstate(error, "55P03") &&
	       !has_sqlstate(error, "57014");
}

static db_limits
limits_until(const upsert *u, int64_t deadline_ms)
{
	db_limits limits = DB_LIMITS_DEFAULT;
	int64_t left = deadline_ms - clock_ms();

	if (left < SHORTEST_TRY_MS)
		left = SHORTEST_TRY_MS;
	limits.lock_timeout_ms = u->lock_timeout_ms;
	limits.statement_timeout_ms = left < u->timeout_ms ? (int) left : u->timeout_ms;
	limits.session_path = true;
	return limits;
}

/* error is never NULL here. */
static pawl_status
try_until_deadline(upsert *u, const db_params *params, db_result **ret_result,
                   pawl_error *error)
{
	int64_t deadline_ms = clock_ms() + u->timeout_ms;

	for (int round = 0;; round++)
	{
		db_limits limits = limits_until(u, deadline_ms);
		pawl_status status =
			db_run_once(u->db, &limits, u->insert, params, ret_result, error);

		if (status == PAWL_OK || !worth_another_try(error))
			return status;
		backoff_wait(round, deadline_ms);
		if (clock_ms() >= deadline_ms)
			return status;
	}
}

/* ------------------------------------------------------------ failures ----------- */

bool
upsert_is_rows_fault(const pawl_error *error)
{
	static const char *const classes[] = {"22", "23", "44", "54", "P0"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (strncmp(error->sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

/* Keep SQLSTATE and detail, which error_set clears. */
static pawl_status
say_instead(pawl_error *error, pawl_status status, const char *message)
{
	pawl_error said = *error;

	(void) error_set(error, status, "%s", message);
	error_sqlstate(error, said.sqlstate);
	error_detail(error, "%s", said.detail);
	return status;
}

static pawl_status
refuse_keys(const upsert *u, pawl_error *error)
{
	char names[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < u->target.keys && used < sizeof(names) - 1; i++)
	{
		const char *name = u->target.columns[i].name;
		size_t length = strlen(name) + (i > 0 ? 2 : 0);

		if (used + length >= sizeof(names))
			break;
		used += (size_t) snprintf(names + used, sizeof(names) - used, "%s%s",
		                          i > 0 ? ", " : "", name);
	}
	(void) error_set(error, PAWL_ERR_ARGUMENT,
	                 "%s has no unique index or primary key on exactly (%s)",
	                 u->target.relation, names);
	error_sqlstate(error, "42P10");
	error_hint(error, "Create one, without a condition or an expression, or name the "
	                  "columns of the one that it has.");
	return PAWL_ERR_ARGUMENT;
}

static pawl_status
explain(upsert *u, const upsert_rows *rows, size_t *ret_row, pawl_error *error)
{
	char message[160];

	if (has_sqlstate(error, "42P10"))
		return refuse_keys(u, error);
	if (has_sqlstate(error, "42501"))
		error_hint(error, "An upsert needs INSERT on the columns, SELECT on the key "
		                  "columns, and SELECT and UPDATE on those that it updates.");
	else if (has_sqlstate(error, "55P03"))
		upsert_probe_lock(u, rows, error);
	else if (has_sqlstate(error, "57014") && error->status == PAWL_ERR_TRANSIENT)
	{
		(void) snprintf(message, sizeof(message),
		                "a transaction of %zu rows did not end within %d ms",
		                rows->count, u->timeout_ms);
		return say_instead(error, PAWL_ERR_TIMEOUT, message);
	}
	else if (upsert_is_rows_fault(error))
		upsert_probe_row(u, rows, ret_row, error);
	return error->status;
}

pawl_status
upsert_send(upsert *u, const char *const *cells, size_t n, int64_t *ret_created,
            size_t *ret_row, pawl_error *error)
{
	upsert_rows rows = {.cells = cells, .count = n};
	auto_params *params = upsert_params(u, &rows);
	auto_result *result = NULL;
	pawl_error own = {.status = PAWL_OK};
	pawl_status status;

	assert(n > 0);
	*ret_row = UPSERT_NO_ROW;
	status = try_until_deadline(u, params, &result, &own);
	if (status == PAWL_OK)
	{
		*ret_created = db_int(result, 0, 0);
		error_clear(&own); /* of what earlier tries left in it */
	}
	else
		status = explain(u, &rows, ret_row, &own);
	if (error != NULL)
		*error = own;
	return status;
}
