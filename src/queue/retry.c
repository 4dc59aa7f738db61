/*
 * retry.c - see retry.h; runs on the thread of its caller
 */
#include "queue/retry.h"

#include "base/error.h"
#include "queue/state.h"

pawl_status
retry_job(const queue_call *call, int64_t job, pawl_state *ret_was, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;
	const char *was;

	db_param_int(params, job);
	status = call_run(call, "SELECT pawl.retry($1::bigint)", params, &result, error);
	if (status != PAWL_OK)
		return status;
	was = db_rows(result) == 1 ? db_text(result, 0, 0) : "";
	if (!state_parse(was, ret_was))
		return error_set(error, PAWL_ERR_DATABASE, "unexpected state \"%.40s\"", was);
	return PAWL_OK;
}
