/*
 * guard.h - the small process that ends what a worker leaves behind
 *
 * A guard is forked by the program early, before it has threads.  It shares a table
 * with the program, in which the number of each process group that runs is written by
 * the group's own first process, before it executes anything: that costs a store, and
 * nobody is woken.  When the program ends, in whatever way, SIGKILL included, the guard
 * notices at the socket whose other end the program alone holds (close-on-exec), and
 * ends everything in the table, and every process that escaped its group by setsid or a
 * double fork: a child carries the guard's token in its environment (PAWL_GUARD), which
 * its descendants inherit and which stands in /proc/PID/environ.  A process that leaves
 * its group and clears its environment as well is out of reach.
 *
 * When the guard itself dies, guard_fd becomes readable; guard_renew then forks a new
 * one, which has the same table.  guard_reserve does it too, and continues a guard that
 * somebody has stopped.
 *
 * Threads: every function but guard_start and guard_free may be called from any
 * thread.  None blocks longer than it takes to fork.
 */
#ifndef PAWL_HANDLER_GUARD_H
#define PAWL_HANDLER_GUARD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "pawl.h"

typedef struct guard guard;

/* A place of the table, written by the process that it is for. */
typedef struct guard_place
{
	_Atomic pid_t pid;  /* and its group's number; 0: none yet */
	_Atomic int failed; /* why it executed nothing: the number of an error */
} guard_place;

/* Process groups at a time: each executor has one, and each runner of job groups. */
#define LIMIT_GUARDED 1296

/* Servers at a time: a program has one. */
#define LIMIT_SERVERS 4

/* Fork the guard.  Call it before any thread is made. */
PAWL_CHECK pawl_status guard_start(guard **ret_guard, pawl_error *error);

/*
 * End the guard: it ends what is still registered and what carries its token, and is
 * waited for.
 */
void guard_free(guard *guard);

/*
 * What a child's PAWL_GUARD must contain: 32 hexadecimal digits.  Lives as long as the
 * guard.
 */
const char *guard_token(const guard *guard);

/*
 * A place for the number of a process group that is about to be started, in memory
 * shared with the guard; the leader writes its number there itself, before it executes.
 * ERR_SYSTEM when no guard can be had: the caller must not start anything unguarded.
 */
PAWL_CHECK pawl_status guard_reserve(guard *guard, guard_place **ret_place,
                                     pawl_error *error);

/* Before the leader is waited for: its number cannot be another's until then. */
void guard_release(guard *guard, guard_place *place);

/* Readable when the guard has died and guard_renew must be called; one for life. */
int guard_fd(const guard *guard);

/* Fork a new guard if the present one has died.  ERR_SYSTEM: try again later. */
PAWL_CHECK pawl_status guard_renew(guard *guard, pawl_error *error);

/*
 * A postmaster: on the program's end it gets SIGINT, after 5 s SIGQUIT, after 5 s
 * SIGKILL.  For embed_options; closure is the guard.
 */
PAWL_CHECK pawl_status guard_server_started(pid_t pid, void *closure,
                                            pawl_error *error);
void guard_server_ended(pid_t pid, void *closure);

#endif
