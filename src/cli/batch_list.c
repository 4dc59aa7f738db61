/*
 * batch_list.c - `pawl batch list`: batches, newest first
 */
#include <inttypes.h>

#include "base/error.h"
#include "cli/batch.h"
#include "cli/session.h"
#include "cli/talk.h"

/* In no order that a caller may rely on: the first one is any. */
static const char *const STATES[] = {"open",   "sealed",    "cancelling", "succeeded",
                                     "failed", "cancelled", NULL};

typedef struct list_options
{
	int state; /* an index of STATES; -1: any */
	int n;
	int64_t after; /* 0: from the newest */
} list_options;

static const list_options LIST_DEFAULTS = {.state = -1, .n = 50};

static const option_spec LIST_OPTIONS[] = {
	{.name = "state",
     .type = OPTION_CHOICE,
     .offset = offsetof(list_options, state),
     .value = "STATE",
     .choices = STATES,
     .help = "only batches in this state: open, sealed, cancelling, succeeded, failed "
             "or cancelled"},
	{.name = "number",
     .letter = 'n',
     .type = OPTION_INT,
     .offset = offsetof(list_options, n),
     .value = "N",
     .min = 1,
     .max = 9999,
     .help = "at most so many (50)"},
	{.name = "after",
     .type = OPTION_ID,
     .offset = offsetof(list_options, after),
     .value = "CURSOR",
     .help = "go on after this id, as the page before it said"},
	OPTIONS_END,
};

static pawl_status
query(db *own_db, const list_options *options, db_result **ret_result,
      pawl_error *error)
{
	auto_params *params = db_params_new();

	if (params == NULL)
		return error_memory(error);
	db_param_text(params, options->state < 0 ? NULL : STATES[options->state]);
	if (options->after == 0)
		db_param_null(params);
	else
		db_param_int(params, options->after);
	db_param_int(params, options->n + 1); /* one more tells whether there are more */
	return session_query(own_db, "batch_list", params, ret_result, error);
}

static int
run_list(const command_call *call)
{
	const list_options *options = call->options;
	auto_session *own_db = NULL;
	auto_result *result = NULL;
	const char *values[BATCH_COLUMNS];
	pawl_error error;
	output *out;
	int code;
	int row;

	if (session_open(call, &own_db, &error) != PAWL_OK ||
	    query(own_db, options, &result, &error) != PAWL_OK)
		return talk_error(&error);
	out = output_new((output_format) call->common.format, BATCH, BATCH_COLUMNS);
	if (out == NULL)
		return EXIT_OPERATION;
	for (row = 0; row < db_rows(result) && row < options->n; row++)
	{
		session_row(result, row, values, BATCH_COLUMNS);
		output_row(out, values);
	}
	code = output_finish(out);
	if (db_rows(result) > options->n)
		talk_hint("There are more: --after %" PRId64, db_int(result, row - 1, 0));
	return code;
}

const cli_command COMMAND_BATCH_LIST = {
	.name = "batch list",
	.synopsis = "[OPTION]...",
	.summary = "list batches, newest first",
	.description =
		"List batches with the counters of all of their stages, newest first, a page\n"
		"at a time; times are UTC.  JSON and CSV have more columns than the table.",
	.options = LIST_OPTIONS,
	.defaults = &LIST_DEFAULTS,
	.size = sizeof(list_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.run = run_list,
};
