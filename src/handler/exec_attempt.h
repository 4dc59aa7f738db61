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
	size_t jobs; /* at once; 0: one, in the form of one */
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
	const pawl_job *job; /* the first */
	size_t n;            /* jobs; 0: one, in the form of one */
	int64_t timeout_ms;  /* 0: none */
	const exec_spec *spec;
	char mark[64]; /* of this attempt, in the children's environment */
	child child;
	const char *payload;
	size_t payload_length;
	size_t payload_sent;
	output out;
	output err;
	messages messages;
	lines message_lines;
	stop stop; /* why it was told to end */
	int64_t timeout_at_ms;
	int64_t kill_at_ms;
	int64_t guard_retry_ms;
} run;

/* ------------------------------------------------------------ exec.c ------------- */

/* For the job and its args; other payloads are set afterwards. */
void
exec_begin(run *r, pawl_context *context, const pawl_job *job, const exec_spec *spec);

/* Start it and attend it to its end.  False: not started, and the context was told why. */
bool exec_execute(run *r, siginfo_t *ret_end);

/* What its end means for a job, which is told the context; of success: of its result. */
pawl_verdict exec_judge(run *r, const siginfo_t *end);
void exec_end(run *r);

/* ------------------------------------------------------------ exec_attempt.c ----- */

/* Write what the program's 0 takes of the payload. */
void exec_feed(run *r);

/* Until the program has ended: feeds it, hands on what it says, stops it. */
void exec_attend(run *r);

/* After its end: what it wrote and nobody has read yet. */
void exec_take_rest(run *r);

#endif
