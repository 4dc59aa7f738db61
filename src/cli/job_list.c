/*
 * job_list.c - `pawl job list`: jobs, newest first
 */
#include "base/error.h"
#include "cli/job.h"
#include "cli/page.h"
#include "cli/session.h"
#include "cli/talk.h"

typedef struct list_options
{
	int state; /* -1: any */
	const char *queue;
	const char *kind;
	const char *group;
	int64_t since_us; /* 0: all */
	page_options page;
} list_options;

static const list_options LIST_DEFAULTS = {.state = -1, .page.n = PAGE_ROWS};

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
	{.name = "group",
     .type = OPTION_TEXT,
     .offset = offsetof(list_options, group),
     .value = "KEY",
     .help = "only the live jobs of this group: waiting and running"},
	{.name = "since",
     .type = OPTION_TIME,
     .offset = offsetof(list_options, since_us),
     .value = "TIME",
     .help = "only jobs that were pushed since then"},
	PAGE_OPTIONS(list_options),
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
	{.name = "group_key", .wide = true},
	{.name = "run_key", .type = OUTPUT_NUMBER, .wide = true},
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
	page_params(params, &options->page);
	if (options->since_us == 0)
		db_param_null(params);
	else
		db_param_int(params, options->since_us);
	db_param_text(params, options->group);
	return session_query(own_db, "job_list", params, ret_result, error);
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
	return page_show(call, &options->page, result, LIST_COLUMNS, N_LIST_COLUMNS);
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
