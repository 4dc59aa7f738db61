/*
 * up_worker.c - see up_worker.h; main thread
 */
#include "cli/up_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

#define SELF "/proc/self/exe"

/* The words of its command line; its strings are others' or `numbers`. */
typedef struct words
{
	string_list list;
	char numbers[4][32];
	int n_numbers;
	pawl_status status;
	pawl_error *error;
} words;

static void
add_word(words *w, const char *word)
{
	if (w->status == PAWL_OK)
		w->status = string_list_add(&w->list, word, w->error);
}

static void
add_option(words *w, const char *name, const char *value)
{
	if (value == NULL)
		return;
	add_word(w, name);
	add_word(w, value);
}

static void
add_number(words *w, const char *name, long long value, const char *unit)
{
	char *text = w->numbers[w->n_numbers++];

	(void) snprintf(text, sizeof(w->numbers[0]), "%lld%s", value, unit);
	add_option(w, name, text);
}

static pawl_status
build_words(const worker_flags *flags, const char *conninfo, bool quiet, words *w)
{
	add_word(w, "pawl");
	add_word(w, "work");
	add_option(w, "--database", conninfo);
	add_option(w, "--config", config_path(flags->config));
	add_option(w, "--queues", flags->queues);
	for (size_t i = 0; i < flags->handlers.n; i++)
		add_option(w, "--handler", flags->handlers.items[i]);
	for (size_t i = 0; i < flags->objects.n; i++)
		add_option(w, "--load", flags->objects.items[i]);
	if (flags->executors != 0)
		add_number(w, "--jobs", flags->executors, "");
	if (flags->groups != -1)
		add_number(w, "--groups", flags->groups, "");
	if (flags->lease_ms != -1)
		add_number(w, "--lease", flags->lease_ms, "ms");
	if (flags->poll_ms != -1)
		add_number(w, "--poll", flags->poll_ms, "ms");
	if (flags->drain_ms != -1)
		add_number(w, "--drain", flags->drain_ms, "ms");
	if (flags->wait_cancel_ms != -1)
		add_number(w, "--wait-cancel", flags->wait_cancel_ms, "ms");
	if (quiet)
		add_word(w, "--quiet");
	add_word(w, NULL);
	return w->status;
}

/* In the child, between fork and exec. */
static void
become_worker(pid_t parent, const string_list *list)
{
	(void) setpgid(0, 0);
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		(void) execv(SELF, (char *const *) list->items);
	_exit(127);
}

static pawl_status
spawn(const string_list *list, up_worker *ret_worker, pawl_error *error)
{
	pid_t parent = getpid();
	pid_t pid;
	int fd;

	(void) fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_worker(parent, list);
	if (pid < 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not start the worker: %s",
		                 strerror(errno));
	fd = pidfd_open(pid, 0);
	if (fd < 0)
	{
		(void) error_set(error, PAWL_ERR_SYSTEM, "could not watch the worker: %s",
		                 strerror(errno));
		(void) kill(pid, SIGKILL);
		(void) waitpid(pid, NULL, 0);
		return PAWL_ERR_SYSTEM;
	}
	*ret_worker = (up_worker){pid, fd};
	return PAWL_OK;
}

pawl_status
up_worker_start(const worker_flags *flags, const char *conninfo, bool quiet,
                up_worker *ret_worker, pawl_error *error)
{
	words w = {.status = PAWL_OK, .error = error};
	pawl_status status = build_words(flags, conninfo, quiet, &w);

	if (status == PAWL_OK)
		status = spawn(&w.list, ret_worker, error);
	string_list_free(&w.list);
	return status;
}

void
up_worker_stop(const up_worker *worker)
{
	if (worker->pid > 0)
		(void) kill(worker->pid, SIGTERM);
}

int
up_worker_reap(up_worker *worker)
{
	int how = 0;

	while (waitpid(worker->pid, &how, 0) < 0 && errno == EINTR)
		;
	(void) close(worker->fd);
	*worker = (up_worker){0, -1};
	return how;
}
