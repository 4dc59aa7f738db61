/*
 * bench_worker.c - the worker of `pawl bench`: a process whose handler does nothing
 *
 * It is in a group of its own, so that Ctrl-C reaches the command alone, and dies with
 * the command.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/bench.h"
#include "cli/signals.h"
#include "cli/talk.h"

#define LOOK_MS 100

/* ------------------------------------------------------------ in the worker ------ */

typedef struct idle_worker
{
	pawl_worker *worker;
	bench_page *page;
} idle_worker;

/* The number in {"n": 17, "pad": "..."}; the args are our own. */
static long
number_of(const char *args)
{
	return strtol(args + strlen("{\"n\": "), NULL, 10);
}

static pawl_verdict
handle(pawl_context *context, const pawl_job *job, void *closure)
{
	int64_t now_us = clock_us();
	idle_worker *self = closure;
	bench_page *page = self->page;
	long number = number_of(job->args);
	long long handled;

	(void) context;
	if (number >= 0 && number < BENCH_STAMPS_MAX)
		atomic_store(&page->stamps[number], now_us);
	handled = atomic_fetch_add(&page->handled, 1) + 1;
	if (handled == 1)
		atomic_store(&page->first_us, now_us);
	if (handled == atomic_load(&page->until))
		pawl_worker_stop(self->worker);
	return PAWL_COMPLETE;
}

static void
notice(pawl_level level, const char *message, void *closure)
{
	if (level >= PAWL_WARN)
		talk_notice(level, message, closure);
}

static int
work(const bench *b)
{
	const char *const queues[] = {b->queue, NULL};
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
	idle_worker self = {.page = b->page};
	pawl_error error;

	options.conninfo = b->call->common.conninfo;
	options.queues = queues;
	options.notice = notice;
	if (pawl_worker_new(&options, &self.worker, &error) != PAWL_OK ||
	    pawl_worker_handle(self.worker, BENCH_KIND, handle, &self, &error) != PAWL_OK ||
	    signals_to_worker(self.worker, &error) != PAWL_OK ||
	    pawl_worker_run(self.worker, &error) != PAWL_OK)
		return talk_error(&error);
	return 0;
}

_Noreturn static void
become_worker(const bench *b, pid_t parent)
{
	(void) setpgid(0, 0);
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	signals_default();
	_exit(getppid() == parent ? work(b) : EXIT_OPERATION);
}

/* ------------------------------------------------------------ in the command ----- */

pawl_status
bench_worker_start(const bench *b, bench_worker *ret_worker, pawl_error *error)
{
	pid_t parent = getpid();
	pid_t pid;
	int fd;

	atomic_store(&b->page->handled, 0);
	atomic_store(&b->page->first_us, 0);
	(void) fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_worker(b, parent);
	fd = pid > 0 ? pidfd_open(pid, 0) : -1;
	if (fd < 0)
	{
		(void) error_set(error, PAWL_ERR_SYSTEM, "could not start the worker: %s",
		                 strerror(errno));
		if (pid > 0)
		{
			(void) kill(pid, SIGKILL);
			(void) waitpid(pid, NULL, 0);
		}
		return PAWL_ERR_SYSTEM;
	}
	*ret_worker = (bench_worker){pid, fd};
	return PAWL_OK;
}

bool
bench_worker_wait(bench *b, const bench_worker *worker, int64_t deadline_ms,
                  const char *text, int64_t total)
{
	struct pollfd fds[] = {{worker->fd, POLLIN, 0}, {b->signal_fd, POLLIN, 0}};

	while (clock_ms() < deadline_ms)
	{
		int ready = poll(fds, 2, LOOK_MS);

		progress_show(&b->progress, atomic_load(&b->page->handled), total, text);
		if (ready > 0 && (fds[0].revents != 0 || fds[1].revents != 0))
			return fds[0].revents != 0;
	}
	return false;
}

pawl_status
bench_worker_end(bench_worker *worker, pawl_error *error)
{
	int how = 0;

	if (worker->pid == 0)
		return PAWL_OK;
	(void) kill(worker->pid, SIGTERM);
	while (waitpid(worker->pid, &how, 0) < 0 && errno == EINTR)
	{
		/* again */
	}
	(void) close(worker->fd);
	*worker = (bench_worker){0, -1};
	if (!WIFEXITED(how) || WEXITSTATUS(how) != 0)
		return error_set(error, PAWL_ERR_SYSTEM, "the worker has failed");
	return PAWL_OK;
}
