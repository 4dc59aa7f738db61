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

const output_column JOB_LINE[JOB_LINE_COLUMNS] = {
	[JOB_LINE_ID] = {.name = "id", .type = OUTPUT_NUMBER, .wide = true},
	[JOB_LINE_AT] = {.name = "at"},
	[JOB_LINE_LEVEL] = {.name = "level"},
	[JOB_LINE_FENCE] = {.name = "fence", .type = OUTPUT_NUMBER, .wide = true},
	[JOB_LINE_SUPERSEDED] = {.name = "superseded", .type = OUTPUT_BOOL},
	[JOB_LINE_MESSAGE] = {.name = "message"},
	[JOB_LINE_CONTEXT] = {.name = "context", .type = OUTPUT_VALUE, .wide = true},
};

pawl_status
job_find_state(db *own_db, int64_t id, pawl_state *ret_state, pawl_error *error)
{
	queue_call call = session_first_call(own_db);
	pawl_status status;

	do
		status = state_of(&call, id, ret_state, error);
	while (session_again(&call, status));
	return status;
}

/* A time, or an id: 0 means none. */
static void
param_unless_zero(db_params *params, int64_t value)
{
	if (value == 0)
		db_param_null(params);
	else
		db_param_int(params, value);
}

pawl_status
job_read_logs(db *own_db, const char *query, const job_lines *wanted,
              db_result **ret_result, pawl_error *error)
{
	auto_params *params = db_params_new();

	if (params == NULL)
		return error_memory(error);
	db_param_int(params, wanted->job);
	db_param_text(params, wanted->level < 0 ? NULL : JOB_LEVELS[wanted->level]);
	db_param_int(params, wanted->n);
	param_unless_zero(params, wanted->since_us);
	param_unless_zero(params, wanted->until_us);
	param_unless_zero(params, wanted->id);
	return session_query(own_db, query, params, ret_result, error);
}
