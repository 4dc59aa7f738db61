/*
 * process.c - a program of PostgreSQL's as a child of ours
 *
 * fork and exec by hand, because the child changes its user.  Between fork and exec
 * only async-signal-safe calls are made, in case the program has threads after all.
 */
#include "embed/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

#define REPORT_FD 3 /* in the child: where it says that exec failed */
#define HIGH_FD 10
#define ENV_MAX 6

/* Pipes between us and the child: [0] is read, [1] is written. */
typedef struct links
{
	int gate[2];   /* the child begins when it can read a byte */
	int report[2]; /* it writes errno, or closes it by exec */
	int input[2];  /* its stdin */
} links;

typedef struct environment
{
	char texts[ENV_MAX][PATH_MAX + 32];
	char *list[ENV_MAX + 1];
} environment;

/* ------------------------------------------------------------ before ------------- */

static void
close_pair(int *pair)
{
	for (int i = 0; i < 2; i++)
	{
		if (pair[i] >= 0)
			close(pair[i]);
		pair[i] = -1;
	}
}

static void
links_close(links *l)
{
	close_pair(l->gate);
	close_pair(l->report);
	close_pair(l->input);
}

static void
cleanup_links(links *l)
{
	links_close(l);
}

#define auto_links __attribute__((cleanup(cleanup_links))) links

/* The child's ends lie above what they are moved to. */
static bool
open_pair(int *pair)
{
	int low[2];

	if (pipe2(low, O_CLOEXEC) != 0)
		return false;
	for (int i = 0; i < 2; i++)
	{
		pair[i] = fcntl(low[i], F_DUPFD_CLOEXEC, HIGH_FD);
		close(low[i]);
	}
	return pair[0] >= 0 && pair[1] >= 0;
}

static pawl_status
links_open(links *l, const char *input, pawl_error *error)
{
	size_t length = input == NULL ? 0 : strlen(input);

	assert(length <= 4096); /* a pipe takes it without a reader */
	if (!open_pair(l->gate) || !open_pair(l->report) || !open_pair(l->input) ||
	    (length > 0 && write(l->input[1], input, length) != (ssize_t) length))
		return error_set(error, PAWL_ERR_SYSTEM, "could not create a pipe: %s",
		                 strerror(errno));
	return PAWL_OK;
}

static void
set_variable(environment *e, int *count, const char *name, const char *value)
{
	if (value == NULL)
		return;
	assert(*count < ENV_MAX);
	snprintf(e->texts[*count], sizeof(e->texts[0]), "%s=%s", name, value);
	e->list[*count] = e->texts[*count];
	e->list[++*count] = NULL;
}

static void
fill_environment(environment *e, const char *mark)
{
	int count = 0;

	set_variable(e, &count, "PATH", "/usr/local/bin:/usr/bin:/bin");
	set_variable(e, &count, "HOME", "/");
	set_variable(e, &count, "LC_ALL", "C.UTF-8");
	set_variable(e, &count, "PAWL_EMBED", mark);
	set_variable(e, &count, "TZ", getenv("TZ"));
	set_variable(e, &count, "LD_LIBRARY_PATH", getenv("LD_LIBRARY_PATH"));
}

/* ------------------------------------------------------------ in the child ------- */

static void
plain_signals(void)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void) sigaction(number, &plain, NULL); /* two of them cannot be set */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool
place_descriptors(const links *l, const char *log)
{
	int output =
		open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (output < 0)
		return false;
	output = fcntl(output, F_DUPFD_CLOEXEC, HIGH_FD);
	return output >= 0 && dup2(l->input[0], STDIN_FILENO) >= 0 &&
	       dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0 &&
	       dup3(l->report[1], REPORT_FD, O_CLOEXEC) >= 0 &&
	       close_range(REPORT_FD + 1, ~0U, 0) == 0;
}

/* Waits until the parent has registered us; its death ends us here. */
static void
pass_gate(const links *l)
{
	char byte;

	close(l->gate[1]);
	if (read(l->gate[0], &byte, 1) != 1)
		_exit(1);
}

static _Noreturn void
run_child(const launch *order, const links *l, char *const *env)
{
	int report = l->report[1];
	int code;

	plain_signals();
	setsid();
	if (identity_assume(order->who) && prctl(PR_SET_PDEATHSIG, SIGINT) == 0)
	{
		pass_gate(l);
		if (chdir("/") == 0 && place_descriptors(l, order->log))
		{
			report = REPORT_FD;
			execve(order->argv[0], order->argv, env);
		}
	}
	code = errno;
	(void) !write(report, &code, sizeof(code));
	_exit(127);
}

/* ------------------------------------------------------------ in the parent ------ */

/* Fork with every signal blocked: no handler of the program's runs in the child. */
static pid_t
fork_child(const launch *order, const links *l)
{
	environment env;
	sigset_t all, before;
	pid_t pid;

	fill_environment(&env, order->mark);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		run_child(order, l, env.list);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* Lets it begin; an error number when it could not execute. */
static int
open_gate(links *l)
{
	int code = 0;

	close_pair(l->input);
	close(l->report[1]);
	l->report[1] = -1;
	if (write(l->gate[1], "", 1) != 1)
		return errno;
	while (read(l->report[0], &code, sizeof(code)) < 0 && errno == EINTR)
	{
		/* again */
	}
	return code;
}

static pawl_status
begin(const launch *order, links *l, process *p, pawl_error *error)
{
	pawl_status status = PAWL_OK;
	int code;

	p->fd = pidfd_open(p->pid, 0);
	if (p->fd < 0)
		status = error_set(error, PAWL_ERR_SYSTEM, "could not open process %d: %s",
		                   (int) p->pid, strerror(errno));
	else if (order->options->started != NULL)
		status = order->options->started(p->pid, order->options->closure, error);
	if (status != PAWL_OK)
		return status;
	code = open_gate(l);
	if (code == 0)
		return PAWL_OK;
	if (order->options->ended != NULL)
		order->options->ended(p->pid, order->options->closure);
	return error_set(error, PAWL_ERR_SYSTEM,
	                 "could not execute \"%s\" as user \"%s\": %s", order->argv[0],
	                 order->who->name, strerror(code));
}

pawl_status
process_start(const launch *order, process *ret_process, pawl_error *error)
{
	auto_links l = {{-1, -1}, {-1, -1}, {-1, -1}};
	process started = PROCESS_INIT;
	pawl_status status = links_open(&l, order->input, error);

	if (status != PAWL_OK)
		return status;
	started.pid = fork_child(order, &l);
	if (started.pid < 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not fork: %s", strerror(errno));
	status = begin(order, &l, &started, error);
	if (status != PAWL_OK)
	{
		kill(started.pid, SIGKILL);
		waitpid(started.pid, NULL, 0);
		if (started.fd >= 0)
			close(started.fd);
		return status;
	}
	*ret_process = started;
	return PAWL_OK;
}

process_event
process_wait(const process *p, int64_t deadline_ms, int stop_fd)
{
	struct pollfd fds[] = {{.fd = p->fd, .events = POLLIN},
	                       {.fd = stop_fd, .events = POLLIN}};

	for (;;)
	{
		int ready = poll(fds, 2, clock_poll_ms(deadline_ms));

		if (ready > 0)
			return fds[0].revents != 0 ? PROCESS_ENDED : PROCESS_STOP;
		if (ready == 0)
			return PROCESS_RUNS;
	}
}

bool
process_reap(process *p, const embed_options *options, char *ret_how, size_t size)
{
	siginfo_t end = {0};

	assert(p->pid > 0);
	if (options->ended != NULL)
		options->ended(p->pid, options->closure);
	while (waitid(P_PIDFD, (id_t) p->fd, &end, WEXITED) != 0 && errno == EINTR)
	{
		/* again */
	}
	close(p->fd);
	*p = (process) PROCESS_INIT;
	if (end.si_code == CLD_EXITED)
		snprintf(ret_how, size, "exit code %d", end.si_status);
	else
	{
		const char *name = sigdescr_np(end.si_status);

		snprintf(ret_how, size, "signal %d (%s)", end.si_status,
		         name == NULL ? "unknown" : name);
	}
	return end.si_code == CLD_EXITED && end.si_status == 0;
}

void
process_signal(const process *p, int number)
{
	if (p->pid > 0)
		(void) pidfd_send_signal(p->fd, number, NULL, 0);
}
