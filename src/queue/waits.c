/*
 * waits.c - see waits.h; called by the steward's watch and by `pawl locks`
 */
#include "queue/waits.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "db/embedded.h"

/* A look at a user's table gives way to everybody. */
static const db_limits key_limits = {
	.lock_timeout_ms = 200, .statement_timeout_ms = 1000, .idle_timeout_ms = 1000};

static pawl_status
run_query(const queue_call *call, const char *name, const db_params *params,
          db_result **ret_rows, pawl_error *error)
{
	const embedded_file *file = embedded_find(&EMBEDDED_QUERIES, name);

	assert(file != NULL);
	return call_run(call, file->text, params, ret_rows, error);
}

pawl_status
waits_look(const queue_call *call, bool silent_only, int64_t n, db_result **ret_rows,
           pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_bool(params, silent_only);
	db_param_int(params, n);
	for (int i = 0; i < 4; i++)
		db_param_null(params);
	return run_query(call, "waits", params, ret_rows, error);
}

/* ------------------------------------------------------------ the key ------------ */

/* The statement that reads it, made by the server: the names are quoted there. */
static pawl_status
find_key_statement(const queue_call *call, int64_t relation, db_result **ret_rows,
                   pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_int(params, relation);
	return run_query(call, "row_key", params, ret_rows, error);
}

void
waits_key(const queue_call *call, const db_result *rows, int row,
          char ret_key[WAITS_KEY_SIZE])
{
	queue_call brief = {.db = call->db, .limits = key_limits, .deadline_ms = CALL_ONCE};
	auto_params *params = db_params_new();
	auto_result *statement = NULL;
	auto_result *key = NULL;
	pawl_error error; /* that it is not known says the empty answer */

	ret_key[0] = '\0';
	if (db_is_null(rows, row, WAITS_RELATION_ID) || db_is_null(rows, row, WAITS_TUPLE))
		return;
	if (find_key_statement(&brief, db_int(rows, row, WAITS_RELATION_ID), &statement,
	                       &error) != PAWL_OK ||
	    db_rows(statement) != 1)
		return;
	db_param_text(params, db_text(rows, row, WAITS_TUPLE));
	if (call_run(&brief, db_text(statement, 0, 0), params, &key, &error) != PAWL_OK ||
	    db_rows(key) != 1)
		return;
	(void) snprintf(ret_key, WAITS_KEY_SIZE, "%s", db_text(key, 0, 0));
	ret_key[text_valid_utf8(ret_key, strlen(ret_key))] = '\0'; /* cut at a character */
}

/* ------------------------------------------------------------ the watch ---------- */

/* What tells this silent wait from every other: waiter, since, holder, since. */
static void
param_identity(db_params *params, const db_result *rows, int row)
{
	db_param_int(params, db_int(rows, row, WAITS_WAITER));
	db_param_int(params, db_int(rows, row, WAITS_WAITER_US));
	db_param_int(params, db_int(rows, row, WAITS_HOLDER));
	db_param_int(params, db_int(rows, row, WAITS_HOLDER_US));
}

/* A column of a row, which may be NULL. */
static void
param_column(db_params *params, const db_result *rows, int row, waits_column column)
{
	db_param_text(params, db_is_null(rows, row, (int) column)
	                          ? NULL
	                          : db_text(rows, row, (int) column));
}

pawl_status
waits_cancel(const queue_call *call, const db_result *rows, int row,
             bool *ret_cancelled, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *again = NULL;
	bool cancelled = false;
	pawl_status status;

	db_param_bool(params, true);
	db_param_null(params); /* LIMIT NULL: all */
	param_identity(params, rows, row);
	status = run_query(call, "waits", params, &again, error);
	if (status != PAWL_OK)
		return status;
	for (int i = 0; i < db_rows(again); i++)
		cancelled = cancelled || db_bool(again, i, WAITS_CANCELLED);
	*ret_cancelled = cancelled;
	return PAWL_OK;
}

#define IDENTITY                                                                       \
	"$1::int, to_timestamp(0) + $2::bigint * interval '1 microsecond',"                \
	" $3::int, to_timestamp(0) + $4::bigint * interval '1 microsecond'"

pawl_status
waits_found(const queue_call *call, const db_result *rows, int row, const char *key,
            bool *ret_created, int64_t *ret_lasted_ms, pawl_error *error)
{
	static const char sql[] =
		"SELECT created, (extract(epoch FROM lasted) * 1000)::bigint"
		" FROM pawl.silent_wait_found(" IDENTITY ", process => $5::text,"
		" waiter_job => $6::bigint, holder_job => $7::bigint, relation => $8::text,"
		" key => $9::text, statement => $10::text)";
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	param_identity(params, rows, row);
	param_column(params, rows, row, WAITS_PROCESS);
	param_column(params, rows, row, WAITS_JOB);
	param_column(params, rows, row, WAITS_HOLDER_JOB);
	param_column(params, rows, row, WAITS_RELATION);
	db_param_text(params, key[0] != '\0' ? key : NULL);
	param_column(params, rows, row, WAITS_STATEMENT);
	status = call_run(call, sql, params, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) != 1)
		return error_set(error, PAWL_ERR_DATABASE,
		                 "unexpected answer of silent_wait_found");
	*ret_created = db_bool(result, 0, 0);
	*ret_lasted_ms = db_int(result, 0, 1);
	return PAWL_OK;
}

pawl_status
waits_ended(const queue_call *call, const db_result *rows, int row, const char *answer,
            bool *ret_created, pawl_error *error)
{
	auto_params *params = db_params_new();

	param_identity(params, rows, row);
	db_param_text(params, answer);
	return call_run_bool(call, "SELECT pawl.silent_wait_ended(" IDENTITY ", $5::text)",
	                     params, ret_created, error);
}
