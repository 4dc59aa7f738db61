/*
 * job_wait.c - `pawl job wait`: until the jobs have ended
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/input.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "cli/wait.h"

static const output_column WAIT_COLUMNS[] = {
	{.name = "job", .type = OUTPUT_NUMBER},
	{.name = "state", .state = true},
	{.name = "error"},
};

/* Show what has ended: 0, 1 if one has not succeeded, or what the output says. */
static int
show(const command_call *call, const waited_job *jobs, size_t n)
{
	output *out = output_new((output_format) call->common.format, WAIT_COLUMNS, 3);
	bool all = true;
	int code;

	if (out == NULL)
		return EXIT_OPERATION;
	for (size_t i = 0; i < n; i++)
	{
		char id[24];
		const char *values[] = {id, pawl_state_name(jobs[i].state),
		                        jobs[i].error[0] != '\0' ? jobs[i].error : NULL};

		if (!jobs[i].ended)
			continue;
		(void) snprintf(id, sizeof(id), "%" PRId64, jobs[i].id);
		output_row(out, values);
		all = all && jobs[i].state == PAWL_STATE_SUCCEEDED;
	}
	code = output_finish(out);
	return code != 0 ? code : all ? 0 : EXIT_OPERATION;
}

static int
run_wait(const command_call *call)
{
	const wait_options *options = call->options;
	size_t n = (size_t) call->n_args;
	auto_free int64_t *ids = NULL;
	auto_free waited_job *jobs = calloc(n, sizeof(*jobs));
	auto_session *own_db = NULL;
	pawl_error error;
	pawl_status status = jobs == NULL
	                         ? error_memory(&error)
	                         : input_ids(call->n_args, call->args, &ids, &error);
	int code;

	if (status == PAWL_OK)
		status = session_open(call, &own_db, &error);
	if (status == PAWL_OK)
	{
		for (size_t i = 0; i < n; i++)
			jobs[i].id = ids[i];
		status = wait_jobs(own_db, jobs, n, wait_deadline(options->timeout_ms), &error);
	}
	if (status != PAWL_OK && status != PAWL_ERR_TIMEOUT)
		return talk_error(&error);
	code = show(call, jobs, n);
	return status == PAWL_ERR_TIMEOUT ? talk_error(&error) : code;
}

const cli_command COMMAND_JOB_WAIT = {
	.name = "job wait",
	.synopsis = "ID... [--timeout DURATION]",
	.summary = "wait until jobs have ended",
	.description =
		"Wait until every one of the jobs has ended, and show how.  Exit code 0 when "
		"all\n"
		"have succeeded, 1 when one has failed or was cancelled, 3 when one does not\n"
		"exist, 124 when the time is over before that.",
	.options = WAIT_OPTIONS,
	.defaults = &WAIT_DEFAULTS,
	.size = sizeof(wait_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = -1,
	.run = run_wait,
};
