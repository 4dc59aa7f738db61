/*
 * job_many.h - cancelling and retrying jobs: by ids, or all that match
 */
#ifndef PAWL_CLI_JOB_MANY_H
#define PAWL_CLI_JOB_MANY_H

#include "cli/command.h"

typedef struct many_options
{
	int state; /* -1: not given */
	const char *queue;
	const char *kind;
	const char *reason; /* of a cancel */
	bool dry_run;
} many_options;

/* What is done with the jobs. */
typedef struct many_verb
{
	const char *name;     /* "cancel" */
	const char *done;     /* "cancelled" */
	const char *sql;      /* $1 bigint[], $2 text; rows (job, was, done) */
	unsigned from_states; /* a bit for each pawl_state that --state may name */
} many_verb;

/* Run the verb: answers the exit code. */
int many_run(const command_call *call, const many_verb *verb);

#endif
