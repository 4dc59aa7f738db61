/*
 * job_many.h - cancelling and retrying jobs: by ids, or all that match
 */
#ifndef PAWL_CLI_JOB_MANY_H
#define PAWL_CLI_JOB_MANY_H

#include "cli/command.h"
#include "cli/job.h"

typedef struct many_options
{
	int state; /* -1: not given */
	const char *queue;
	const char *kind;
	const char *reason; /* of a cancel */
	bool dry_run;
} many_options;

/* The options that choose jobs; which states there are is the verb's. */
#define MANY_OPTIONS_CHOICE(states)                                                    \
	{.name = "kind",                                                                   \
	 .type = OPTION_TEXT,                                                              \
	 .offset = offsetof(many_options, kind),                                           \
	 .value = "KIND",                                                                  \
	 .help = "all jobs of this kind that are in --state"},                             \
		{.name = "queue",                                                              \
	     .letter = 'q',                                                                \
	     .type = OPTION_TEXT,                                                          \
	     .offset = offsetof(many_options, queue),                                      \
	     .value = "QUEUE",                                                             \
	     .help = "all jobs of this queue that are in --state"},                        \
	{                                                                                  \
		.name = "state", .type = OPTION_CHOICE,                                        \
		.offset = offsetof(many_options, state), .value = "STATE",                     \
		.choices = JOB_STATES, .help = (states)                                        \
	}

#define MANY_OPTION_DRY_RUN                                                            \
	{                                                                                  \
		.name = "dry-run", .type = OPTION_FLAG,                                        \
		.offset = offsetof(many_options, dry_run),                                     \
		.help = "only show which jobs it would be"                                     \
	}

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
