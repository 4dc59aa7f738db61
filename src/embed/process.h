/*
 * process.h - a program of PostgreSQL's as a child of ours
 *
 * It runs in a session of its own, so that Ctrl-C in the terminal is ours to handle; as
 * the identity; with a clean environment (no PG variable of the user's changes the
 * server); its output goes to the log; no descriptor is passed on.  It does not begin
 * before `started` has been told of it, and gets SIGINT if the thread that started it
 * ends.
 */
#ifndef PAWL_EMBED_PROCESS_H
#define PAWL_EMBED_PROCESS_H

#include <signal.h>

#include "embed/embed.h"
#include "embed/identity.h"

typedef struct process
{
	pid_t pid; /* 0: none */
	int fd;    /* pidfd: readable when it has ended; -1 */
} process;

#define PROCESS_INIT                                                                   \
	{                                                                                  \
		.fd = -1                                                                       \
	}

typedef struct launch
{
	char *const *argv; /* argv[0] is a path */
	const char *log;   /* path of the file that its output is appended to */
	const char *input; /* its stdin, at most 4 KiB; NULL: empty */
	const char *mark;  /* its and its children's PAWL_EMBED; NULL: none */
	const identity *who;
	const embed_options *options; /* for started and ended */
} launch;

/* ERR_SYSTEM: could not execute it; the message names it. */
PAWL_CHECK pawl_status process_start(const launch *launch, process *ret_process,
                                     pawl_error *error);

typedef enum process_event
{
	PROCESS_RUNS, /* the deadline has passed */
	PROCESS_ENDED,
	PROCESS_STOP /* stop_fd is readable */
} process_event;

/* Wait for its end until deadline_ms; stop_fd may be -1. */
process_event process_wait(const process *process, int64_t deadline_ms, int stop_fd);

/*
 * Once it has ended: reap it and tell `ended`.  ret_how is "exit code 1" or
 * "signal 9 (Killed)"; true for exit code 0.
 */
bool process_reap(process *process, const embed_options *options, char *ret_how,
                  size_t size);

void process_signal(const process *process, int number);

#endif
