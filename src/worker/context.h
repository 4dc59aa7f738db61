/*
 * context.h - what a handler is given: its attempt's interrupt and result
 *
 * Belongs to one executor, or to one runner of groups, which uses it for one call of a
 * handler after the other.  Everything but the works' `interrupt` is touched by that
 * thread alone.
 */
#ifndef PAWL_WORKER_CONTEXT_H
#define PAWL_WORKER_CONTEXT_H

#include "queue/group.h"
#include "worker/worker.h"

/* A runner's connection, and the transaction that a handler has of it. */
typedef struct context_own
{
	db *db;             /* the runner's */
	db_txn txn;         /* its db is NULL: none is open */
	struct pg_conn *pg; /* lent to the handler; NULL: it has not asked */
	bool refused;       /* it has asked in vain */
} context_own;

struct pawl_context
{
	pawl_worker *worker;
	int interrupt_fd;
	context_own *own; /* NULL: of an executor, whose jobs have no group */

	/* of this call */
	work *const *works;
	size_t n;
	size_t selected; /* of which the handler speaks */
	int64_t deadline_ms;
	bool timed_out; /* the handler was told, or the time had passed when it ended */
};

/*
 * Run the handler of works, which have one kind; several, ascending by id, are of one group
 * and at most as many as the handler takes.  Each is concluded afterwards.
 */
void context_run(pawl_context *context, work *const *works, size_t n);

/*
 * Runner, after context_run: store what became of the works, in the handler's own
 * transaction if it has one and they were all completed, else in one that follows; counts
 * them.  What another try may be spared is tried again until call->deadline_ms (CALL_ONCE:
 * it is not).  The connection is context->own's, and never opened anew.
 *
 * OK			each was stored, or its claim had ended
 * ERR_LEASE	the group is lost
 * others		not all were stored, or nobody knows: the group must be left to its lease,
 *				and no other connection may settle them
 */
PAWL_CHECK pawl_status context_settle(pawl_context *context, const queue_call *call,
                                      const group_owner *owner, work *const *works,
                                      size_t n, pawl_error *error);

/* Runner, instead of context_settle: what the handler wrote is rolled back. */
void context_abandon(pawl_context *context);

#endif
