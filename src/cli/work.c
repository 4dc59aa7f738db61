/*
 * work.c - `pawl work`: a worker
 *
 * The guard is forked first, before there are threads; then the worker is made, and
 * runs on this thread until it is told to stop.
 */
#include <stdio.h>
#include <inttypes.h>

#include "base/error.h"
#include "base/limits.h"
#include "cli/signals.h"
#include "cli/status_line.h"
#include "cli/talk.h"
#include "cli/worker_setup.h"
#include "worker/stats.h"

typedef struct work_options
{
	worker_flags flags;
	bool once;
	bool check;
} work_options;

static const work_options WORK_DEFAULTS = {.flags = WORKER_FLAGS_DEFAULT};

static const option_spec WORK_OPTIONS[] = {
	WORKER_OPTIONS(offsetof(work_options, flags)),
	{.name = "once",
     .type = OPTION_FLAG,
     .offset = offsetof(work_options, once),
     .help = "end when nothing is ready any more"},
	{.name = "check-config",
     .type = OPTION_FLAG,
     .offset = offsetof(work_options, check),
     .help = "only check the settings: exit 0 if a worker would start with them"},
	OPTIONS_END,
};

/* ------------------------------------------------------------ running ------------ */

static void
tell_start(const worker_config *config)
{
	talk("working, with %zu handler%s%s%s", config->n_handlers,
	     config->n_handlers == 1 ? "" : "s",
	     config->file != NULL ? ", settings of " : "",
	     config->file != NULL ? config->file : "");
}

static void
tell_end(pawl_worker *worker)
{
	worker_stats stats;

	worker_stats_read(worker, &stats);
	talk("ended: %" PRId64 " succeeded, %" PRId64 " failed, %" PRId64 " given back",
	     stats.succeeded, stats.failed, stats.released);
	if (stats.log_dropped > 0)
		talk("%" PRId64 " lines of logs were dropped in all", stats.log_dropped);
}

static int
run_worker(const work_options *options, const worker_config *config,
           worker_setup *setup, pawl_error *error)
{
	pawl_status status;

	if (options->check)
	{
		(void) puts("the settings are in order");
		return output_check();
	}
	status = signals_to_worker(setup->worker, error);
	if (status == PAWL_OK)
	{
		tell_start(config);
		status_line_begin(setup->worker);
		status = pawl_worker_run(setup->worker, error);
		status_line_end();
		signals_default();
	}
	if (status != PAWL_OK)
		return talk_error(error);
	tell_end(setup->worker);
	return 0;
}

static int
guarded_work(const command_call *call, const worker_config *config)
{
	const work_options *options = call->options;
	worker_setup setup = {0};
	guard *warden = NULL;
	pawl_error error;
	int code;

	if (guard_start(&warden, &error) != PAWL_OK)
		return talk_error(&error);
	if (worker_prepare(config, call->common.conninfo, options->once, warden, &setup,
	                   &error) != PAWL_OK)
		code = talk_error(&error);
	else
		code = run_worker(options, config, &setup, &error);
	worker_setup_free(&setup);
	guard_free(warden);
	return code;
}

static int
run_work(const command_call *call)
{
	const work_options *options = call->options;
	worker_config config = {0};
	pawl_error error;
	int code;

	if (worker_settings(&options->flags, &config, &error) != PAWL_OK)
		code = talk_error(&error);
	else if (config.n_handlers == 0)
	{
		(void) error_set(&error, PAWL_ERR_ARGUMENT, "a worker needs a handler");
		error_hint(&error,
		           "Give one by -H KIND=COMMAND, or a [handler KIND] section of "
		           "the settings.");
		code = talk_error(&error);
	}
	else
		code = guarded_work(call, &config);
	config_free(&config);
	return code;
}

const cli_command COMMAND_WORK = {
	.name = "work",
	.synopsis = "-H KIND=COMMAND... [OPTION]...\n-c FILE [OPTION]...",
	.summary = "run a worker",
	.description =
		"Run jobs, of the kinds that there is a handler for, until SIGTERM or SIGINT:\n"
		"then claim nothing more, let what runs go on for the time to drain, give the\n"
		"rest back, and end with exit code 0.  A second signal does not wait.\n"
		"\n"
		"A handler is a program: it gets the job's arguments as JSON on standard "
		"input\n"
		"and PAWL_JOB, PAWL_FENCE, PAWL_KIND, PAWL_QUEUE, PAWL_ATTEMPT, "
		"PAWL_DEADLINE,\n"
		"PAWL_GROUP and the PG* variables of the database (without the password) in "
		"its\n"
		"environment.  Exit code 0 means success, 65 failed for good, 75 not now, any\n"
		"other that it is tried again.  What it writes is the job's log; on descriptor "
		"3\n"
		"it may write {\"result\": ...} and more.\n"
		"\n"
		"The settings are an INI file; flags win over it:\n"
		"\n"
		"  [worker]              queues = default, mail    executors = 8\n"
		"                        groups = 16  group_jobs = 100  group_time = 60s\n"
		"                        lease = 30s  poll = 1s  drain = 30s\n"
		"                        wait_cancel = 30s  pass_env = LANG, TZ\n"
		"  [handler thumbnail]   exec = /srv/app/thumbnail --size 64\n"
		"                        shell = yes   (to run it by /bin/sh)\n"
		"                        jobs = 10     (up to 10 jobs of a group at once)\n"
		"  [handler resize]      object = /srv/app/resize.so\n"
		"\n"
		"with one key a line.  A semicolon after a blank begins a comment.\n"
		"\n"
		"Jobs of groups run beside the executors, one at a time in each group and in "
		"the\n"
		"order in which they were pushed.  A group is given to others who wait for a "
		"turn\n"
		"after group_jobs jobs or group_time.",
	.options = WORK_OPTIONS,
	.defaults = &WORK_DEFAULTS,
	.size = sizeof(work_options),
	.accepts = ACCEPTS_DATABASE,
	.run = run_work,
};
