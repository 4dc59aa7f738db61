/*
 * sweep.c - kill every process that carries a mark in its environment
 *
 * Called by the guard when its worker is gone, and by an executor thread for an
 * attempt that was stopped.  No allocation, no stdio: see sweep.h.
 */
#include "handler/sweep.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define ROUNDS_MAX 200 /* 2 s: a process that outruns that is a fork bomb */
#define PAUSE_MS 10    /* between rounds: a child between vfork and exec gets there */
#define NUMBER_MAX 10  /* digits of a pid */

/* What getdents64 answers. */
typedef struct directory_entry
{
	uint64_t inode;
	int64_t offset;
	unsigned short size;
	unsigned char type;
	char name[];
} directory_entry;

/* The pid that name is, or 0. */
static pid_t
parse_pid(const char *name)
{
	pid_t pid = 0;

	if (strnlen(name, NUMBER_MAX + 1) > NUMBER_MAX)
		return 0;
	for (; *name != '\0'; name++)
	{
		if (*name < '0' || *name > '9')
			return 0;
		pid = pid * 10 + (*name - '0');
	}
	return pid;
}

/* Opens /proc/PID/environ; -1 when there is none or it is not ours to read. */
static int
open_environ(const char *number)
{
	char path[sizeof("/proc//environ") + NUMBER_MAX];
	size_t length = strlen(number);

	assert(length <= NUMBER_MAX);
	memcpy(path, "/proc/", 6);
	memcpy(path + 6, number, length);
	memcpy(path + 6 + length, "/environ", 9);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * Whether a value of the variable PAWL_GUARD contains mark.  The environment is read
 * through a window that keeps the tail of what was read: a variable is found wherever
 * it lies, if it is shorter than half the window.
 */
static bool
environ_has(int fd, const char *mark)
{
	static const char variable[] = "PAWL_GUARD=";
	char window[8192];
	size_t filled = 0;
	ssize_t got;

	while ((got = read(fd, window + filled, sizeof(window) - filled)) > 0)
	{
		const char *at = window;
		const char *end = window + (filled += (size_t) got);

		while ((at = memmem(at, (size_t) (end - at), variable, sizeof(variable) - 1)))
		{
			const char *stop = memchr(at, '\0', (size_t) (end - at));

			if (memmem(at, (size_t) ((stop ? stop : end) - at), mark, strlen(mark)))
				return true;
			at += sizeof(variable) - 1;
		}
		if (filled > sizeof(window) / 2)
		{
			memmove(window, end - sizeof(window) / 2, sizeof(window) / 2);
			filled = sizeof(window) / 2;
		}
	}
	return false;
}

/*
 * The process descriptor is opened before the environment is looked at, so that the
 * signal cannot meet another process that got the number in between.
 */
static bool
kill_if_marked(const char *number, const char *mark)
{
	pid_t pid = parse_pid(number);
	int process;
	int fd;
	bool marked = false;

	if (pid <= 1 || pid == getpid())
		return false;
	process = pidfd_open(pid, 0);
	if (process < 0)
		return false;
	fd = open_environ(number);
	if (fd >= 0)
	{
		marked =
			environ_has(fd, mark) && pidfd_send_signal(process, SIGKILL, NULL, 0) == 0;
		close(fd);
	}
	close(process);
	return marked;
}

int
sweep_round(const char *mark)
{
	_Alignas(directory_entry) char entries[4096];
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int found = 0;
	long size;

	assert(mark[0] != '\0');
	if (proc < 0)
		return 0;
	while ((size = syscall(SYS_getdents64, proc, entries, sizeof(entries))) > 0)
	{
		for (long at = 0; at < size;)
		{
			const directory_entry *entry = (const directory_entry *) (entries + at);

			found += kill_if_marked(entry->name, mark);
			at += entry->size;
		}
	}
	close(proc);
	return found;
}

void
sweep(const char *mark, int quiet)
{
	int empty = 0;

	for (int round = 0; round < ROUNDS_MAX; round++)
	{
		empty = sweep_round(mark) == 0 ? empty + 1 : 0;
		if (empty >= quiet)
			return;
		/* Nothing tells when a process without a known pid appears: look again. */
		(void) poll(NULL, 0, PAUSE_MS);
	}
}
