/*
 * launch.h - from the worker to another program, in a process of its own
 *
 * What posix_spawn does, with what it does not know of: the new process writes its
 * number where the guard finds it before it executes the program, no stack is mapped and
 * unmapped (which stops all threads for a moment), and PATH is not searched anew for each
 * attempt.
 */
#ifndef PAWL_HANDLER_LAUNCH_H
#define PAWL_HANDLER_LAUNCH_H

#include "handler/guard.h"
#include "handler/strings.h"

#define LAUNCH_FDS 4 /* descriptors 0 to 3 of the program; all others are closed */

typedef struct launch
{
	char *const *argv;
	char *const *env;
	char *const *paths;  /* tried in turn: launch_paths */
	int fds[LAUNCH_FDS]; /* become its 0 to 3; none is below LAUNCH_FDS */
	guard_place *place;  /* gets its number, and so its group's */
} launch;

/* Append where name may be: itself when it has a slash, else by the directories of PATH. */
void launch_paths(const char *name, strings *paths);

/*
 * Start it, in a process group of its own, with every signal at its default and none
 * blocked.  0, or the number of an error: then there is no process.  ret_process is a
 * pidfd, close-on-exec.
 */
int launch_run(const launch *l, pid_t *ret_pid, int *ret_process);

#endif
