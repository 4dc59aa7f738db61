/*
 * work.h - one claimed job on its way through the worker
 *
 * Allocated by the claimer, run by one executor, settled and freed by the settler; the
 * job of a group all of this by its runner.  state says who may touch it:
 *
 *	PENDING		on the board's list pending; the board's mutex
 *	RUNNING		the executor or runner alone, but for `interrupt`, `dropped` and the
 *				links
 *	DONE		on the board's list results; the board's mutex
 *	SETTLING	the settler or runner alone, but for `dropped` and the links of `held`
 *
 * `dropped`, `interrupt_fd`, `started_ms` and the links of `held` are the board's, under
 * its mutex, in every state.
 */
#ifndef PAWL_WORKER_WORK_H
#define PAWL_WORKER_WORK_H

#include <stdatomic.h>

#include "queue/claim.h"
#include "queue/settle.h"
#include "worker/counters.h"

typedef enum work_state
{
	WORK_PENDING,
	WORK_RUNNING,
	WORK_DONE,
	WORK_SETTLING
} work_state;

/* How a work is settled. */
typedef enum work_verb
{
	WORK_COMPLETE,
	WORK_FAIL,
	WORK_SNOOZE,
	WORK_RELEASE
} work_verb;
#define WORK_VERBS 4

/* The call that settles so. */
extern const settle_verb work_settles[WORK_VERBS];

typedef struct work
{
	struct work *next; /* in the list that it is on */
	struct work *held_prev;
	struct work *held_next;
	work_state state;

	pawl_job job; /* texts lie behind the struct */
	bool suspect; /* it has crashed a worker */
	unsigned epoch;
	int64_t token; /* of the group's lease that it was dispatched under; 0: no group */
	const struct worker_handler *handler;

	atomic_int interrupt; /* a pawl_interrupt but TIMED_OUT */
	int interrupt_fd;     /* of its executor or runner while RUNNING, else -1 */
	bool dropped;         /* its claim has ended: it is not settled */
	int64_t started_ms;   /* when it became RUNNING */

	int64_t deadline_ms; /* of the attempt, set by the executor; CLOCK_NEVER */

	counters counters; /* of the attempt */

	/* the result */
	work_verb verb;
	bool concluded; /* verb is set */
	bool final;     /* of a failure: no retry */
	const char *category;
	int64_t delay_ms;    /* -1: none */
	char *result;        /* JSON or NULL */
	size_t result_bytes; /* also of one that was too large to be kept */
	char *error;         /* text or NULL */
	char *counts;        /* of a job with a stage: JSON or NULL */

	/* the settler's */
	bool unknown;   /* a COMMIT of it had no answer: stale is no news */
	int tries;      /* how often it was put off */
	int errors;     /* settles with it that failed, perhaps for a row of theirs */
	int64_t due_ms; /* not before */

	char texts[];
} work;

/* Copies what it needs; NULL without memory. */
work *work_new(const claim_job *claimed, unsigned epoch);
void work_free(work *w);

/* The result of a work that has none from a handler. */
void work_conclude(work *w, work_verb verb);
void work_fail(work *w, bool final, const char *format, ...) PAWL_PRINTF(3, 4);

/* The row that settles it; its texts are the work's. */
settle_row work_row(const work *w);

/* A list of works, first in first out, by their `next`. */
typedef struct work_list
{
	work *first;
	work *last;
	size_t n;
} work_list;

void work_list_add(work_list *list, work *w);
work *work_list_take(work_list *list); /* NULL when empty */
void work_list_move(work_list *from, work_list *to, size_t max);
void work_list_free(work_list *list); /* and the works on it */

#endif
