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

typedef struct waited_batches
{
	const int64_t *ids;
	size_t n;
	db_result *states; /* as of the last look */
} waited_batches;

/* How many are not done; ERR_NOT_FOUND names the first unknown one. */
static pawl_status
look(db *own_db, void *closure, size_t *ret_left, pawl_error *error)
{
	waited_batches *all = closure;
	auto_params *params = db_params_new();
	pawl_status status;

	if (params == NULL)
		return error_memory(error);
	call_param_ints(params, all->ids, all->n);
	db_result_free(all->states);
	all->states = NULL;
	status = session_query(own_db, "batch_states", params, &all->states, error);
	for (int row = 0; status == PAWL_OK && row < db_rows(all->states); row++)
	{
		if (db_is_null(all->states, row, COLUMN_STATE))
			return error_set(error, PAWL_ERR_NOT_FOUND, "batch %s does not exist",
			                 db_text(all->states, row, 0));
		*ret_left += !db_bool(all->states, row, COLUMN_DONE);
	}
	return status;
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
run_wait(const command_call *call)
{
	const wait_options *options = call->options;
	waited_batches all = {.n = (size_t) call->n_args};
	auto_free int64_t *ids = NULL;
	auto_session *own_db = NULL;
	size_t left = 0;
	pawl_error error;
	pawl_status status = input_ids(call->n_args, call->args, &ids, &error);
	int code = 0;

	all.ids = ids;
	if (status == PAWL_OK)
		status = session_open(call, &own_db, &error);
	if (status == PAWL_OK)
		status = wait_until(own_db, look, &all, wait_deadline(options->timeout_ms),
		                    &left, &error);
	if (status == PAWL_ERR_TIMEOUT)
		(void) error_set(&error, status, "timed out: %zu of %zu batches are not done",
		                 left, all.n);
	if (status == PAWL_OK || status == PAWL_ERR_TIMEOUT)
		code = show(call, all.states);
	db_result_free(all.states);
	return status == PAWL_OK ? code : talk_error(&error);
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
