/*
 * batch_wait.c - `pawl batch wait`: until the batches are done
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/input.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "cli/wait.h"

#define FIRST_PAUSE_MS 50
#define LONGEST_PAUSE_MS 1000

typedef struct wait_options
{
	int64_t timeout_ms;
} wait_options;

static const wait_options WAIT_DEFAULTS = {.timeout_ms = INT64_MAX};

static const option_spec WAIT_OPTIONS[] = {
	{.name = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(wait_options, timeout_ms),
     .value = "DURATION",
     .help = "wait at most so long (no limit)"},
	OPTIONS_END,
};

/* As in sql/queries/batch_states.sql, which has one more: whether it is done. */
static const output_column WAIT_COLUMNS[] = {
	{.name = "batch", .type = OUTPUT_NUMBER},
	{.name = "state", .state = true},
	{.name = "total", .type = OUTPUT_NUMBER},
	{.name = "succeeded", .type = OUTPUT_NUMBER},
	{.name = "failed", .type = OUTPUT_NUMBER},
	{.name = "cancelled", .type = OUTPUT_NUMBER},
};
#define N_WAIT_COLUMNS (sizeof(WAIT_COLUMNS) / sizeof(WAIT_COLUMNS[0]))
#define COLUMN_STATE 1
#define COLUMN_DONE ((int) N_WAIT_COLUMNS)

/* One look: how many are not done; ERR_NOT_FOUND names the first unknown one. */
static pawl_status
look(db *own_db, const int64_t *ids, size_t n, db_result **ret_result, int *ret_left,
     pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	if (params == NULL)
		return error_memory(error);
	call_param_ints(params, ids, n);
	status = session_query(own_db, "batch_states", params, &result, error);
	if (status != PAWL_OK)
		return status;
	*ret_left = 0;
	for (int row = 0; row < db_rows(result); row++)
	{
		if (db_is_null(result, row, COLUMN_STATE))
			return error_set(error, PAWL_ERR_NOT_FOUND, "batch %s does not exist",
			                 db_text(result, row, 0));
		*ret_left += !db_bool(result, row, COLUMN_DONE);
	}
	*ret_result = result;
	result = NULL;
	return PAWL_OK;
}

/* Show what is done: 0, 1 if one has not succeeded, or what the output says. */
static int
show(const command_call *call, const db_result *result)
{
	output *out =
		output_new((output_format) call->common.format, WAIT_COLUMNS, N_WAIT_COLUMNS);
	const char *values[N_WAIT_COLUMNS];
	bool all = true;
	int code;

	if (out == NULL)
		return EXIT_OPERATION;
	for (int row = 0; row < db_rows(result); row++)
	{
		if (!db_bool(result, row, COLUMN_DONE))
			continue;
		session_row(result, row, values, N_WAIT_COLUMNS);
		output_row(out, values);
		all = all && strcmp(values[COLUMN_STATE], "succeeded") == 0;
	}
	code = output_finish(out);
	return code != 0 ? code : all ? 0 : EXIT_OPERATION;
}

static int
wait_all(const command_call *call, db *own_db, const int64_t *ids, size_t n,
         int64_t deadline_ms)
{
	int64_t pause_ms = FIRST_PAUSE_MS;

	for (;;)
	{
		auto_result *result = NULL;
		pawl_error error;
		pawl_status status;
		int left = 0;

		if (look(own_db, ids, n, &result, &left, &error) != PAWL_OK)
			return talk_error(&error);
		if (left == 0)
			return show(call, result);
		status = session_pause(own_db, pause_ms, deadline_ms, &error);
		if (status == PAWL_ERR_TIMEOUT)
		{
			(void) show(call, result);
			(void) error_set(&error, status,
			                 "timed out: %d of %zu batches are not done", left, n);
		}
		if (status != PAWL_OK)
			return talk_error(&error);
		pause_ms = pause_ms * 3 / 2;
		if (pause_ms > LONGEST_PAUSE_MS)
			pause_ms = LONGEST_PAUSE_MS;
	}
}

static int
run_wait(const command_call *call)
{
	const wait_options *options = call->options;
	auto_free int64_t *ids = NULL;
	auto_session *own_db = NULL;
	pawl_error error;

	if (input_ids(call->n_args, call->args, &ids, &error) != PAWL_OK ||
	    session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	return wait_all(call, own_db, ids, (size_t) call->n_args,
	                wait_deadline(options->timeout_ms));
}

const cli_command COMMAND_BATCH_WAIT = {
	.name = "batch wait",
	.synopsis = "ID... [--timeout DURATION]",
	.summary = "wait until batches are done",
	.description =
		"Wait until every one of the batches is done, and show how.  Exit code 0 when\n"
		"all have succeeded, 1 when one has failed or was cancelled, 3 when one does\n"
		"not exist, 124 when the time is over before that.  A batch that nobody seals\n"
		"is never done.",
	.options = WAIT_OPTIONS,
	.defaults = &WAIT_DEFAULTS,
	.size = sizeof(wait_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = -1,
	.run = run_wait,
};
