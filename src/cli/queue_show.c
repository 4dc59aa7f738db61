/*
 * queue_show.c - `pawl queue show`: one queue, and why its oldest job does not run
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/member.h"
#include "cli/queue.h"
#include "cli/session.h"
#include "cli/talk.h"

#define NOTE_SIZE 600

/* Why the oldest job does not run, as far as the queue and the workers tell it. */
static pawl_status
read_note(db *own_db, const char *const *values, char ret_note[NOTE_SIZE],
          pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *handled = NULL;
	pawl_status status;

	ret_note[0] = '\0';
	if (strcmp(values[QUEUE_STATE], "paused") == 0)
		(void) snprintf(ret_note, NOTE_SIZE, "paused: nothing is handed out");
	else if (values[QUEUE_JOB] != NULL && strcmp(values[QUEUE_WORKERS], "0") == 0)
		(void) snprintf(ret_note, NOTE_SIZE, "no worker takes from it");
	if (ret_note[0] != '\0' || values[QUEUE_JOB] == NULL)
		return PAWL_OK;
	if (params == NULL)
		return error_memory(error);
	db_param_text(params, values[QUEUE_KIND]);
	db_param_text(params, values[QUEUE_NAME]);
	status = session_query(own_db, "job_handled", params, &handled, error);
	if (status == PAWL_OK && !db_bool(handled, 0, 2))
		(void) snprintf(ret_note, NOTE_SIZE,
		                "no worker that takes from it handles kind \"%s\"",
		                values[QUEUE_KIND]);
	return status;
}

static int
run_show(const command_call *call)
{
	const char *name = call->args[0];
	auto_session *own_db = NULL;
	auto_result *queue = NULL;
	const char *values[QUEUE_COLUMNS];
	char age[AGE_SIZE];
	char note[NOTE_SIZE];
	pawl_error error;

	if (session_open(call, &own_db, &error) != PAWL_OK ||
	    queue_read(own_db, name, NULL, 1, &queue, &error) != PAWL_OK)
		return talk_error(&error);
	if (db_rows(queue) == 0)
	{
		(void) error_set(&error, PAWL_ERR_NOT_FOUND, "queue \"%.255s\" is not known",
		                 name);
		error_hint(&error, "No worker takes from it, it has no settings, and no job "
		                   "of it could run now.");
		return talk_error(&error);
	}
	queue_row(queue, 0, age, values);
	if (read_note(own_db, values, note, &error) != PAWL_OK)
		return talk_error(&error);
	return member_show(call, QUEUE, QUEUE_COLUMNS, values, note);
}

static const option_spec SHOW_OPTIONS[] = {OPTIONS_END};

const cli_command COMMAND_QUEUE_SHOW = {
	.name = "queue show",
	.synopsis = "QUEUE [-o FORMAT]",
	.summary = "show a queue, and why its oldest job does not run",
	.description =
		"Show a queue's settings, the workers that take from it, its oldest job that\n"
		"could run now (see queue list), and, if there is a reason that can be seen\n"
		"from here, why that does not run: the queue is paused, no worker takes from\n"
		"it, or none of them handles that kind.  Exit code 3 when nothing is known\n"
		"of such a queue.",
	.options = SHOW_OPTIONS,
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_show,
};
