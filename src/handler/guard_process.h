/*
 * guard_process.h - what runs in the guard, and what it is told
 */
#ifndef PAWL_HANDLER_GUARD_PROCESS_H
#define PAWL_HANDLER_GUARD_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "handler/guard.h"

typedef enum guard_command
{
	GUARD_HOLD, /* this server runs */
	GUARD_LET,  /* it has ended */
	GUARD_BYE   /* the program ends in order: nothing is being started */
} guard_command;

/* One datagram. */
typedef struct guard_message
{
	int32_t command;
	int32_t pid;
} guard_message;

/*
 * The guard, in the process that was forked for it.  table: LIMIT_GUARDED places, shared
 * with the program; socket: where messages come from; program: the pidfd of whose end it
 * waits for, besides the socket's, opened before the fork: the program may be gone
 * before its guard runs.  Async-signal-safe, because the program may have had threads
 * when it forked.
 */
_Noreturn void
guard_process_run(guard_place *table, int socket, int program, const char *token);

#endif
