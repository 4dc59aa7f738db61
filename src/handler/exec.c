/*
 * exec.c - handlers in any language: a program for each attempt
 *
 * exec_run is called on executor threads and runners of groups, several at a time: it
 * starts the program, lets exec_attempt.c attend it, and judges its end.
 */
#include "handler/exec.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "handler/argv.h"
#include "handler/child_env.h"
#include "handler/exec_attempt.h"

#define GRACE_MS 10000 /* from SIGTERM to SIGKILL, unless told */

#define EXIT_FINAL 65  /* EX_DATAERR of sysexits.h: it will not work next time either */
#define EXIT_SNOOZE 75 /* EX_TEMPFAIL: not now */

/* ------------------------------------------------------------ spec --------------- */

pawl_status
exec_spec_new(const exec_options *options, exec_spec **ret_spec, pawl_error *error)
{
	exec_spec *spec = calloc(1, sizeof(*spec));
	pawl_status status = PAWL_OK;

	if (spec == NULL)
		return error_memory(error);
	assert(options->guard != NULL);
	spec->guard = options->guard;
	spec->grace_ms = options->grace_ms == 0 ? GRACE_MS : options->grace_ms;
	spec->jobs = options->jobs;
	strings_add_all(&spec->pass_env, options->pass_env);
	strings_add_all(&spec->connection, options->connection);
	if (options->shell)
		strings_add_all(&spec->argv,
		                (const char *[]){"/bin/sh", "-c", options->command, NULL});
	else
		status = argv_split(options->command, &spec->argv, error);
	if (status == PAWL_OK && !spec->argv.broken)
		launch_paths(spec->argv.list[0], &spec->paths);
	if (status == PAWL_OK && (spec->argv.broken || spec->paths.broken ||
	                          spec->pass_env.broken || spec->connection.broken))
		status = error_memory(error);
	if (status != PAWL_OK)
	{
		exec_spec_free(spec);
		return status;
	}
	*ret_spec = spec;
	return PAWL_OK;
}

void
exec_spec_free(exec_spec *spec)
{
	if (spec == NULL)
		return;
	strings_free(&spec->argv);
	strings_free(&spec->paths);
	strings_free(&spec->pass_env);
	strings_free(&spec->connection);
	free(spec);
}

/* ------------------------------------------------------------ verdict ------------ */

/* A failure's text: what happened, then the last lines of stderr. */
static void
report(run *r, const char *what)
{
	auto_buffer tail = BUFFER_INIT;

	output_tail(&r->err, &tail);
	if (buffer_ok(&tail) && tail.length > 0)
		pawl_context_error(r->context, "%s\n%s", what, tail.data);
	else
		pawl_context_error(r->context, "%s", what);
}

static pawl_verdict
judge_success(run *r)
{
	if (r->messages.oversize > 0)
	{
		pawl_context_error(r->context,
		                   "result of %zu bytes exceeds the limit of %d bytes",
		                   r->messages.oversize, LIMIT_JSON);
		return PAWL_FAIL;
	}
	if (!buffer_ok(&r->messages.result))
	{
		pawl_context_error(r->context, "out of memory while reading the result");
		return PAWL_FAIL;
	}
	if (r->messages.has_result)
		pawl_context_result(r->context, r->messages.result.data);
	return PAWL_COMPLETE;
}

static pawl_verdict
judge_exit(run *r, int code)
{
	char what[64];

	if (code == 0)
		return judge_success(r);
	if (code == EXIT_SNOOZE)
		return PAWL_SNOOZE;
	snprintf(what, sizeof(what), "exit code %d", code);
	report(r, what);
	return code == EXIT_FINAL ? PAWL_FAIL_FINAL : PAWL_FAIL;
}

pawl_verdict
exec_judge(run *r, const siginfo_t *end)
{
	char what[128];

	if (r->stop == STOP_INTERRUPT)
		return PAWL_RELEASE;
	if (r->stop == STOP_NONE && end->si_code == CLD_EXITED)
		return judge_exit(r, end->si_status);
	if (r->stop == STOP_TIMEOUT)
		snprintf(what, sizeof(what), "timed out after %g s",
		         (double) r->timeout_ms / 1000.0);
	else
	{
		const char *name = sigdescr_np(end->si_status);

		snprintf(what, sizeof(what), "killed by signal %d (%s)", end->si_status,
		         name == NULL ? "unknown" : name);
	}
	report(r, what);
	return PAWL_FAIL;
}

/* ------------------------------------------------------------ run ---------------- */

void
exec_begin(run *r, pawl_context *context, const pawl_job *job, const exec_spec *spec)
{
	*r = (run){.child = CHILD_INIT};
	r->context = context;
	r->job = job;
	r->timeout_ms = job->timeout_ms;
	r->spec = spec;
	r->payload = job->args;
	r->payload_length = strlen(job->args);
	output_init(&r->out, context, PAWL_INFO);
	output_init(&r->err, context, PAWL_WARN);
	r->messages = (messages){.context = context, .delay_ms = -1};
	r->message_lines = (lines){
		.limit = LIMIT_MESSAGE, .callback = messages_line, .closure = &r->messages};
	r->timeout_at_ms = r->kill_at_ms = r->guard_retry_ms = CLOCK_NEVER;
	snprintf(r->mark, sizeof(r->mark), "%s.%" PRId64 ".", guard_token(spec->guard),
	         job->fence);
}

void
exec_end(run *r)
{
	output_free(&r->out);
	output_free(&r->err);
	messages_free(&r->messages);
	lines_free(&r->message_lines);
	child_close(&r->child);
}

/* False: it could not be started, and the context has been told why. */
static bool
start(run *r)
{
	auto_strings env = STRINGS_INIT;
	pawl_error error;
	pawl_status status;
	int64_t timeout_ms = r->timeout_ms;
	child_env_spec spec = {
		.guard_mark = r->mark,
		.connection = (const char *const *) r->spec->connection.list,
		.pass_env = (const char *const *) r->spec->pass_env.list,
		.deadline_us = timeout_ms > 0 ? clock_wall_us() + timeout_ms * 1000 : 0,
		.jobs = r->n,
	};

	child_env_build(&env, r->job, &spec);
	if (env.broken)
	{
		pawl_context_error(r->context, "out of memory");
		return false;
	}
	if (timeout_ms > 0)
		r->timeout_at_ms = clock_ms() + timeout_ms;
	status = child_open(&r->child, &error);
	if (status == PAWL_OK)
	{
		exec_feed(r); /* most payloads fit: nobody has to wait for their reader */
		status = child_start(&r->child, r->spec->argv.list, r->spec->paths.list,
		                     env.list, r->spec->guard, &error);
	}
	if (status != PAWL_OK)
		pawl_context_error(r->context, "%s", error.message);
	return status == PAWL_OK;
}

bool
exec_execute(run *r, siginfo_t *ret_end)
{
	if (!start(r))
		return false;
	exec_attend(r);
	child_reap(&r->child, r->spec->guard, r->stop == STOP_NONE ? NULL : r->mark,
	           ret_end);
	exec_take_rest(r);
	return true;
}

static pawl_verdict
run_one(run *r)
{
	siginfo_t end;
	pawl_verdict verdict;

	if (!exec_execute(r, &end))
		return PAWL_FAIL;
	verdict = exec_judge(r, &end);
	if (r->messages.delay_ms >= 0 && (verdict == PAWL_FAIL || verdict == PAWL_SNOOZE))
		pawl_context_delay(r->context, r->messages.delay_ms);
	return verdict;
}

pawl_verdict
exec_run(pawl_context *context, const pawl_job *job, void *closure)
{
	run r;
	pawl_verdict verdict;

	if (pawl_context_interrupted(context) != PAWL_RUNNING_ON)
		return PAWL_RELEASE;
	exec_begin(&r, context, job, closure);
	verdict = run_one(&r);
	exec_end(&r);
	return verdict;
}
