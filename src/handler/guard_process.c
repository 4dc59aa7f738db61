/*
 * guard_process.c - the guard: waits for the end of its program, then ends the rest
 *
 * A process of its own, in a session of its own, deaf to the terminal's signals.  It
 * may have been forked from a process with threads, so nothing here allocates or
 * takes a lock: system calls and the stack.
 */
#include "handler/guard_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "handler/sweep.h"

#define SOCKET_FD 3  /* where the two descriptors are kept */
#define PROGRAM_FD 4 /* a pidfd */
#define HIGH_FD 10   /* above both */

#define SERVER_PATIENCE_MS 5000 /* from SIGINT to SIGQUIT, and on to SIGKILL */
#define EXEC_PATIENCE_MS 5000   /* from a handler's start to its exec */
#define QUIET_UNCLEAN 5
#define QUIET_CLEAN 1

typedef struct server
{
	pid_t pid;
	int process; /* its pidfd, which outlives the number's reuse */
} server;

typedef struct guarded
{
	guard_place *table; /* of groups */
	server servers[LIMIT_SERVERS];
	int count;
	bool clean; /* GUARD_BYE has come */
} guarded;

static void
keep_descriptors(int socket, int program)
{
	int null;

	socket = fcntl(socket, F_DUPFD_CLOEXEC, HIGH_FD);
	program = fcntl(program, F_DUPFD_CLOEXEC, HIGH_FD);
	dup2(socket, SOCKET_FD);
	dup2(program, PROGRAM_FD);
	close_range(PROGRAM_FD + 1, ~0U, 0);
	close(STDIN_FILENO);
	null = open("/dev/null", O_RDWR);
	if (null == STDIN_FILENO)
	{
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
}

static void
be_deaf(void)
{
	static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGALRM, SIGTERM,
	                              SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &ignore, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
hold(guarded *all, pid_t pid)
{
	if (all->count == LIMIT_SERVERS)
		return; /* the program has the same limit and does not send more */
	all->servers[all->count++] = (server){.pid = pid, .process = pidfd_open(pid, 0)};
}

static void
let(guarded *all, pid_t pid)
{
	for (int i = 0; i < all->count; i++)
	{
		if (all->servers[i].pid != pid)
			continue;
		if (all->servers[i].process >= 0)
			close(all->servers[i].process);
		all->servers[i] = all->servers[--all->count];
		return;
	}
}

/* Takes what messages there are.  False at the end of them: the program has gone. */
static bool
listen_once(guarded *all)
{
	guard_message message;
	ssize_t got;

	while ((got = recv(SOCKET_FD, &message, sizeof(message), MSG_DONTWAIT)) > 0)
	{
		if (got != sizeof(message))
			continue;
		if (message.command == GUARD_HOLD)
			hold(all, message.pid);
		else if (message.command == GUARD_LET)
			let(all, message.pid);
		else if (message.command == GUARD_BYE)
			all->clean = true;
	}
	return got < 0 && (errno == EAGAIN || errno == EINTR);
}

/*
 * Until the program is gone: its socket closed, or, in case a process that it forked
 * without exec still holds the socket, itself ended.
 */
static void
wait_for_end(guarded *all)
{
	struct pollfd fds[2] = {{.fd = SOCKET_FD, .events = POLLIN},
	                        {.fd = PROGRAM_FD, .events = POLLIN}};

	for (;;)
	{
		if (poll(fds, 2, -1) < 0)
			continue;
		if (!listen_once(all) || fds[1].revents != 0)
			break;
	}
	(void) listen_once(all);
}

/* Each once: later its number may be another's. */
static void
kill_groups(const guarded *all)
{
	for (int i = 0; i < LIMIT_GUARDED; i++)
	{
		pid_t pid = atomic_exchange(&all->table[i].pid, 0);

		if (pid > 1)
			kill(-pid, SIGKILL);
	}
}

static void
signal_servers(const guarded *all, int number)
{
	for (int i = 0; i < all->count; i++)
	{
		if (all->servers[i].process >= 0)
			(void) pidfd_send_signal(all->servers[i].process, number, NULL, 0);
	}
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether all servers have ended within the time that one has. */
static bool
servers_ended(const guarded *all)
{
	int64_t deadline_ms = now_ms() + SERVER_PATIENCE_MS;

	for (int i = 0; i < all->count; i++)
	{
		struct pollfd fd = {.fd = all->servers[i].process, .events = POLLIN};
		int64_t left_ms = deadline_ms - now_ms();

		if (fd.fd >= 0 && poll(&fd, 1, left_ms > 0 ? (int) left_ms : 0) <= 0)
			return false;
	}
	return true;
}

/*
 * A child between its start and its exec has no mark to be found by, but soon a number
 * in the table, and a copy of the program's end of the socket: while anybody has that,
 * there may be more to kill.  Not for ever: what the program forked without exec keeps
 * it.
 */
static void
sweep_latecomers(guarded *all, const char *token)
{
	int64_t deadline_ms = now_ms() + EXEC_PATIENCE_MS;
	bool more;

	do
	{
		more = listen_once(all); /* looked at first: who let go of it bears the mark */
		kill_groups(all);
		sweep(token, QUIET_UNCLEAN);
	} while (more && now_ms() < deadline_ms);
}

static void
end_all(guarded *all, const char *token)
{
	static const int insistence[] = {SIGQUIT, SIGKILL};

	signal_servers(all, SIGINT);
	kill_groups(all);
	if (all->clean)
		sweep(token, QUIET_CLEAN);
	else
		sweep_latecomers(all, token);
	for (int i = 0; i < 2 && !servers_ended(all); i++)
		signal_servers(all, insistence[i]);
}

void
guard_process_run(guard_place *table, int socket, int program, const char *token)
{
	guarded all = {.table = table};

	be_deaf();
	setsid();
	prctl(PR_SET_NAME, "pawl guard");
	keep_descriptors(socket, program);
	if (chdir("/") != 0)
	{
		/* It stays where it is: a directory in use, no harm. */
	}
	wait_for_end(&all);
	end_all(&all, token);
	_exit(0);
}
