/*
 * crew.c - see crew.h: the one place that creates threads
 *
 * Signals that are sent to the process stay with the threads of the program: those of
 * the library block them all, but for those that a fault of the thread itself raises.
 */
#include "worker/crew.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "worker/wait.h"

static void
block_signals(sigset_t *ret_former)
{
	static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
	                             SIGABRT, SIGTRAP, SIGSYS};
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, ret_former);
}

static pawl_status
start_thread(pthread_t *ret_thread, const char *name, void *(*run)(void *), void *arg,
             pawl_error *error)
{
	sigset_t former;
	int failure;

	block_signals(&former);
	failure = pthread_create(ret_thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	if (failure != 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not start a thread: %s",
		                 strerror(failure));
	pthread_setname_np(*ret_thread, name);
	return PAWL_OK;
}

static pawl_status
prepare_context(crew *c, pawl_context *context, pawl_error *error)
{
	context->worker = c->worker;
	context->interrupt_fd = wait_event_new();
	if (context->interrupt_fd < 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not create eventfd: %s",
		                 strerror(errno));
	return PAWL_OK;
}

static pawl_status
start_executor(crew *c, executor *e, pawl_error *error)
{
	pawl_status status = prepare_context(c, &e->context, error);

	if (status != PAWL_OK)
		return status;
	status = start_thread(&e->thread, "pawl-execute", executor_main, e, error);
	e->started = status == PAWL_OK;
	if (!e->started)
		close(e->context.interrupt_fd);
	return status;
}

static pawl_status
start_runner(crew *c, size_t i, pawl_error *error)
{
	group_runner *r = &c->runners[i];
	pawl_status status = prepare_context(c, &r->context, error);

	if (status != PAWL_OK)
		return status;
	r->seat = &c->worker->seats.seats[i];
	status = start_thread(&r->thread, "pawl-group", group_runner_main, r, error);
	r->started = status == PAWL_OK;
	if (!r->started)
		close(r->context.interrupt_fd);
	return status;
}

/* Those that run handlers. */
static pawl_status
start_hands(crew *c, pawl_error *error)
{
	pawl_worker *worker = c->worker;
	pawl_status status = PAWL_OK;

	c->executors = calloc(worker->executors, sizeof(*c->executors));
	c->runners = calloc(worker->groups + 1, sizeof(*c->runners));
	if (c->executors == NULL || c->runners == NULL)
		return error_memory(error);
	for (size_t i = 0; i < worker->executors && status == PAWL_OK; i++)
		status = start_executor(c, &c->executors[i], error);
	for (size_t i = 0; i < worker->groups && status == PAWL_OK; i++)
		status = start_runner(c, i, error);
	return status;
}

pawl_status
crew_start(crew *c, pawl_worker *worker, pawl_error *error)
{
	/* the claimer last: it brings work for the others */
	static const struct
	{
		crew_role role;
		const char *name;
		void *(*run)(void *);
	} threads[] = {
		{CREW_KEEPER, "pawl-keep", keeper_main},
		{CREW_SETTLER, "pawl-settle", settler_main},
		{CREW_LOG_WRITER, "pawl-log", log_writer_main},
		{CREW_STEWARD, "pawl-upkeep", steward_main},
		{CREW_CLAIMER, "pawl-claim", claimer_main},
	};
	pawl_status status;

	static_assert(sizeof(threads) / sizeof(threads[0]) == CREW_ROLES,
	              "a thread is missing");
	*c = (crew){.worker = worker};
	status = start_hands(c, error);
	for (size_t i = 0; i < CREW_ROLES && status == PAWL_OK; i++)
	{
		crew_role role = threads[i].role;

		status = start_thread(&c->threads[role], threads[i].name, threads[i].run,
		                      worker, error);
		c->started[role] = status == PAWL_OK;
	}
	return status;
}

void
crew_join(crew *c, crew_role role)
{
	if (!c->started[role])
		return;
	pthread_join(c->threads[role], NULL);
	c->started[role] = false;
}

void
crew_join_executors(crew *c)
{
	for (size_t i = 0; c->executors != NULL && i < c->worker->executors; i++)
	{
		executor *e = &c->executors[i];

		if (!e->started)
			continue;
		pthread_join(e->thread, NULL);
		close(e->context.interrupt_fd);
	}
	free(c->executors);
	c->executors = NULL;
}

void
crew_join_runners(crew *c)
{
	for (size_t i = 0; c->runners != NULL && i < c->worker->groups; i++)
	{
		group_runner *r = &c->runners[i];

		if (!r->started)
			continue;
		pthread_join(r->thread, NULL);
		close(r->context.interrupt_fd);
	}
	free(c->runners);
	c->runners = NULL;
}
