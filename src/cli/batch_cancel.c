/*
 * batch_cancel.c - `pawl batch cancel` and `pawl batch rerun`
 */
#include "cli/batch_verb.h"

typedef struct cancel_options
{
	const char *reason;
} cancel_options;

static const cancel_options CANCEL_DEFAULTS = {.reason = NULL};

static const option_spec CANCEL_OPTIONS[] = {
	{.name = "reason",
     .type = OPTION_TEXT,
     .offset = offsetof(cancel_options, reason),
     .value = "TEXT",
     .help = "kept with the batch and with the outcomes of its jobs"},
	OPTIONS_END,
};

static int
run_cancel(const command_call *call)
{
	static const char *const done[] = {"succeeded", "failed", NULL};
	static const batch_verb verb = {
		.sql = "SELECT pawl.batch_cancel($1::bigint, $2::text)",
		.has_text = true,
		.refused = done,
	};
	const cancel_options *options = call->options;

	return batch_run(call, &verb, options->reason);
}

const cli_command COMMAND_BATCH_CANCEL = {
	.name = "batch cancel",
	.synopsis = "ID... [--reason TEXT]",
	.summary = "end batches, and all of their jobs",
	.description =
		"Cancel all jobs of batches that have not ended, and show the state that each\n"
		"batch is in now: cancelling while workers end the rest, or cancelled.  Its\n"
		"completion job runs.  Exit code 5 when one was done already, 3 when one does\n"
		"not exist.",
	.options = CANCEL_OPTIONS,
	.defaults = &CANCEL_DEFAULTS,
	.size = sizeof(cancel_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = -1,
	.run = run_cancel,
};

/* ------------------------------------------------------------ rerun -------------- */

static const char *const WHICH[] = {"failed", "all", NULL};

typedef struct rerun_options
{
	int only; /* an index of WHICH */
} rerun_options;

static const rerun_options RERUN_DEFAULTS = {.only = 0};

static const option_spec RERUN_OPTIONS[] = {
	{.name = "only",
     .type = OPTION_CHOICE,
     .offset = offsetof(rerun_options, only),
     .value = "failed|all",
     .choices = WHICH,
     .help = "which of its jobs (failed)"},
	OPTIONS_END,
};

static int
run_rerun(const command_call *call)
{
	static const batch_verb verb = {
		.sql = "SELECT pawl.batch_rerun($1::bigint, $2::text)",
		.is_epoch = true,
		.has_text = true,
	};
	const rerun_options *options = call->options;

	return batch_run(call, &verb, WHICH[options->only]);
}

const cli_command COMMAND_BATCH_RERUN = {
	.name = "batch rerun",
	.synopsis = "ID... [--only failed|all]",
	.summary = "do the failed jobs of batches once more",
	.description =
		"Copy the failed jobs of a batch that is done, or all of them, under new ids\n"
		"into its next epoch, which is counted from zero and has a completion job of\n"
		"its own; show the epoch.  With --only all this copies the children too that\n"
		"jobs have pushed into their batch, and a parent that runs again pushes them\n"
		"again.  A job whose unique key has a live job is left out.  Exit code 5 when\n"
		"a batch is not done, has no such jobs, or all of them are left out.",
	.options = RERUN_OPTIONS,
	.defaults = &RERUN_DEFAULTS,
	.size = sizeof(rerun_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = -1,
	.run = run_rerun,
};
