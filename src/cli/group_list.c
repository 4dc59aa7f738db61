/*
 * group_list.c - `pawl group list` and `pawl group show`
 */
#include "base/error.h"
#include "cli/group.h"
#include "cli/headline.h"
#include "cli/member.h"
#include "cli/session.h"
#include "cli/talk.h"

/* In no order that a caller may rely on: the first one is any. */
static const char *const STATES[] = {"running", "blocked", "ready", "later", NULL};

typedef struct list_options
{
	int state; /* an index of STATES; -1: any */
	const char *tenant;
	int n;
	const char *after; /* NULL: from the first */
} list_options;

static const list_options LIST_DEFAULTS = {.state = -1, .n = 50};

static const option_spec LIST_OPTIONS[] = {
	{.name = "state",
     .type = OPTION_CHOICE,
     .offset = offsetof(list_options, state),
     .value = "STATE",
     .choices = STATES,
     .help = "only groups in this state: running, blocked, ready or later"},
	{.name = "tenant",
     .type = OPTION_TEXT,
     .offset = offsetof(list_options, tenant),
     .value = "TENANT",
     .help = "only groups of this tenant: what stands before the first slash of the "
             "key; '' for those without one"},
	{.name = "number",
     .letter = 'n',
     .type = OPTION_INT,
     .offset = offsetof(list_options, n),
     .value = "N",
     .min = 1,
     .max = 9999,
     .help = "at most so many (50)"},
	{.name = "after",
     .type = OPTION_TEXT,
     .offset = offsetof(list_options, after),
     .value = "GROUP",
     .help = "go on after this one, as the page before it said"},
	OPTIONS_END,
};

static pawl_status
query(db *own_db, const list_options *options, db_result **ret_groups,
      pawl_error *error)
{
	auto_params *params = db_params_new();

	if (params == NULL)
		return error_memory(error);
	db_param_text(params, options->state < 0 ? NULL : STATES[options->state]);
	db_param_text(params, options->tenant);
	db_param_text(params, options->after);
	db_param_int(params, options->n + 1); /* one more tells whether there are more */
	return session_query(own_db, "group_list", params, ret_groups, error);
}

static int
show(const command_call *call, const db_result *groups, int n)
{
	output_format format = (output_format) call->common.format;
	output *out = output_new(format, GROUP, GROUP_COLUMNS);
	const char *values[GROUP_COLUMNS];
	group_texts texts;

	if (out == NULL)
		return EXIT_OPERATION;
	for (int row = 0; row < n; row++)
	{
		group_row(format, groups, row, &texts, values);
		output_row(out, values);
	}
	return output_finish(out);
}

static int
run_list(const command_call *call)
{
	const list_options *options = call->options;
	auto_session *own_db = NULL;
	auto_result *groups = NULL;
	pawl_error error;
	int code;
	int n;

	if (session_open(call, &own_db, &error) != PAWL_OK ||
	    query(own_db, options, &groups, &error) != PAWL_OK ||
	    headline_show(call, own_db, &error) != PAWL_OK)
		return talk_error(&error);
	n = db_rows(groups) < options->n ? db_rows(groups) : options->n;
	code = show(call, groups, n);
	if (db_rows(groups) > n)
		talk_hint("There are more: --after '%s'", db_text(groups, n - 1, GROUP_KEY));
	return code;
}

const cli_command COMMAND_GROUP_LIST = {
	.name = "group list",
	.synopsis = "[OPTION]...",
	.summary = "list groups: who works on them, what waits in them",
	.description =
		"First how long the oldest job has waited that could run now, of the whole\n"
		"system (see queue list); then the groups that have jobs, by tenant and key,\n"
		"a page at a time: the worker that holds the group, since how long, the\n"
		"seconds left of its lease, how many jobs wait (counted up to 1,000), the\n"
		"age of the oldest of them, and the failed job that blocks the group.\n"
		"States:\n"
		"\n"
		"  running   a worker holds it\n"
		"  blocked   a job has failed for good: group release, or a retry of that job\n"
		"  ready     its head is due, and nobody has taken it yet\n"
		"  later     its head is not due: delayed, backing off or snoozed\n"
		"\n"
		"Nothing is counted but what waits in the groups that are shown.",
	.options = LIST_OPTIONS,
	.defaults = &LIST_DEFAULTS,
	.size = sizeof(list_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.run = run_list,
};

/* ------------------------------------------------------------ show --------------- */

static const option_spec SHOW_OPTIONS[] = {OPTIONS_END};

static int
run_show(const command_call *call)
{
	auto_session *own_db = NULL;
	auto_result *group = NULL;
	const char *values[GROUP_COLUMNS];
	group_texts texts;
	pawl_error error;

	if (session_open(call, &own_db, &error) != PAWL_OK ||
	    group_read(own_db, call->args[0], &group, &error) != PAWL_OK)
		return talk_error(&error);
	group_row((output_format) call->common.format, group, 0, &texts, values);
	return member_show(call, GROUP, GROUP_COLUMNS, values, "");
}

const cli_command COMMAND_GROUP_SHOW = {
	.name = "group show",
	.synopsis = "GROUP [-o FORMAT]",
	.summary = "show a group",
	.description =
		"Show a group as group list does, and its head: the job that is next, and\n"
		"when it is due.  Its jobs are shown by job list --group.  Exit code 3 when\n"
		"nothing waits in it and nobody works on it.",
	.options = SHOW_OPTIONS,
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_show,
};
