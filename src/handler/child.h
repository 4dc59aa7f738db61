/*
 * child.h - a program in a process group of its own, with four pipes
 */
#ifndef PAWL_HANDLER_CHILD_H
#define PAWL_HANDLER_CHILD_H

#include <signal.h>

#include "handler/guard.h"

/* The descriptors are ours: non-blocking but for process; -1 when closed. */
typedef struct child
{
	pid_t pid;    /* and its group */
	int process;  /* readable when it has ended */
	int in;       /* written by us: its 0 */
	int out;      /* read by us: its 1 */
	int err;      /* its 2 */
	int messages; /* its 3 */
} child;

/*
 * Start argv[0], searched in PATH, registered with the guard.  Signals are as a
 * program expects them, no other descriptor is passed on.  ERR_SYSTEM: could not
 * execute it (the message names it), or no descriptors or processes are left.
 */
PAWL_CHECK pawl_status child_spawn(char *const *argv, char *const *env, guard *guard,
                                   child *ret_child, pawl_error *error);

/* A signal for its group; a stopped one is continued so that it notices. */
void child_signal(const child *child, int number);

/*
 * After it has ended: kill what is left in its group and, if mark is not NULL, what
 * carries it (sweep.h); unregister it; ret_end says how it ended.  The pipes stay open.
 */
void child_reap(child *child, guard *guard, const char *mark, siginfo_t *ret_end);

/* Close a descriptor and mark it closed. */
void child_close(int *fd);

#endif
