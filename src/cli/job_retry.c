/*
 * job_retry.c - `pawl job retry`
 */
#include "cli/job_many.h"
#include "cli/job.h"

static const many_options RETRY_DEFAULTS = {.state = -1};

static const option_spec RETRY_OPTIONS[] = {
	MANY_OPTIONS_CHOICE("failed or cancelled"),
	MANY_OPTION_DRY_RUN,
	OPTIONS_END,
};

static int
run_retry(const command_call *call)
{
	/* $2 has no use here, but every verb is given it */
	static const many_verb verb = {
		.name = "retry",
		.done = "retried",
		.sql = "SELECT c.job, c.was, c.done"
			   " FROM pawl.retry_many($1::bigint[]) c WHERE $2::text IS NULL",
		.from_states = 1U << PAWL_STATE_FAILED | 1U << PAWL_STATE_CANCELLED,
	};

	return many_run(call, &verb);
}

const cli_command COMMAND_JOB_RETRY = {
	.name = "job retry",
	.synopsis = "ID...\n--kind KIND --state STATE [-q QUEUE] [--dry-run]",
	.summary = "take failed or cancelled jobs back to ready",
	.description =
		"Retry jobs that have failed or were cancelled, by their ids or all that "
		"match:\n"
		"they are ready again, with all their attempts before them.  What they ended "
		"with\n"
		"stays among their attempts.  Shows for each job the state that it was in and\n"
		"whether it was taken back.  Exit code 5 when one could not be: it is in "
		"another\n"
		"state, or a live job has its unique key; 3 when one does not exist.",
	.options = RETRY_OPTIONS,
	.defaults = &RETRY_DEFAULTS,
	.size = sizeof(many_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.max_args = -1,
	.run = run_retry,
};
