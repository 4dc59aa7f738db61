/*
 * job_cancel.c - `pawl job cancel`
 */
#include "cli/job_many.h"
#include "cli/job.h"

static const many_options CANCEL_DEFAULTS = {.state = -1};

static const option_spec CANCEL_OPTIONS[] = {
	MANY_OPTIONS_CHOICE("ready, scheduled, waiting or running"),
	{.name = "reason",
     .type = OPTION_TEXT,
     .offset = offsetof(many_options, reason),
     .value = "TEXT",
     .help = "kept with the outcome of the job"},
	MANY_OPTION_DRY_RUN,
	OPTIONS_END,
};

static int
run_cancel(const command_call *call)
{
	static const many_verb verb = {
		.name = "cancel",
		.done = "cancelled",
		.sql = "SELECT c.job, c.was, c.done"
			   " FROM pawl.cancel_many($1::bigint[], $2::text) c",
		.from_states = 1U << PAWL_STATE_READY | 1U << PAWL_STATE_SCHEDULED |
	                   1U << PAWL_STATE_WAITING | 1U << PAWL_STATE_RUNNING,
	};

	return many_run(call, &verb);
}

const cli_command COMMAND_JOB_CANCEL = {
	.name = "job cancel",
	.synopsis =
		"ID... [--reason TEXT]\n--kind KIND --state STATE [-q QUEUE] [--dry-run]",
	.summary = "cancel jobs in any live state",
	.description =
		"Cancel jobs, by their ids or all that match.  A running one is cancelled at\n"
		"once; its handler is told, and what it still says counts for nothing.  Shows\n"
		"for each job the state that it was in and whether it was cancelled.  Exit "
		"code\n"
		"5 when one could not be: it had ended already, or it is busy, which means "
		"that\n"
		"a handler's open transaction holds it; 3 when one does not exist.",
	.options = CANCEL_OPTIONS,
	.defaults = &CANCEL_DEFAULTS,
	.size = sizeof(many_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.max_args = -1,
	.run = run_cancel,
};
