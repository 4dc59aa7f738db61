/*
 * exec_attempt.h - one attempt of an exec handler while its program runs
 *
 * Shared by exec.c, which starts and judges it, and exec_attempt.c, which attends it.
 * Everything is in struct run, on the stack of the executor thread that owns it.
 */
#ifndef PAWL_HANDLER_EXEC_ATTEMPT_H
#define PAWL_HANDLER_EXEC_ATTEMPT_H

#include "handler/child.h"
#include "handler/exec.h"
#include "handler/messages.h"
#include "handler/output.h"
#include "handler/strings.h"

struct exec_spec
{
	strings argv;
	strings paths; /* where argv[0] may be */
	strings pass_env;
	strings connection;
	guard *guard;
	int64_t grace_ms;
};

typedef enum stop
{
	STOP_NONE, /* it ended, or goes on */
	STOP_TIMEOUT,
	STOP_INTERRUPT
} stop;

typedef struct run
{
	pawl_context *context;
	const pawl_job *job;
	const exec_spec *spec;
	char mark[64]; /* of this attempt, in the children's environment */
	child child;
	size_t args_length;
	size_t args_sent;
	output out;
	output err;
	messages messages;
	lines message_lines;
	stop stop; /* why it was told to end */
	int64_t timeout_at_ms;
	int64_t kill_at_ms;
	int64_t guard_retry_ms;
} run;

/* Write what the program's 0 takes of the payload. */
void exec_feed(run *r);

/* Until the program has ended: feeds it, hands on what it says, stops it. */
void exec_attend(run *r);

/* After its end: what it wrote and nobody has read yet. */
void exec_take_rest(run *r);

#endif
