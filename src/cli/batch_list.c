/*
 * batch_list.c - `pawl batch list`: batches, newest first
 */
#include "base/error.h"
#include "cli/batch.h"
#include "cli/page.h"
#include "cli/session.h"
#include "cli/talk.h"

/* In no order that a caller may rely on: the first one is any. */
static const char *const STATES[] = {"open",   "sealed",    "cancelling", "succeeded",
                                     "failed", "cancelled", NULL};

typedef struct list_options
{
	int state; /* an index of STATES; -1: any */
	page_options page;
} list_options;

static const list_options LIST_DEFAULTS = {.state = -1, .page.n = PAGE_ROWS};

static const option_spec LIST_OPTIONS[] = {
	{.name = "state",
     .type = OPTION_CHOICE,
     .offset = offsetof(list_options, state),
     .value = "STATE",
     .choices = STATES,
     .help = "only batches in this state: open, sealed, cancelling, succeeded, failed "
             "or cancelled"},
	PAGE_OPTIONS(list_options),
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
	page_params(params, &options->page);
	return session_query(own_db, "batch_list", params, ret_result, error);
}

static int
run_list(const command_call *call)
{
	const list_options *options = call->options;
	auto_session *own_db = NULL;
	auto_result *result = NULL;
	pawl_error error;

	if (session_open(call, &own_db, &error) != PAWL_OK ||
	    query(own_db, options, &result, &error) != PAWL_OK)
		return talk_error(&error);
	return page_show(call, &options->page, result, BATCH, BATCH_COLUMNS);
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
