/*
 * batch_verb.h - a verb for one batch after the other, and what it answers
 */
#ifndef PAWL_CLI_BATCH_VERB_H
#define PAWL_CLI_BATCH_VERB_H

#include "cli/command.h"

typedef struct batch_verb
{
	const char *sql; /* $1 bigint, and $2 text if there is one; answers a state */
	bool is_epoch;   /* it answers an epoch instead */
	bool has_text;

	/* States of a batch for which it came too late: EXIT_CONFLICT; ended by NULL. */
	const char *const *refused;
} batch_verb;

/* Run it for all ids of the call: answers the exit code.  text may be NULL. */
int batch_run(const command_call *call, const batch_verb *verb, const char *text);

/* The batch that was made: people and scripts get the id alone. */
int batch_show_answer(const command_call *call, int64_t batch, const char *state);

#endif
