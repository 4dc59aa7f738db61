/*
 * exec.h - handlers in any language: a program for each attempt
 *
 * The program is started without a shell (unless asked for), in a process group of
 * its own, with these descriptors and no other:
 *
 *	0	the payload: the JSON text of args, then end of file
 *	1	each line is a log line of the job, level info
 *	2	the same, level warn; its last 4 KiB end the error text of a failure
 *	3	messages, one JSON object a line (messages.h)
 *
 * and this environment:
 *
 *	PAWL_JOB PAWL_FENCE PAWL_KIND PAWL_QUEUE PAWL_ATTEMPT
 *	PAWL_BATCH PAWL_STAGE PAWL_GROUP PAWL_RUN
 *					absent for a job that has none
 *	PAWL_DEADLINE	RFC 3339 in UTC; absent without a timeout
 *	PAWL_GUARD		the guard's mark; pass it on
 *	PGHOST PGPORT PGDATABASE PGUSER PGPASSFILE PGSERVICE
 *					the worker's own, or what connection says
 *	PGAPPNAME		"pawl job <id>"
 *	PATH HOME USER LOGNAME TMPDIR
 *					the worker's own
 *
 * and whatever pass_env names: PGPASSWORD, LANG, TZ, ... are not passed on unless
 * named.
 *
 * What its end means: exit 0 complete, with the last {"result": ...}; 65 failed for
 * good; 75 snooze; any other code, or death by a signal, or a program that cannot be
 * started, fail.  After the timeout, and on an interrupt, its group gets SIGTERM and,
 * when the grace is over, SIGKILL.  When the program has ended, what it wrote is read,
 * and what it left in its group is killed; a process that left its group is killed
 * too if the attempt was stopped, and else lives at most as long as the worker.
 *
 * With jobs above 1 it gets up to so many jobs of a group at once, one JSON object a line
 * on its 0: {"job": 7, "fence": 8, "attempt": 1, "queue": "q", "args": {}} and, where the
 * job has them, meta, batch, stage, group, run; PAWL_JOBS is their number, and the other
 * variables are those of the first.  A message names its job by a member "job", else it
 * speaks of the first; "result" completes that job and "error" fails it (for good with
 * "final": true), whatever the program's end.  Of the others that end decides: exit 0
 * completes and 75 snoozes them all; else the first of them has failed, and those after
 * it, which were not tried, are given back.
 */
#ifndef PAWL_HANDLER_EXEC_H
#define PAWL_HANDLER_EXEC_H

#include <stdbool.h>

#include "handler/guard.h"
#include "pawl.h"

typedef struct exec_options
{
	const char *command; /* split without a shell: '...' "..." and backslash */
	bool shell;          /* /bin/sh -c command instead */

	/* Names of variables to pass on besides; NULL-terminated; NULL: none. */
	const char *const *pass_env;

	/*
	 * "PGHOST=/run/x", ...: what a handler connects by, instead of the worker's own
	 * PG variables of these names; NULL-terminated; NULL: none.  An empty value
	 * removes the variable.
	 */
	const char *const *connection;

	size_t jobs; /* at once; 0: one, in the form of one */

	guard *guard;     /* must outlive the spec */
	int64_t grace_ms; /* from SIGTERM to SIGKILL; 0: 10 s */
} exec_options;

typedef struct exec_spec exec_spec;

/* Copies the options.  ERR_ARGUMENT: an empty command or an open quote. */
PAWL_CHECK pawl_status exec_spec_new(const exec_options *options, exec_spec **ret_spec,
                                     pawl_error *error);
void exec_spec_free(exec_spec *spec);

/* A pawl_handler; closure is the exec_spec.  Runs on the thread of who calls handlers. */
pawl_verdict exec_run(pawl_context *context, const pawl_job *job, void *closure);

/* A pawl_many_handler, likewise: of a spec with jobs. */
void exec_run_many(pawl_context *context, const pawl_job *const *jobs, size_t n,
                   pawl_verdict *verdicts, void *closure);

#endif
