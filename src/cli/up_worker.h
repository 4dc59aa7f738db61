/*
 * up_worker.h - the worker of `pawl up`: a process of its own
 *
 * It is `pawl work` on the private PostgreSQL: started by this program from itself, in
 * a process group of its own (so that a Ctrl-C reaches this program alone), and ended
 * by the kernel when this program dies.
 */
#ifndef PAWL_CLI_UP_WORKER_H
#define PAWL_CLI_UP_WORKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/worker_setup.h"

typedef struct up_worker
{
	pid_t pid; /* 0: none */
	int fd;    /* a pidfd: readable when it has ended; -1: none */
} up_worker;

PAWL_CHECK pawl_status up_worker_start(const worker_flags *flags, const char *conninfo,
                                       bool quiet, up_worker *ret_worker,
                                       pawl_error *error);

/* Ask it to drain. */
void up_worker_stop(const up_worker *worker);

/* It has ended: how, as waitpid says; fd is closed. */
int up_worker_reap(up_worker *worker);

#endif
