/*
 * worker_list.c - `pawl worker list`: workers, and why one makes no progress
 */
#include "base/error.h"
#include "cli/age.h"
#include "cli/session.h"
#include "cli/talk.h"

typedef struct list_options
{
	int n;
} list_options;

static const list_options LIST_DEFAULTS = {.n = 1000};

static const option_spec LIST_OPTIONS[] = {
	{.name = "number",
     .letter = 'n',
     .type = OPTION_INT,
     .offset = offsetof(list_options, n),
     .value = "N",
     .min = 1,
     .max = 9999,
     .help = "at most so many (1000)"},
	OPTIONS_END,
};

/* As in sql/queries/worker_list.sql. */
enum
{
	WORKER_NAME,
	WORKER_STATE,
	WORKER_QUEUES,
	WORKER_LEASE_LEFT,
	WORKER_STALLED_FOR,
	WORKER_WHY,
	WORKER_ID,
	WORKER_STARTED_AT,
	WORKER_EXPIRES_AT,
	WORKER_KINDS,
	WORKER_STALLED,
	WORKER_STALLED_S,
	WORKER_STALLED_SINCE,
	WORKER_COLUMNS
};

static const output_column COLUMNS[WORKER_COLUMNS] = {
	[WORKER_NAME] = {.name = "worker"},
	[WORKER_STATE] = {.name = "state", .state = true},
	[WORKER_QUEUES] = {.name = "queues"},
	[WORKER_LEASE_LEFT] = {.name = "lease_left_s", .type = OUTPUT_NUMBER},
	[WORKER_STALLED_FOR] = {.name = "stalled_for"},
	[WORKER_WHY] = {.name = "why"},
	[WORKER_ID] = {.name = "id", .wide = true},
	[WORKER_STARTED_AT] = {.name = "started_at", .wide = true},
	[WORKER_EXPIRES_AT] = {.name = "expires_at", .wide = true},
	[WORKER_KINDS] = {.name = "kinds", .type = OUTPUT_VALUE, .wide = true},
	[WORKER_STALLED] = {.name = "stalled", .wide = true},
	[WORKER_STALLED_S] = {.name = "stalled_s", .type = OUTPUT_NUMBER, .wide = true},
	[WORKER_STALLED_SINCE] = {.name = "stalled_since", .wide = true},
};

static int
show(const command_call *call, const db_result *workers, int n)
{
	output *out =
		output_new((output_format) call->common.format, COLUMNS, WORKER_COLUMNS);
	const char *values[WORKER_COLUMNS];
	char age[AGE_SIZE];

	if (out == NULL)
		return EXIT_OPERATION;
	for (int row = 0; row < n; row++)
	{
		session_row(workers, row, values, WORKER_COLUMNS);
		values[WORKER_STALLED_FOR] = age_of(values[WORKER_STALLED_S], age);
		output_row(out, values);
	}
	return output_finish(out);
}

static int
run_list(const command_call *call)
{
	const list_options *options = call->options;
	auto_session *own_db = NULL;
	auto_params *params = db_params_new();
	auto_result *workers = NULL;
	pawl_error error;
	int code;
	int n;

	if (session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	db_param_int(params, options->n + 1); /* one more tells whether there are more */
	if (session_query(own_db, "worker_list", params, &workers, &error) != PAWL_OK)
		return talk_error(&error);
	n = db_rows(workers) < options->n ? db_rows(workers) : options->n;
	code = show(call, workers, n);
	if (db_rows(workers) > n)
		talk_hint("There are more: -n %d", options->n * 10);
	return code;
}

const cli_command COMMAND_WORKER_LIST = {
	.name = "worker list",
	.synopsis = "[OPTION]...",
	.summary = "list workers, and why one makes no progress",
	.description =
		"List workers by name: the queues that they take from, the seconds that are\n"
		"left of their leases, and their states:\n"
		"\n"
		"  alive     it works, or there is nothing to do\n"
		"  stalled   it beats, there is work, and for a lease it has neither begun\n"
		"            nor ended a job; why names the reason\n"
		"  lost      its lease is over, and nobody has taken over what it ran yet\n"
		"\n"
		"Reasons (the column stalled of JSON and CSV): executors (none is free),\n"
		"paused (its queues are), kinds (of the jobs that wait nobody handles),\n"
		"results (cannot be stored), claims (fail), locked (a job that is ready\n"
		"cannot be claimed), handler (one does not come back although its time is\n"
		"over), runners and groups (the same for jobs of groups).  The worker's own\n"
		"log says it, too.",
	.options = LIST_OPTIONS,
	.defaults = &LIST_DEFAULTS,
	.size = sizeof(list_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.run = run_list,
};
