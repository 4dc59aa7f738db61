/*
 * child.c - a program in a process group of its own, with four pipes
 *
 * Every descriptor is close-on-exec from its creation.
 */
#include "handler/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "handler/sweep.h"

#define HIGH_FD 10 /* above what becomes the child's */
#define SWEEP_QUIET 2

/* ------------------------------------------------------------ pipes -------------- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
child_end_input(child *c)
{
	close_fd(&c->ours[STDIN_FILENO]);
}

void
child_close(child *c)
{
	for (int i = 0; i < LAUNCH_FDS; i++)
	{
		close_fd(&c->ours[i]);
		close_fd(&c->theirs[i]);
	}
	close_fd(&c->process);
}

/* Out of the way of the descriptors that are the child's.  False: errno says why. */
static bool
move_high(int *fd)
{
	int high;

	if (*fd >= LAUNCH_FDS)
		return true;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (high < 0)
		return false;
	close(*fd);
	*fd = high;
	return true;
}

/* False: errno says why. */
static bool
open_pipe(child *c, int number)
{
	int mine = number == STDIN_FILENO ? 1 : 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	c->ours[number] = ends[mine];
	c->theirs[number] = ends[1 - mine];
	return move_high(&c->theirs[number]) &&
	       fcntl(c->ours[number], F_SETFL, O_NONBLOCK) == 0;
}

pawl_status
child_open(child *c, pawl_error *error)
{
	for (int i = 0; i < LAUNCH_FDS; i++)
	{
		if (!open_pipe(c, i))
			return error_set(error, PAWL_ERR_SYSTEM, "could not create a pipe: %s",
			                 strerror(errno));
	}
	return PAWL_OK;
}

/* ------------------------------------------------------------ its life ----------- */

pawl_status
child_start(child *c, char *const *argv, char *const *paths, char *const *env,
            guard *guard_, pawl_error *error)
{
	launch l = {.argv = argv, .env = env, .paths = paths};
	pawl_status status = guard_reserve(guard_, &c->place, error);
	int failed;

	if (status != PAWL_OK)
		return status;
	memcpy(l.fds, c->theirs, sizeof(l.fds));
	l.place = c->place;
	failed = launch_run(&l, &c->pid, &c->process);
	if (failed == 0)
		return PAWL_OK;
	guard_release(guard_, c->place);
	return error_set(error, PAWL_ERR_SYSTEM, "could not execute \"%s\": %s", argv[0],
	                 strerror(failed));
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
	guard_release(guard_, c->place);
	*ret_end = (siginfo_t){0};
	while (waitid(P_PIDFD, (id_t) c->process, ret_end, WEXITED) != 0 && errno == EINTR)
	{
		/* again */
	}
}
