/*
 * claim.h - take jobs for execution
 *
 * A claim is all or nothing: on failure nothing was taken, but for ERR_UNKNOWN, after
 * which pawl.held tells (see worker_row.h).  ERR_LEASE: the worker's lease is over.
 */
#ifndef PAWL_QUEUE_CLAIM_H
#define PAWL_QUEUE_CLAIM_H

#include "queue/call.h"

#define CLAIM_PRIORITIES 10 /* lanes of a queue: priorities 0 to 9 */

/* A claim of so few takes a third of the time (sql/functions/claim_few.sql). */
#define CLAIM_FEW 4

typedef struct claim_args
{
	const char *worker; /* uuid */
	int n;              /* at most LIMIT_CLAIM */
	const char *const *queues;
	size_t n_queues;
	const char *const *kinds; /* those that the worker has a handler for */
	size_t n_kinds;

	/* Per queue and priority: positions above the start and up to the stop.  NULL for a
	 * suspect. */
	const int64_t *starts;
	const int64_t *stops;

	/* A job that has crashed a worker: exactly one of those, or none of them. */
	bool suspects;
} claim_args;

/* One claimed job; the texts belong to the result. */
typedef struct claim_job
{
	int64_t job;      /* 0: see claim_row */
	int64_t fence;    /* 0: its batch is being cancelled, and it has ended */
	const char *kind; /* and queue: may be NULL when args is */
	const char *args; /* NULL: the description is missing */
	const char *queue;
	const char *meta; /* may be NULL */
	int attempt;
	int64_t timeout_ms; /* 0: none */
	int lane;           /* as of starts */
	int64_t pos;
	int crashes;
	const char *snapshot; /* of the last row; else NULL */
	int64_t batch;        /* 0: none */
	const char *stage;    /* may be NULL */

	/* Of a group (queue/group.h). */
	const char *group_key; /* NULL: none */
	int64_t run_key;       /* 0: none */
} claim_job;

PAWL_CHECK pawl_status claim_jobs(const queue_call *call, const claim_args *args,
                                  db_result **ret_result, pawl_error *error);

/*
 * Row of a result of claim_jobs.  Rows without a job (0) come last: one for each queue
 * that is paused and was passed over, then one with the snapshot of the statement that
 * looked.
 */
void claim_row(const db_result *result, int row, claim_job *ret_job);

#endif
