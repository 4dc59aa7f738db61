/*
 * job_list.c - `pawl job list`: jobs, newest first
 */
#include <inttypes.h>

#include "base/error.h"
#include "cli/job.h"
#include "cli/session.h"
#include "cli/talk.h"

typedef struct list_options
{
	int state; /* -1: any */
	const char *queue;
	const char *kind;
	int64_t since_us; /* 0: all */
	int n;
	int64_t after; /* 0: from the newest */
} list_options;

static const list_options LIST_DEFAULTS = {.state = -1, .n = 50};

static const option_spec LIST_OPTIONS[] = {
	{.name = "state",
     .type = OPTION_CHOICE,
     .offset = offsetof(list_options, state),
     .value = "STATE",
     .choices = JOB_STATES,
     .help = "only jobs in this state: ready, scheduled, waiting, running, succeeded, "
             "failed or cancelled"},
	{.name = "queue",
     .letter = 'q',
     .type = OPTION_TEXT,
     .offset = offsetof(list_options, queue),
     .value = "QUEUE",
     .help = "only jobs of this queue"},
	{.name = "kind",
     .type = OPTION_TEXT,
     .offset = offsetof(list_options, kind),
     .value = "KIND",
     .help = "only jobs of this kind"},
	{.name = "since",
     .type = OPTION_TIME,
     .offset = offsetof(list_options, since_us),
     .value = "TIME",
     .help = "only jobs that were pushed since then"},
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

/* As in sql/queries/job_list.sql. */
static const output_column LIST_COLUMNS[] = {
	{.name = "id", .type = OUTPUT_NUMBER},
	{.name = "state", .state = true},
	{.name = "kind"},
	{.name = "queue"},
	{.name = "priority", .type = OUTPUT_NUMBER},
	{.name = "attempt", .type = OUTPUT_NUMBER},
	{.name = "failures", .type = OUTPUT_NUMBER, .wide = true},
	{.name = "crashes", .type = OUTPUT_NUMBER, .wide = true},
	{.name = "max_attempts", .type = OUTPUT_NUMBER, .wide = true},
	{.name = "pushed_at"},
	{.name = "run_at", .wide = true},
	{.name = "started_at", .wide = true},
	{.name = "finished_at"},
	{.name = "worker", .wide = true},
	{.name = "fence", .type = OUTPUT_NUMBER, .wide = true},
	{.name = "args", .type = OUTPUT_VALUE, .wide = true},
	{.name = "meta", .type = OUTPUT_VALUE, .wide = true},
	{.name = "result", .type = OUTPUT_VALUE, .wide = true},
	{.name = "error"},
};
#define N_LIST_COLUMNS (sizeof(LIST_COLUMNS) / sizeof(LIST_COLUMNS[0]))

static pawl_status
query(db *own_db, const list_options *options, db_result **ret_result,
      pawl_error *error)
{
	auto_params *params = db_params_new();

	if (params == NULL)
		return error_memory(error);
	db_param_text(params, options->state < 0 ? NULL : JOB_STATES[options->state]);
	db_param_text(params, options->queue);
	db_param_text(params, options->kind);
	if (options->after == 0)
		db_param_null(params);
	else
		db_param_int(params, options->after);
	db_param_int(params, options->n + 1); /* one more tells whether there are more */
	if (options->since_us == 0)
		db_param_null(params);
	else
		db_param_int(params, options->since_us);
	return session_query(own_db, "job_list", params, ret_result, error);
}

static int
run_list(const command_call *call)
{
	const list_options *options = call->options;
	auto_session *own_db = NULL;
	auto_result *result = NULL;
	pawl_error error;
	const char *values[N_LIST_COLUMNS];
	output *out;
	int code;
	int row;

	if (session_open(call, &own_db, &error) != PAWL_OK ||
	    query(own_db, options, &result, &error) != PAWL_OK)
		return talk_error(&error);
	out = output_new((output_format) call->common.format, LIST_COLUMNS, N_LIST_COLUMNS);
	if (out == NULL)
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	for (row = 0; row < db_rows(result) && row < options->n; row++)
	{
		session_row(result, row, values, N_LIST_COLUMNS);
		output_row(out, values);
	}
	code = output_finish(out);
	if (db_rows(result) > options->n)
		talk_hint("There are more: --after %" PRId64, db_int(result, row - 1, 0));
	return code;
}

const cli_command COMMAND_JOB_LIST = {
	.name = "job list",
	.synopsis = "[OPTION]...",
	.summary = "list jobs, newest first",
	.description = "List jobs, newest first, a page at a time; times are UTC.  Never "
				   "counts, so it\n"
				   "costs the same beside ten jobs and ten million.  JSON and CSV have "
				   "more columns\n"
				   "than the table: arguments, result, worker.",
	.options = LIST_OPTIONS,
	.defaults = &LIST_DEFAULTS,
	.size = sizeof(list_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.run = run_list,
};
