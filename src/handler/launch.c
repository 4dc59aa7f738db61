/*
 * launch.c - from the worker to another program, in a process of its own
 *
 * Called by exec handlers on executor threads.  The new process shares the worker's
 * memory until it executes, while the thread that started it stands still (vfork): so it
 * makes bare system calls, for libc's functions, and those of a sanitizer before them,
 * keep records in that memory.  What it has to tell it writes to the guard's place.
 */
#include "handler/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIGNALS 64 /* the kernel's: a set of them is a uint64_t */
#define DEFAULT_PATH "/bin:/usr/bin"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

#ifdef __SANITIZE_THREAD__
pid_t __vfork(void);
#define vfork __vfork /* the sanitizer's is a fork, which waits for no exec */
#endif

/* Runs in the new process: nothing may keep a record of it. */
#define IN_CHILD static __attribute__((no_sanitize("address", "thread", "undefined")))

/* ------------------------------------------------------------ paths -------------- */

static void
add_path(strings *paths, const char *directory, size_t length, const char *name)
{
	if (length == 0)
		strings_add(paths, name); /* an empty part of PATH is the working directory */
	else
		strings_addf(paths, "%.*s/%s", (int) length, directory, name);
}

void
launch_paths(const char *name, strings *paths)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/') != NULL)
	{
		strings_add(paths, name);
		return;
	}
	for (path = path != NULL ? path : DEFAULT_PATH;; path++)
	{
		size_t length = strcspn(path, ":");

		add_path(paths, path, length, name);
		path += length;
		if (*path == '\0')
			return;
	}
}

/* ------------------------------------------------------------ in the new process - */

/*
 * A handler of the worker's must not run here, and what it ignores is not ignored by
 * the program.  All zero is the kernel's struct of the default, whatever its layout.
 */
IN_CHILD void
reset_signals(void)
{
	static const uint64_t by_default[8];
	static const uint64_t none;

	for (int number = 1; number <= SIGNALS; number++)
		(void) syscall(SYS_rt_sigaction, number, by_default, NULL, SIGNALS / 8);
	(void) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, SIGNALS / 8);
}

/* False: errno says why. */
IN_CHILD bool
place_descriptors(const launch *l)
{
	for (int i = 0; i < LAUNCH_FDS; i++)
	{
		if (syscall(SYS_dup3, l->fds[i], i, 0) < 0)
			return false;
	}

	/*
	 * All have the flag already; this is the belt for those of other libraries.  They
	 * are closed by the exec itself, so that the guard's socket is let go of only when
	 * the mark in the environment is there to be found by.
	 */
	if (syscall(SYS_close_range, LAUNCH_FDS, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
		(void) syscall(SYS_close_range, LAUNCH_FDS, ~0U, 0);
	return true;
}

/* What the search for a program goes on after; others end it. */
IN_CHILD bool
is_elsewhere(int code)
{
	return code == EACCES || code == ENOENT || code == ENOTDIR || code == ESTALE ||
	       code == ENODEV || code == ETIMEDOUT;
}

/* Returns only when no path can be executed: the error that says most. */
IN_CHILD int
execute(const launch *l)
{
	bool denied = false;
	int code = ENOENT;

	for (char *const *path = l->paths; *path != NULL; path++)
	{
		(void) syscall(SYS_execve, *path, l->argv, l->env);
		code = errno;
		if (!is_elsewhere(code))
			return code;
		denied = denied || code == EACCES;
	}
	return denied ? EACCES : code;
}

_Noreturn IN_CHILD void
become(const launch *l)
{
	(void) syscall(SYS_setpgid, 0, 0);
	atomic_store(&l->place->pid, (pid_t) syscall(SYS_getpid));
	if (place_descriptors(l))
	{
		reset_signals();
		atomic_store(&l->place->failed, execute(l));
	}
	else
		atomic_store(&l->place->failed, errno);
	(void) syscall(SYS_exit_group, 127);
	__builtin_unreachable();
}

/* ------------------------------------------------------------ in the worker ------ */

/* Every signal, libc's own too, waits until the new process is another program. */
static pid_t
start(const launch *l)
{
	static const uint64_t all = UINT64_MAX;
	uint64_t before;
	pid_t pid;

	(void) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, SIGNALS / 8);
	pid = vfork();
	if (pid == 0)
		become(l);
	(void) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, SIGNALS / 8);
	return pid;
}

int
launch_run(const launch *l, pid_t *ret_pid, int *ret_process)
{
	pid_t pid = start(l);
	int failed = pid < 0 ? errno : atomic_load(&l->place->failed);
	int process = -1;

	if (failed == 0)
	{
		process = pidfd_open(pid, 0);
		failed = process < 0 ? errno : 0;
	}
	if (failed == 0)
	{
		*ret_pid = pid;
		*ret_process = process;
		return 0;
	}
	if (pid > 0)
	{
		(void) kill(-pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		{
			/* again */
		}
	}
	return failed;
}
