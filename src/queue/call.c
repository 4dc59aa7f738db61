/*
 * call.c - see call.h; runs on the thread of its caller
 */
#include "queue/call.h"

#include "base/error.h"

pawl_status
call_run(const queue_call *call, const char *sql, const db_params *params,
         db_result **ret_result, pawl_error *error)
{
	if (params == NULL)
		return error_memory(error);
	if (call->txn != NULL)
		return db_exec(call->txn, sql, params, ret_result, error);
	if (call->deadline_ms == CALL_ONCE)
		return db_run_once(call->db, &call->limits, sql, params, ret_result, error);
	return db_run(call->db, &call->limits, call->deadline_ms, sql, params, ret_result,
	              error);
}

/* Run and insist on one row with one value. */
static pawl_status
run_value(const queue_call *call, const char *sql, const db_params *params,
          db_result **ret_result, pawl_error *error)
{
	auto_result *result = NULL;
	pawl_status status = call_run(call, sql, params, &result, error);

	if (status != PAWL_OK)
		return status;
	if (db_rows(result) != 1 || db_is_null(result, 0, 0))
		return error_set(error, PAWL_ERR_DATABASE, "unexpected answer to \"%s\"", sql);
	*ret_result = result;
	result = NULL;
	return PAWL_OK;
}

pawl_status
call_run_int(const queue_call *call, const char *sql, const db_params *params,
             int64_t *ret_value, pawl_error *error)
{
	auto_result *result = NULL;
	pawl_status status = run_value(call, sql, params, &result, error);

	if (status == PAWL_OK)
		*ret_value = db_int(result, 0, 0);
	return status;
}

pawl_status
call_run_bool(const queue_call *call, const char *sql, const db_params *params,
              bool *ret_value, pawl_error *error)
{
	auto_result *result = NULL;
	pawl_status status = run_value(call, sql, params, &result, error);

	if (status == PAWL_OK)
		*ret_value = db_bool(result, 0, 0);
	return status;
}

void
call_param_texts(db_params *params, const char *const *texts, size_t n)
{
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, texts[i]);
	db_param_array_end(params);
}

void
call_param_ints(db_params *params, const int64_t *values, size_t n)
{
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, values[i]);
	db_param_array_end(params);
}

const char *
call_text(const db_result *result, int row, int column)
{
	return db_is_null(result, row, column) ? NULL : db_text(result, row, column);
}

int64_t
call_int(const db_result *result, int row, int column)
{
	return db_is_null(result, row, column) ? 0 : db_int(result, row, column);
}
