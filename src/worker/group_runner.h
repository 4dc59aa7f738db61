/*
 * group_runner.h - a thread that works on groups, one at a time, on its own connection
 *
 *	group_runner.c		finding one, taking it, going through it, giving it back
 *	group_attempt.c		one dispatch: its works on the board, the handler, the settle
 *
 * One thread owns all of it, the connection "group" among it, which is opened for a group
 * and closed when no other is at hand.  What is lost is abandoned: nothing of it is done
 * on any other connection, and its lease runs out.
 */
#ifndef PAWL_WORKER_GROUP_RUNNER_H
#define PAWL_WORKER_GROUP_RUNNER_H

#include "worker/context.h"
#include "worker/ending.h"

typedef struct group_runner
{
	pawl_context context;
	context_own own;
	pthread_t thread;
	bool started;
	group_seat *seat;

	db *db;
	ending ending;
	int64_t pause_ms; /* after the next failure */

	/* of the group that it has */
	char worker[WORKER_UUID];
	unsigned epoch;
	group_owner owner;
	int64_t since_ms;
	int64_t end_ms; /* of the lease, by its own statements */
	size_t jobs;    /* that it has run of it */

	/* what the settle has dispatched already */
	bool ahead;
	group_found_next next;
} group_runner;

void *group_runner_main(void *arg); /* arg: the group_runner */

/* What becomes of the group. */
typedef enum group_next
{
	GROUP_ON,      /* dispatch */
	GROUP_LEAVE,   /* give it back */
	GROUP_GIVEN,   /* it was given back */
	GROUP_ABANDON, /* it is lost */
} group_next;

/* For the runner's files. */
queue_call group_runner_call(const group_runner *self);

/*
 * A statement of the group's has failed.  GROUP_ON: it may be tried again, after a pause
 * that has passed.
 */
group_next group_runner_failed(group_runner *self, const char *what, pawl_status status,
                               const pawl_error *error);

/* Have others waited long enough, or does the run end? */
bool group_runner_must_leave(group_runner *self);

group_kinds group_runner_kinds(const group_runner *self);

/* The lease was renewed by a statement sent at that time. */
void group_runner_renewed(group_runner *self, int64_t sent_ms);

/* Run the jobs of a dispatch and settle them. */
group_next group_attempt(group_runner *self, const db_result *result);

/* ------------------------------------------------------------ other threads ------ */

/* Keeper: renew these; tells in them which are lost. */
PAWL_CHECK pawl_status group_runner_renew(const queue_call *call, const char *worker,
                                          group_renewal *renewals, size_t n,
                                          pawl_error *error);

/* Keeper, supervisor: interrupt what is lost (groups.h). */
void group_runner_losses(pawl_worker *worker);

#endif
