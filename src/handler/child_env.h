/*
 * child_env.h - the environment of an exec handler's program (exec.h lists it)
 */
#ifndef PAWL_HANDLER_CHILD_ENV_H
#define PAWL_HANDLER_CHILD_ENV_H

#include "handler/strings.h"

typedef struct child_env_spec
{
	const char *guard_mark;        /* the guard's token and what follows it */
	const char *const *connection; /* NAME=value; NULL-terminated, or NULL */
	const char *const *pass_env;   /* names; NULL-terminated, or NULL */
	int64_t deadline_us;           /* wall clock; 0: none */
	size_t jobs;                   /* that it gets; 0: one, in the form of one */
} child_env_spec;

/*
 * Append NAME=value strings, each name once; what stands earlier in exec.h's list
 * wins.  What is not set in the program's own environment is not set in the child's.
 */
void child_env_build(strings *env, const pawl_job *job, const child_env_spec *spec);

#endif
