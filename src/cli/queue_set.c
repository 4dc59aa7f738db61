/*
 * queue_set.c - `pawl queue pause`, `resume` and `set`
 */
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/session.h"
#include "cli/talk.h"

static const option_spec NO_OPTIONS[] = {OPTIONS_END};

static const output_column ANSWER_COLUMNS[] = {
	{.name = "queue"},
	{.name = "state", .state = true},
};

/* ------------------------------------------------------------ pause, resume ------ */

/* A call with the queue's name as its parameter, and the state that it is in then. */
static int
run_state(const command_call *call, const char *sql, const char *state)
{
	const char *values[] = {call->args[0], state};
	auto_session *own_db = NULL;
	auto_params *params = db_params_new();
	queue_call at;
	pawl_error error;
	output *out;

	if (session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	at = session_call(own_db);
	db_param_text(params, call->args[0]);
	if (call_run(&at, sql, params, NULL, &error) != PAWL_OK)
		return talk_error(&error);
	out = output_new((output_format) call->common.format, ANSWER_COLUMNS, 2);
	if (out == NULL)
		return EXIT_OPERATION;
	output_row(out, values);
	return output_finish(out);
}

static int
run_pause(const command_call *call)
{
	return run_state(call, "SELECT pawl.queue_pause($1::text)", "paused");
}

static int
run_resume(const command_call *call)
{
	return run_state(call, "SELECT pawl.queue_resume($1::text)", "active");
}

const cli_command COMMAND_QUEUE_PAUSE = {
	.name = "queue pause",
	.synopsis = "QUEUE [-o FORMAT]",
	.summary = "hand out nothing more from a queue",
	.description =
		"Pause a queue, whether or not there is anything in it: no job of it is\n"
		"handed out any more.  What runs goes on, and pushes are taken.  The groups\n"
		"of its jobs wait with them.",
	.options = NO_OPTIONS,
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_pause,
};

const cli_command COMMAND_QUEUE_RESUME = {
	.name = "queue resume",
	.synopsis = "QUEUE [-o FORMAT]",
	.summary = "hand out the jobs of a paused queue again",
	.description =
		"Hand out the jobs of a queue again that was paused; no error when it was\n"
		"not.",
	.options = NO_OPTIONS,
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_resume,
};

/* ------------------------------------------------------------ set ---------------- */

/* true, 5 and null are JSON as they stand; anything else is text. */
static void
append_value(buffer *b, const char *value)
{
	json_t *parsed = json_loads(value, JSON_DECODE_ANY, NULL);

	if (value[0] == '\0')
		buffer_append(b, "null");
	else if (parsed != NULL)
		buffer_append(b, value);
	else
		text_quote_json(b, value, strlen(value));
	json_decref(parsed);
}

/* key=value, ... as one object; false: one of them is not. */
static bool
append_settings(buffer *b, int n, char **settings)
{
	buffer_append_char(b, '{');
	for (int i = 0; i < n; i++)
	{
		const char *equals = strchr(settings[i], '=');

		if (equals == NULL || equals == settings[i])
			return false;
		buffer_append(b, i > 0 ? ", " : "");
		text_quote_json(b, settings[i], (size_t) (equals - settings[i]));
		buffer_append(b, ": ");
		append_value(b, equals + 1);
	}
	buffer_append_char(b, '}');
	return true;
}

static int
run_set(const command_call *call)
{
	auto_buffer settings = BUFFER_INIT;
	auto_session *own_db = NULL;
	auto_params *params = db_params_new();
	queue_call at;
	pawl_error error;

	if (!append_settings(&settings, call->n_args - 1, call->args + 1))
		return talk_usage("queue set", "a setting is written KEY=VALUE");
	if (!buffer_ok(&settings))
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	if (session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	at = session_call(own_db);
	db_param_text(params, call->args[0]);
	db_param_text(params, settings.data);
	if (call_run(&at, "SELECT pawl.queue_set($1::text, $2::jsonb)", params, NULL,
	             &error) != PAWL_OK)
		return talk_error(&error);
	return 0;
}

const cli_command COMMAND_QUEUE_SET = {
	.name = "queue set",
	.synopsis = "QUEUE KEY=VALUE...",
	.summary = "change the settings of a queue",
	.description =
		"Change settings of a queue; those that are not named stay as they are.  An\n"
		"empty value is the default.  queue show tells what they are.\n"
		"\n"
		"  on_group_failure   what becomes of a group when a job of it has failed for\n"
		"                     good: block (it waits for group release or a retry; the\n"
		"                     default), fail (the rest of the job's run fails too) or\n"
		"                     skip (it goes on with the next job)\n"
		"  paused             true or false, as queue pause and queue resume",
	.options = NO_OPTIONS,
	.accepts = ACCEPTS_DATABASE,
	.min_args = 2,
	.max_args = -1,
	.run = run_set,
};
