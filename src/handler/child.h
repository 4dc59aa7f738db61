/*
 * child.h - a program in a process group of its own, with four pipes
 */
#ifndef PAWL_HANDLER_CHILD_H
#define PAWL_HANDLER_CHILD_H

#include <signal.h>

#include "handler/launch.h"

/*
 * The ends of its pipes, numbered as its descriptors; -1 when closed.  Ours are
 * non-blocking.  Theirs stay open with us: no end of file wakes us before the program's
 * own end, and nobody's leaving its 0 is a SIGPIPE.
 */
typedef struct child
{
	pid_t pid;   /* and its group */
	int process; /* readable when it has ended */
	int ours[LAUNCH_FDS];
	int theirs[LAUNCH_FDS];
	guard_place *place;
} child;

#define CHILD_INIT                                                                     \
	{                                                                                  \
		.process = -1, .ours = {-1, -1, -1, -1}, .theirs = { -1, -1, -1, -1 }          \
	}

/* Open the pipes.  ERR_SYSTEM: no descriptors are left. */
PAWL_CHECK pawl_status child_open(child *child, pawl_error *error);

/*
 * Start argv[0], to be found by paths (launch.h), registered with the guard.  Signals
 * are as a program expects them, no other descriptor is passed on.  ERR_SYSTEM: could
 * not execute it (the message names it), or no processes are left.
 */
PAWL_CHECK pawl_status child_start(child *child, char *const *argv, char *const *paths,
                                   char *const *env, guard *guard, pawl_error *error);

/* A signal for its group; a stopped one is continued so that it notices. */
void child_signal(const child *child, int number);

/*
 * After it has ended: kill what is left in its group and, if mark is not NULL, what
 * carries it (sweep.h); unregister it; ret_end says how it ended.  The pipes stay open.
 */
void child_reap(child *child, guard *guard, const char *mark, siginfo_t *ret_end);

/* The end of file on its 0: no other process has our end. */
void child_end_input(child *child);

/* Close what is open of it. */
void child_close(child *child);

#endif
