/*
 * group_verb.c - `pawl group release` and `pawl group fail`
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/group.h"
#include "cli/session.h"
#include "cli/talk.h"

/* Jobs of one call of group_fail, as in its file. */
#define FAIL_CHUNK 1000

/* One row: the group, and what became of it. */
static int
show_answer(const command_call *call, const output_column *columns, const char *answer)
{
	const char *values[] = {call->args[0], answer};
	output *out = output_new((output_format) call->common.format, columns, 2);

	if (out == NULL)
		return EXIT_OPERATION;
	output_row(out, values);
	return output_finish(out);
}

/* ------------------------------------------------------------ release ------------ */

static const output_column RELEASE_COLUMNS[] = {
	{.name = "group"},
	{.name = "answer"},
};

static const option_spec RELEASE_OPTIONS[] = {OPTIONS_END};

static int
run_release(const command_call *call)
{
	auto_session *own_db = NULL;
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	auto_result *group = NULL;
	queue_call at;
	pawl_error error;
	int code;

	if (session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	at = session_call(own_db);
	db_param_text(params, call->args[0]);
	if (call_run(&at, "SELECT pawl.group_release($1::text)", params, &result, &error) !=
	    PAWL_OK)
		return talk_error(&error);
	if (strcmp(db_text(result, 0, 0), "nothing to release") != 0)
		return show_answer(call, RELEASE_COLUMNS, db_text(result, 0, 0));
	if (group_read(own_db, call->args[0], &group, &error) != PAWL_OK)
		return talk_error(&error);
	code = show_answer(call, RELEASE_COLUMNS, db_text(result, 0, 0));
	return code != 0 ? code : EXIT_CONFLICT;
}

const cli_command COMMAND_GROUP_RELEASE = {
	.name = "group release",
	.synopsis = "GROUP [-o FORMAT]",
	.summary = "let a blocked group go on, or take it from its owner",
	.description =
		"Let a group go on.  If a job that failed for good blocks it, the job is\n"
		"left behind and the next one runs (answer: unblocked); to run that job\n"
		"again instead, use job retry.  If none does and a worker holds the group,\n"
		"its lease ends at once (lease ended): what it is running counts as a crash,\n"
		"its result is refused, and another worker takes the group.  Exit code 5\n"
		"when there is nothing to release, 3 when nothing waits in the group either.",
	.options = RELEASE_OPTIONS,
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_release,
};

/* ------------------------------------------------------------ fail --------------- */

static const output_column FAIL_COLUMNS[] = {
	{.name = "group"},
	{.name = "failed", .type = OUTPUT_NUMBER},
};

typedef struct fail_options
{
	const char *reason;
} fail_options;

static const fail_options FAIL_DEFAULTS = {.reason = NULL};

static const option_spec FAIL_OPTIONS[] = {
	{.name = "reason",
     .type = OPTION_TEXT,
     .offset = offsetof(fail_options, reason),
     .value = "TEXT",
     .help = "kept as the error of the jobs that are ended"},
	OPTIONS_END,
};

/* Chunk after chunk, each a transaction of its own. */
static pawl_status
fail_all(db *own_db, const char *key, const char *reason, int64_t *ret_n,
         pawl_error *error)
{
	auto_params *params = db_params_new();
	int64_t n = FAIL_CHUNK;

	db_param_text(params, key);
	db_param_text(params, reason);
	for (*ret_n = 0; n >= FAIL_CHUNK; *ret_n += n)
	{
		queue_call at = session_call(own_db);
		pawl_status status = call_run_int(
			&at, "SELECT pawl.group_fail($1::text, $2::text)", params, &n, error);

		if (status != PAWL_OK)
			return status;
	}
	return PAWL_OK;
}

static int
run_fail(const command_call *call)
{
	const fail_options *options = call->options;
	auto_session *own_db = NULL;
	auto_result *group = NULL;
	char number[24];
	int64_t n = 0;
	pawl_error error;
	int code;

	if (session_open(call, &own_db, &error) != PAWL_OK ||
	    fail_all(own_db, call->args[0], options->reason, &n, &error) != PAWL_OK ||
	    (n == 0 && group_read(own_db, call->args[0], &group, &error) != PAWL_OK))
		return talk_error(&error);
	(void) snprintf(number, sizeof(number), "%" PRId64, n);
	code = show_answer(call, FAIL_COLUMNS, number);
	return code == 0 && n == 0 ? EXIT_CONFLICT : code;
}

const cli_command COMMAND_GROUP_FAIL = {
	.name = "group fail",
	.synopsis = "GROUP [--reason TEXT] [-o FORMAT]",
	.summary = "end all jobs that wait in a group as failed",
	.description =
		"End all jobs that wait in a group as failed, a thousand at a time, and show\n"
		"how many there were.  What runs goes on.  When nothing waits any more the\n"
		"group is not blocked either: what is pushed from then on runs.  Exit code 3\n"
		"when nothing waits in the group and nobody works on it, 5 when what is left\n"
		"was busy.",
	.options = FAIL_OPTIONS,
	.defaults = &FAIL_DEFAULTS,
	.size = sizeof(fail_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_fail,
};
