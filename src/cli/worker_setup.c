/*
 * worker_setup.c - see worker_setup.h; main thread, before the worker has threads
 */
#include "cli/worker_setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/limits.h"
#include "cli/talk.h"
#include "db/conninfo.h"
#include "worker/worker.h"

/* Descriptors: of whoever starts a program meanwhile, and of all the rest. */
#define EXECUTOR_FDS 12
#define RUNNER_FDS 16 /* of groups: it has a connection, too */
#define OTHER_FDS 64

/* ------------------------------------------------------------ settings ----------- */

static pawl_status
apply_handlers(const worker_flags *flags, worker_config *config, pawl_error *error)
{
	pawl_status status = PAWL_OK;

	for (size_t i = 0; i < flags->handlers.n && status == PAWL_OK; i++)
		status = config_add_handler(config, flags->handlers.items[i], false, error);
	for (size_t i = 0; i < flags->objects.n && status == PAWL_OK; i++)
		status = config_add_handler(config, flags->objects.items[i], true, error);
	return status;
}

static pawl_status
apply_flags(const worker_flags *flags, worker_config *config, pawl_error *error)
{
	pawl_status status = apply_handlers(flags, config, error);

	if (status == PAWL_OK && flags->queues != NULL)
		status = config_set_queues(config, flags->queues, "option \"--queues\"", error);
	if (flags->executors != 0)
		config->executors = flags->executors;
	if (flags->groups != -1)
		config->groups = flags->groups == 0 ? -1 : flags->groups;
	if (flags->lease_ms != -1)
		config->lease_ms = flags->lease_ms;
	if (flags->poll_ms != -1)
		config->poll_ms = flags->poll_ms;
	if (flags->drain_ms != -1)
		config->drain_ms = flags->drain_ms == 0 ? 1 : flags->drain_ms;
	if (flags->wait_cancel_ms != -1)
		config->wait_cancel_ms =
			flags->wait_cancel_ms == 0 ? -1 : flags->wait_cancel_ms;
	if (status == PAWL_OK && (flags->lease_ms == 0 || flags->poll_ms == 0))
		status = error_set(error, PAWL_ERR_ARGUMENT,
		                   "option \"%s\" needs a duration above 0",
		                   flags->lease_ms == 0 ? "--lease" : "--poll");
	return status == PAWL_OK ? config_check_times(config, error) : status;
}

pawl_status
worker_settings(const worker_flags *flags, worker_config *ret_config, pawl_error *error)
{
	const char *path = config_path(flags->config);
	worker_config config = {0};
	pawl_status status = PAWL_OK;

	if (path != NULL)
		status = config_read(path, &config, error);
	if (status == PAWL_OK)
		status = apply_flags(flags, &config, error);
	if (status != PAWL_OK)
	{
		config_free(&config);
		return status;
	}
	*ret_config = config;
	return PAWL_OK;
}

/* ------------------------------------------------------------ handlers ----------- */

static pawl_status
prepare_exec(const worker_config *config, const handler_config *handler, guard *warden,
             worker_setup *setup, size_t index, pawl_error *error)
{
	exec_options options = {
		.command = handler->exec,
		.shell = handler->shell,
		.jobs = (size_t) handler->jobs,
		.pass_env = (const char *const *) config->pass_env.items,
		.connection = (const char *const *) setup->connection,
		.guard = warden,
	};
	pawl_status status = exec_spec_new(&options, &setup->execs[index], error);

	if (status != PAWL_OK)
		return status;
	if (handler->jobs == 0)
		return pawl_worker_handle(setup->worker, handler->kind, exec_run,
		                          setup->execs[index], error);
	return pawl_worker_handle_many(setup->worker, handler->kind, options.jobs,
	                               exec_run_many, setup->execs[index], error);
}

static pawl_status
prepare_object(const handler_config *handler, worker_setup *setup, size_t index,
               pawl_error *error)
{
	object_handler found;
	pawl_status status =
		object_open(handler->object, &setup->objects[index], &found, error);

	if (status != PAWL_OK)
		return status;
	if (found.call != NULL)
		return pawl_worker_handle(setup->worker, handler->kind, found.call, NULL,
		                          error);
	return pawl_worker_handle_many(setup->worker, handler->kind, found.jobs,
	                               found.call_many, NULL, error);
}

/* Say whose handler it is. */
static pawl_status
name_handler(const handler_config *handler, pawl_status status, pawl_error *error)
{
	if (status != PAWL_OK)
		error_detail(error, "It is the handler of kind \"%s\".", handler->kind);
	return status;
}

static pawl_status
prepare_handlers(const worker_config *config, guard *warden, worker_setup *setup,
                 pawl_error *error)
{
	pawl_status status = PAWL_OK;

	setup->n = config->n_handlers;
	setup->execs = calloc(setup->n + 1, sizeof(*setup->execs));
	setup->objects = calloc(setup->n + 1, sizeof(*setup->objects));
	if (setup->execs == NULL || setup->objects == NULL)
		return error_memory(error);
	for (size_t i = 0; i < setup->n && status == PAWL_OK; i++)
	{
		const handler_config *handler = &config->handlers[i];

		if (handler->exec != NULL)
			status = prepare_exec(config, handler, warden, setup, i, error);
		else
			status = prepare_object(handler, setup, i, error);
		status = name_handler(handler, status, error);
	}
	return status;
}

/* ------------------------------------------------------------ the worker --------- */

/*
 * A program that cannot be started for want of a descriptor is a failed attempt.  The
 * soft limit is raised no further than is needed: programs inherit it.
 */
static pawl_status
allow_descriptors(size_t executors, size_t groups, pawl_error *error)
{
	rlim_t needed = executors * EXECUTOR_FDS + groups * RUNNER_FDS + OTHER_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not read a limit: %s",
		                 strerror(errno));
	if (limit.rlim_cur >= needed)
		return PAWL_OK;
	limit.rlim_cur = needed;
	if (limit.rlim_max >= needed && setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return PAWL_OK;
	error_set(error, PAWL_ERR_ARGUMENT,
	          "%zu executors and %zu groups need %ju open files, the limit is %ju",
	          executors, groups, (uintmax_t) needed, (uintmax_t) limit.rlim_max);
	error_hint(error, "Allow more (ulimit -n), or have fewer executors (-j) or groups "
	                  "(-g).");
	return PAWL_ERR_ARGUMENT;
}

pawl_status
worker_prepare(const worker_config *config, const char *conninfo, bool once,
               guard *warden, worker_setup *ret_setup, pawl_error *error)
{
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
	worker_setup setup = {0};
	pawl_status status = PAWL_OK;

	options.conninfo = conninfo;
	options.queues = (const char *const *) config->queues.items;
	options.executors = config->executors;
	options.groups = config->groups;
	options.group_jobs = config->group_jobs;
	options.group_ms = config->group_ms;
	options.lease_ms = config->lease_ms;
	options.poll_ms = config->poll_ms;
	options.drain_ms = config->drain_ms;
	options.wait_cancel_ms = config->wait_cancel_ms;
	options.once = once;
	options.notice = talk_notice;
	if (conninfo != NULL)
		status = conninfo_environment(conninfo, &setup.connection, error);
	if (status == PAWL_OK)
		status = pawl_worker_new(&options, &setup.worker, error);
	if (status == PAWL_OK)
		status =
			allow_descriptors(setup.worker->executors, setup.worker->groups, error);
	if (status == PAWL_OK)
		status = prepare_handlers(config, warden, &setup, error);
	if (status != PAWL_OK)
	{
		worker_setup_free(&setup);
		return status;
	}
	*ret_setup = setup;
	return PAWL_OK;
}

void
worker_setup_free(worker_setup *setup)
{
	pawl_worker_free(setup->worker);
	for (size_t i = 0; i < setup->n; i++)
	{
		if (setup->execs != NULL)
			exec_spec_free(setup->execs[i]);
		if (setup->objects != NULL && setup->objects[i] != NULL)
			object_close(setup->objects[i]);
	}
	free(setup->execs);
	free(setup->objects);
	conninfo_free(setup->connection);
	*setup = (worker_setup){0};
}
