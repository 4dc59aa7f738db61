/*
 * push.c - `pawl push`: one job
 *
 * Everything that can be checked without a server is checked before it is connected.
 * The other form, many jobs from a file, is in push_ndjson.c.
 */
#include "cli/push.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/input.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "cli/wait.h"
#include "queue/push.h"

static const char *const ON_ERROR_NAMES[] = {
	[PUSH_STOP] = "stop",
	[PUSH_SKIP] = "skip",
	NULL,
};

static const char *const UNTIL_NAMES[] = {
	[PAWL_UNTIL_END] = "end",
	[PAWL_UNTIL_START] = "start",
	NULL,
};

static const push_options PUSH_DEFAULTS = {
	.priority = -1,
	.in_ms = -1,
	.unique_until = -1,
	.timeout_ms = -1,
	.on_error = -1,
};

static const option_spec PUSH_OPTIONS[] = {
	{.name = "queue",
     .letter = 'q',
     .type = OPTION_TEXT,
     .offset = offsetof(push_options, queue),
     .value = "QUEUE",
     .help = "the queue to push into (default)"},
	{.name = "priority",
     .letter = 'p',
     .type = OPTION_INT,
     .offset = offsetof(push_options, priority),
     .value = "0..9",
     .max = 9,
     .help = "0 is claimed first, 9 last (5)"},
	{.name = "at",
     .type = OPTION_TIME,
     .offset = offsetof(push_options, at_us),
     .value = "TIME",
     .help = "run it not before this time, as in 2026-11-21T08:00:00Z"},
	{.name = "in",
     .type = OPTION_DURATION,
     .offset = offsetof(push_options, in_ms),
     .value = "DURATION",
     .help = "run it not before this time has passed, by the database's clock"},
	{.name = "unique",
     .type = OPTION_TEXT,
     .offset = offsetof(push_options, unique),
     .value = "KEY",
     .help = "if a live job has this key, show that job and push none"},
	{.name = "unique-until",
     .type = OPTION_CHOICE,
     .offset = offsetof(push_options, unique_until),
     .value = "end|start",
     .choices = UNTIL_NAMES,
     .help = "how long the job keeps the key: until it has ended, or until it is "
             "claimed (end)"},
	{.name = "group",
     .type = OPTION_TEXT,
     .offset = offsetof(push_options, group),
     .value = "KEY",
     .help = "the group that it belongs to, whose jobs run one at a time and in order"},
	{.name = "run",
     .type = OPTION_ID,
     .offset = offsetof(push_options, run),
     .value = "N",
     .help =
         "the run of the group, from 1: jobs of smaller runs that have not begun are "
         "cancelled"},
	{.name = "max-attempts",
     .type = OPTION_INT,
     .offset = offsetof(push_options, max_attempts),
     .value = "N",
     .min = 1,
     .max = 1000000,
     .help = "it has failed for good after so many failures (20)"},
	{.name = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(push_options, timeout_ms),
     .value = "DURATION",
     .help = "of each attempt; 0 for none (15min)"},
	{.name = "meta",
     .type = OPTION_TEXT,
     .offset = offsetof(push_options, meta),
     .value = "JSON",
     .help = "JSON that the handler is handed beside its arguments"},
	{.name = "batch",
     .type = OPTION_ID,
     .offset = offsetof(push_options, batch),
     .value = "ID",
     .help = "the batch that it counts in; from a handler also into the handler's own "
             "batch when that is sealed"},
	{.name = "stage",
     .type = OPTION_TEXT,
     .offset = offsetof(push_options, stage),
     .value = "NAME",
     .help = "the stage of the batch (its first)"},
	{.name = "wait",
     .type = OPTION_WAIT,
     .offset = offsetof(push_options, wait_ms),
     .value = "DURATION",
     .help = "wait until it has ended: exit 0 if it succeeded, 1 if not, 124 if it has "
             "not ended within the duration"},
	{.name = "ndjson",
     .type = OPTION_TEXT,
     .offset = offsetof(push_options, ndjson),
     .value = "FILE|-",
     .help = "push a job for each line of the file"},
	{.name = "on-error",
     .type = OPTION_CHOICE,
     .offset = offsetof(push_options, on_error),
     .value = "stop|skip",
     .choices = ON_ERROR_NAMES,
     .help = "at a bad line of the file: stop there, or leave it out and go on (stop)"},
	OPTIONS_END,
};

/* ------------------------------------------------------------ one job ------------ */

/* The job's text arguments, checked. */
static pawl_status
read_texts(const command_call *call, char **ret_args, char **ret_meta,
           pawl_error *error)
{
	const push_options *options = call->options;
	pawl_status status = PAWL_OK;

	if (call->n_args > 1)
		status = input_json(call->args[1], "ARGS", ret_args, error);
	if (status == PAWL_OK && options->meta != NULL)
	{
		if (call->n_args > 1 && strcmp(call->args[1], "-") == 0 &&
		    strcmp(options->meta, "-") == 0)
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "ARGS and --meta cannot both be standard input");
		status = input_json(options->meta, "--meta", ret_meta, error);
	}
	return status;
}

/* The time to run at: --at, or --in from the database's clock; 0: at once. */
static pawl_status
find_run_at(db *own_db, const push_options *options, int64_t *ret_us, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	*ret_us = options->at_us;
	if (options->in_ms <= 0)
		return PAWL_OK;
	status = session_query(own_db, "server_time", params, &result, error);
	if (status == PAWL_OK)
		*ret_us = db_int(result, 0, 0) + options->in_ms * 1000;
	return status;
}

/* The answer: people and scripts get the id alone, other formats have it all. */
static int
print_answer(const command_call *call, int64_t id, bool created)
{
	static const output_column columns[] = {{.name = "job", .type = OUTPUT_NUMBER},
	                                        {.name = "created", .type = OUTPUT_BOOL}};
	char text[24];
	const char *values[] = {text, created ? "t" : "f"};
	output *out;

	(void) snprintf(text, sizeof(text), "%" PRId64, id);
	if (call->common.format == OUTPUT_TABLE)
	{
		(void) puts(text);
		return output_check();
	}
	if (call->common.format == OUTPUT_JSON)
	{
		auto_buffer b = BUFFER_INIT;

		output_object(&b, columns, 2, values);
		if (buffer_ok(&b))
			(void) puts(b.data);
		return output_check();
	}
	out = output_new((output_format) call->common.format, columns, 2);
	if (out == NULL)
		return EXIT_OPERATION;
	output_row(out, values);
	return output_finish(out);
}

/* Wait for its end: the exit code that it means. */
static int
wait_for_end(db *own_db, int64_t id, int64_t wait_ms)
{
	waited_job job = {.id = id};
	pawl_error error;

	if (wait_jobs(own_db, &job, 1, wait_deadline(wait_ms), &error) != PAWL_OK)
	{
		if (error.status == PAWL_ERR_TIMEOUT)
			error_hint(&error, "It goes on; see \"pawl job show %" PRId64 "\".", id);
		return talk_error(&error);
	}
	if (job.state == PAWL_STATE_SUCCEEDED)
		return 0;
	(void) error_set(&error, PAWL_ERR_DATABASE, "job %" PRId64 " has %s", id,
	                 job.state == PAWL_STATE_FAILED ? "failed" : "been cancelled");
	if (job.error[0] != '\0')
		error_detail(&error, "%s", job.error);
	return talk_error(&error);
}

static int
push_one_job(const command_call *call)
{
	const push_options *options = call->options;
	auto_free char *args = NULL;
	auto_free char *meta = NULL;
	auto_session *own_db = NULL;
	pawl_error error;
	pawl_job_spec spec = PAWL_JOB_SPEC_INIT;
	pawl_job parent;
	bool created = true;
	int64_t id;
	pawl_status status = read_texts(call, &args, &meta, &error);

	if (status == PAWL_OK)
		status = session_open(call, &own_db, &error);
	if (status == PAWL_OK)
		status = find_run_at(own_db, options, &spec.run_at_us, &error);
	if (status == PAWL_OK)
	{
		queue_call verb = session_call(own_db);

		spec.kind = call->args[0];
		spec.args = args;
		spec.meta = meta;
		spec.queue = options->queue;
		spec.priority = options->priority;
		spec.unique_key = options->unique;
		spec.unique_until = options->unique_until == PAWL_UNTIL_START ? PAWL_UNTIL_START
		                                                              : PAWL_UNTIL_END;
		spec.group_key = options->group;
		spec.run_key = options->run;
		spec.max_attempts = options->max_attempts;
		spec.timeout_ms = options->timeout_ms;
		spec.batch = options->batch;
		spec.stage = options->stage;
		spec.parent =
			push_parent(&parent) && parent.batch == options->batch ? &parent : NULL;
		status = push_one(&verb, &spec, &id, &created, &error);
	}
	if (status != PAWL_OK)
		return talk_error(&error);
	if (print_answer(call, id, created) != 0)
		return EXIT_OPERATION;
	if (!created)
		talk("job %" PRId64 " has that key already", id);
	return options->wait_ms == 0 ? 0 : wait_for_end(own_db, id, options->wait_ms);
}

/* ------------------------------------------------------------ which form --------- */

/* An option of one form beside the other; NULL: none. */
static const char *
misplaced_option(const push_options *options)
{
	const struct
	{
		const char *name;
		bool given;
	} of_one_job[] = {
		{"--queue", options->queue != NULL},
		{"--priority", options->priority != -1},
		{"--at", options->at_us != 0},
		{"--in", options->in_ms != -1},
		{"--unique", options->unique != NULL},
		{"--unique-until", options->unique_until != -1},
		{"--group", options->group != NULL},
		{"--run", options->run != 0},
		{"--max-attempts", options->max_attempts != 0},
		{"--timeout", options->timeout_ms != -1},
		{"--meta", options->meta != NULL},
		{"--batch", options->batch != 0},
		{"--stage", options->stage != NULL},
		{"--wait", options->wait_ms != 0},
	};

	if (options->ndjson == NULL)
		return options->on_error != -1 ? "--on-error" : NULL;
	for (size_t i = 0; i < sizeof(of_one_job) / sizeof(of_one_job[0]); i++)
		if (of_one_job[i].given)
			return of_one_job[i].name;
	return NULL;
}

static int
run_push(const command_call *call)
{
	const push_options *options = call->options;
	const char *misplaced = misplaced_option(options);

	if (misplaced != NULL && options->ndjson != NULL)
		return talk_usage("push",
		                  "option \"%s\" cannot be used with --ndjson: each line "
		                  "has its own settings",
		                  misplaced);
	if (misplaced != NULL)
		return talk_usage("push", "option \"%s\" is of use with --ndjson only",
		                  misplaced);
	if (options->at_us != 0 && options->in_ms != -1)
		return talk_usage("push", "--at and --in cannot be used together");
	if (options->unique_until != -1 && options->unique == NULL)
		return talk_usage("push", "option \"--unique-until\" is of use with --unique "
		                          "only");
	if (options->run != 0 && options->group == NULL)
		return talk_usage("push", "option \"--run\" is of use with --group only");
	if (options->stage != NULL && options->batch == 0)
		return talk_usage("push", "option \"--stage\" is of use with --batch only");
	if (options->ndjson != NULL && call->n_args > 0)
		return talk_usage("push", "unexpected argument \"%s\" beside --ndjson",
		                  call->args[0]);
	if (options->ndjson != NULL)
		return push_ndjson(call);
	if (call->n_args == 0)
		return talk_usage("push", "the kind of the job is missing");
	return push_one_job(call);
}

const cli_command COMMAND_PUSH = {
	.name = "push",
	.synopsis =
		"KIND [ARGS|@FILE|-] [OPTION]...\n--ndjson FILE|- [--on-error stop|skip]",
	.summary = "push a job, or a file of jobs",
	.description =
		"Push a job of this kind and show its id.  ARGS is JSON, any value, at most\n"
		"1 MiB; @FILE reads it from a file and - from standard input; without it the\n"
		"arguments are {}.\n"
		"\n"
		"With --unique at most one live job has the key.  If there is one, its id is\n"
		"shown, nothing is changed, not even its arguments, and the exit code is 0; "
		"JSON\n"
		"and CSV tell it by \"created\".  --wait then waits for that job.\n"
		"\n"
		"Jobs of one --group run one at a time, in the order in which they were "
		"pushed,\n"
		"over all workers.  What stands before the first slash of its key is its "
		"tenant;\n"
		"tenants take turns.  A unique key is then one of the group.\n"
		"\n"
		"With --ndjson push a job for each line of a file: JSON objects with the "
		"members\n"
		"kind, args, queue, priority, run_at, unique_key, unique_until, group_key,\n"
		"run_key, batch, stage, max_attempts, timeout and meta; all but kind may be "
		"left\n"
		"out.  The file is read in constant memory and pushed in transactions of up "
		"to\n"
		"1000 lines; the ids are shown in the order of the lines.  A bad line is told\n"
		"with its number.  Lines before it are pushed.",
	.options = PUSH_OPTIONS,
	.defaults = &PUSH_DEFAULTS,
	.size = sizeof(push_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.max_args = 2,
	.run = run_push,
};
