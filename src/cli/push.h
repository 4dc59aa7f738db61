/*
 * push.h - the options of `pawl push`, for its two forms
 */
#ifndef PAWL_CLI_PUSH_H
#define PAWL_CLI_PUSH_H

#include "cli/command.h"

typedef enum push_on_error
{
	PUSH_STOP,
	PUSH_SKIP
} push_on_error;

typedef struct push_options
{
	const char *queue;
	int priority;       /* -1: the default */
	int64_t at_us;      /* 0: at once */
	int64_t in_ms;      /* -1: not given */
	const char *unique; /* key; NULL: none */
	int unique_until;   /* a pawl_unique_until; -1: not given */
	const char *group;  /* key; NULL: none */
	int64_t run;        /* 0: none */
	int max_attempts;   /* 0: the default */
	int64_t timeout_ms; /* -1: the default */
	const char *meta;
	int64_t batch;     /* 0: none */
	const char *stage; /* NULL: the batch's first */
	int64_t wait_ms;   /* 0: do not wait; INT64_MAX: without an end */
	const char *ndjson;
	int on_error; /* a push_on_error; -1: not given */
} push_options;

/*
 * In a handler whose job counts in a batch: that job (id, fence, batch), which may push
 * into the batch when it is sealed.
 */
bool push_parent(pawl_job *ret_parent);

/* `pawl push --ndjson`: answers the exit code. */
int push_ndjson(const command_call *call);

#endif
