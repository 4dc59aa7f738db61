/*
 * child.c - a program in a process group of its own, with four pipes
 *
 * posix_spawn, because the worker has threads: it needs no copy of the worker's
 * memory, and tells whether the exec worked.  Every descriptor is close-on-exec from
 * its creation; closing all from 4 on in the child is the belt for those of other
 * libraries.
 */
#include "handler/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "handler/sweep.h"

#define PIPES 4    /* descriptors 0 to 3 of the child */
#define HIGH_FD 10 /* the child's ends lie above what they are moved to */
#define SWEEP_QUIET 2

/* Per descriptor of the child. */
typedef struct pipes
{
	int ours[PIPES];
	int theirs[PIPES];
} pipes;

void
child_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
pipes_close(pipes *p)
{
	for (int i = 0; i < PIPES; i++)
	{
		child_close(&p->ours[i]);
		child_close(&p->theirs[i]);
	}
}

/* False: errno says why. */
static bool
open_pipe(pipes *p, int number)
{
	int ends[2];
	int mine = number == STDIN_FILENO ? 1 : 0;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	p->ours[number] = ends[mine];
	p->theirs[number] = fcntl(ends[1 - mine], F_DUPFD_CLOEXEC, HIGH_FD);
	close(ends[1 - mine]);
	return p->theirs[number] >= 0 && fcntl(p->ours[number], F_SETFL, O_NONBLOCK) == 0;
}

static pawl_status
pipes_open(pipes *p, pawl_error *error)
{
	*p = (pipes){{-1, -1, -1, -1}, {-1, -1, -1, -1}};
	for (int i = 0; i < PIPES; i++)
	{
		if (!open_pipe(p, i))
			return error_set(error, PAWL_ERR_SYSTEM, "could not create a pipe: %s",
			                 strerror(errno));
	}
	return PAWL_OK;
}

/* An error number, or 0. */
static int
fill_actions(posix_spawn_file_actions_t *actions, const pipes *p)
{
	int failed = 0;

	for (int i = 0; i < PIPES && failed == 0; i++)
		failed = posix_spawn_file_actions_adddup2(actions, p->theirs[i], i);
	if (failed == 0)
		failed = posix_spawn_file_actions_addclosefrom_np(actions, PIPES);
	return failed;
}

static void
fill_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
	                                         POSIX_SPAWN_SETSIGMASK);
}

/* An error number, or 0. */
static int
spawn(char *const *argv, char *const *env, const pipes *p, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int failed = posix_spawn_file_actions_init(&actions);

	if (failed != 0)
		return failed;
	failed = posix_spawnattr_init(&attributes);
	if (failed == 0)
	{
		fill_attributes(&attributes);
		failed = fill_actions(&actions, p);
		if (failed == 0)
			failed = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, env);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return failed;
}

/*
 * It is our child and not waited for, so its number is its own; only then can it be
 * given to the guard and turned into a descriptor without a race.
 */
static pawl_status
watch(pid_t pid, guard *guard_, int *ret_process, pawl_error *error)
{
	int process = pidfd_open(pid, 0);
	pawl_status status;

	if (process < 0)
		status = error_set(error, PAWL_ERR_SYSTEM, "could not open process %d: %s",
		                   (int) pid, strerror(errno));
	else
		status = guard_register(guard_, pid, GUARD_KILL, error);
	if (status == PAWL_OK)
	{
		*ret_process = process;
		return PAWL_OK;
	}
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	child_close(&process);
	return status;
}

pawl_status
child_spawn(char *const *argv, char *const *env, guard *guard_, child *ret_child,
            pawl_error *error)
{
	pipes p;
	child started = {.process = -1};
	pawl_status status = pipes_open(&p, error);

	if (status == PAWL_OK)
	{
		int failed = spawn(argv, env, &p, &started.pid);

		if (failed != 0)
			status = error_set(error, PAWL_ERR_SYSTEM, "could not execute \"%s\": %s",
			                   argv[0], strerror(failed));
	}
	if (status == PAWL_OK)
		status = watch(started.pid, guard_, &started.process, error);
	if (status != PAWL_OK)
	{
		pipes_close(&p);
		return status;
	}
	for (int i = 0; i < PIPES; i++)
		child_close(&p.theirs[i]);
	started.in = p.ours[0];
	started.out = p.ours[1];
	started.err = p.ours[2];
	started.messages = p.ours[3];
	*ret_child = started;
	return PAWL_OK;
}

void
child_signal(const child *c, int number)
{
	bool left;

	assert(c->pid > 1 && c->process >= 0);
	left = kill(-c->pid, number) != 0;
	if (number != SIGKILL)
		kill(-c->pid, SIGCONT);

	/* It may have gone over to another group: its end is waited for. */
	if (left || number == SIGKILL)
		(void) pidfd_send_signal(c->process, number, NULL, 0);
}

/* The group is killed before the wait: until then its number cannot be another's. */
void
child_reap(child *c, guard *guard_, const char *mark, siginfo_t *ret_end)
{
	assert(c->pid > 1 && c->process >= 0);
	kill(-c->pid, SIGKILL);
	if (mark != NULL)
		sweep(mark, SWEEP_QUIET);
	guard_unregister(guard_, c->pid);
	*ret_end = (siginfo_t){0};
	while (waitid(P_PIDFD, (id_t) c->process, ret_end, WEXITED) != 0 && errno == EINTR)
	{
		/* again */
	}
	child_close(&c->process);
}
