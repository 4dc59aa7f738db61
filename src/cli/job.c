/*
 * job.c - see job.h
 */
#include "cli/job.h"

#include <assert.h>
#include <stddef.h>

#include "base/error.h"
#include "cli/session.h"
#include "queue/state.h"

const char *const JOB_STATES[] = {
	[PAWL_STATE_READY] = "ready",         [PAWL_STATE_SCHEDULED] = "scheduled",
	[PAWL_STATE_WAITING] = "waiting",     [PAWL_STATE_RUNNING] = "running",
	[PAWL_STATE_SUCCEEDED] = "succeeded", [PAWL_STATE_FAILED] = "failed",
	[PAWL_STATE_CANCELLED] = "cancelled", NULL,
};
static_assert(sizeof(JOB_STATES) / sizeof(JOB_STATES[0]) == PAWL_STATE_CANCELLED + 2,
              "a name for each state, and the end");

const char *const JOB_LEVELS[] = {
	[PAWL_DEBUG] = "debug", [PAWL_INFO] = "info",    [PAWL_WARN] = "warn",
	[PAWL_ERROR] = "error", [PAWL_ERROR + 1] = NULL,
};

pawl_status
job_find_state(db *own_db, int64_t id, pawl_state *ret_state, pawl_error *error)
{
	queue_call call = session_call(own_db);

	return state_of(&call, id, ret_state, error);
}

pawl_status
job_read_logs(db *own_db, int64_t id, int level, int n, db_result **ret_result,
              pawl_error *error)
{
	auto_params *params = db_params_new();

	if (params == NULL)
		return error_memory(error);
	db_param_int(params, id);
	db_param_text(params, level < 0 ? NULL : JOB_LEVELS[level]);
	db_param_int(params, n);
	return session_query(own_db, "job_logs", params, ret_result, error);
}
