/*
 * state.c - see state.h; runs on the thread of its caller
 */
#include "queue/state.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"

static const char *const names[] = {
	[PAWL_STATE_READY] = "ready",         [PAWL_STATE_SCHEDULED] = "scheduled",
	[PAWL_STATE_WAITING] = "waiting",     [PAWL_STATE_RUNNING] = "running",
	[PAWL_STATE_SUCCEEDED] = "succeeded", [PAWL_STATE_FAILED] = "failed",
	[PAWL_STATE_CANCELLED] = "cancelled",
};
#define N_STATES (sizeof(names) / sizeof(names[0]))
static_assert(N_STATES == PAWL_STATE_CANCELLED + 1, "a state without a name");

const char *
pawl_state_name(pawl_state state)
{
	return (size_t) state < N_STATES ? names[state] : "unknown";
}

bool
state_parse(const char *text, pawl_state *ret_state)
{
	for (size_t i = 0; i < N_STATES; i++)
	{
		if (strcmp(text, names[i]) == 0)
		{
			*ret_state = (pawl_state) i;
			return true;
		}
	}
	return false;
}

pawl_status
state_of(const queue_call *call, int64_t job, pawl_state *ret_state, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	db_param_int(params, job);
	status = call_run(call, "SELECT state FROM pawl.jobs WHERE id = $1::bigint", params,
	                  &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) == 0)
		return error_set(error, PAWL_ERR_NOT_FOUND, "job %" PRId64 " does not exist",
		                 job);
	if (!state_parse(db_text(result, 0, 0), ret_state))
		return error_set(error, PAWL_ERR_DATABASE, "unexpected state \"%.40s\"",
		                 db_text(result, 0, 0));
	return PAWL_OK;
}
