/*
 * guard.h - the small process that ends what a worker leaves behind
 *
 * A guard is forked by the program early, before it has threads.  It reads from a
 * socket whose other end the program alone holds (close-on-exec, so no child has
 * it), and learns of each process group that runs.  When the program ends, in
 * whatever way, SIGKILL included, the guard ends everything registered, and every
 * process that escaped its group by setsid or a double fork: a child carries the
 * guard's token in its environment (PAWL_GUARD), which its descendants inherit and
 * which stands in /proc/PID/environ.  A process that leaves its group and clears its
 * environment as well is out of reach.
 *
 * When the guard itself dies, guard_fd becomes readable; guard_renew then forks a new
 * one and registers again what runs.  Registering does it too.
 *
 * Threads: every function but guard_start and guard_free may be called from any
 * thread.  None blocks longer than it takes the guard to read.
 */
#ifndef PAWL_HANDLER_GUARD_H
#define PAWL_HANDLER_GUARD_H

#include <sys/types.h>

#include "pawl.h"

typedef struct guard guard;

/* How a registered process is ended. */
typedef enum guard_ending
{
	GUARD_KILL,  /* a process group: SIGKILL */
	GUARD_SERVER /* a postmaster: SIGINT, after 5 s SIGQUIT, after 5 s SIGKILL */
} guard_ending;

/* Processes registered at a time: each executor has one, and there is a server. */
#define LIMIT_GUARDED 1040

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
 * Register a process before anything is lost if the program dies; pid is the leader
 * of its own group for GUARD_KILL.  Unregister it before it is waited for, so that
 * its number cannot have been given to another process.  ERR_SYSTEM when no guard
 * can be had: the caller must not let the process run on unguarded.
 */
PAWL_CHECK pawl_status guard_register(guard *guard, pid_t pid, guard_ending ending,
                                      pawl_error *error);
void guard_unregister(guard *guard, pid_t pid);

/* Readable when the guard has died and guard_renew must be called; one for life. */
int guard_fd(const guard *guard);

/* Fork a new guard if the present one has died.  ERR_SYSTEM: try again later. */
PAWL_CHECK pawl_status guard_renew(guard *guard, pawl_error *error);

/* For embed_options: registers and unregisters the server; closure is the guard. */
PAWL_CHECK pawl_status guard_server_started(pid_t pid, void *closure,
                                            pawl_error *error);
void guard_server_ended(pid_t pid, void *closure);

#endif
