/*
 * cancel.c - see cancel.h; runs on the thread of its caller
 */
#include "queue/cancel.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "queue/state.h"

pawl_status
cancel_job(const queue_call *call, int64_t job, const char *reason, pawl_state *ret_was,
           pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;
	const char *was;

	if (reason != NULL && text_valid_utf8(reason, strlen(reason)) != strlen(reason))
		return error_set(error, PAWL_ERR_ARGUMENT, "reason is not UTF-8");
	db_param_int(params, job);
	db_param_text(params, reason);
	status = call_run(call, "SELECT pawl.cancel($1::bigint, $2::text)", params, &result,
	                  error);
	if (status != PAWL_OK)
		return status;
	was = db_rows(result) == 1 ? db_text(result, 0, 0) : "";
	if (strcmp(was, "busy") == 0)
	{
		status = error_set(error, PAWL_ERR_BUSY,
		                   "job %" PRId64 " is fenced by an open transaction", job);
		error_hint(error, "Cancel it again when that transaction has ended.");
		return status;
	}
	if (!state_parse(was, ret_was))
		return error_set(error, PAWL_ERR_DATABASE, "unexpected state \"%.40s\"", was);
	return PAWL_OK;
}
