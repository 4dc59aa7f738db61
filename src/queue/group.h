/*
 * group.h - groups: candidates, the lease of one, its jobs and their ends
 *
 * A group is taken before anything of it is done, which gives a token; everything after
 * presents it.  ERR_LEASE: the lease of the group, or that of the worker, is over, or
 * somebody else has taken the group; nothing was changed, and nothing more of this group
 * may be done.
 *
 * Whoever works on a group does all of it on one connection.  With limits.same_session
 * what was lost in between is ERR_CONNECTION, and not opened anew.
 */
#ifndef PAWL_QUEUE_GROUP_H
#define PAWL_QUEUE_GROUP_H

#include "queue/claim.h"
#include "queue/settle.h"

/* Who presents what: the texts are the caller's. */
typedef struct group_owner
{
	const char *worker; /* uuid */
	const char *group_key;
	int64_t token;
} group_owner;

/* ------------------------------------------------------------ finding ------------ */

/* Where to look for groups that this worker could go on with. */
typedef struct group_search
{
	const char *worker; /* uuid */

	/* Where the ring of a tenant was left: n_cursors of each; of the tenants that are not
	 * named it begins at the beginning. */
	const char *const *tenants;
	const char *const *afters;
	size_t n_cursors;

	const char *last_tenant; /* the first turn is the next one's; NULL: any */
	int n;                   /* groups at most */
	int steps;               /* looks at most */
	bool leases;             /* look for those that are over, too */
} group_search;

/* The texts belong to the result. */
typedef struct group_found
{
	const char *tenant; /* "": none */
	const char *group_key;
	bool ready; /* it may be taken; else how far the walk of the tenant has come */
} group_found;

/*
 * In the order in which they should be taken.  READ ONLY: it takes no lock and writes
 * nothing, so another may have taken one meanwhile.
 */
PAWL_CHECK pawl_status group_candidates(const queue_call *call,
                                        const group_search *search,
                                        db_result **ret_result, pawl_error *error);
void group_found_row(const db_result *result, int row, group_found *ret_found);

/* ------------------------------------------------------------ one group ---------- */

/* *ret_token 0: not obtained, and nothing was changed. */
PAWL_CHECK pawl_status group_take(const queue_call *call, const char *worker,
                                  const char *group_key, int64_t *ret_token,
                                  pawl_error *error);

typedef enum group_answer
{
	GROUP_JOB,
	GROUP_NONE,    /* no job is left */
	GROUP_LATER,   /* its head is not due */
	GROUP_BUSY,    /* something of it is locked, or still runs: look again */
	GROUP_BLOCKED, /* by a job that failed for good */
	GROUP_FOREIGN, /* its head is not this worker's to run now */
	GROUP_AGAIN, /* what a newer run, or a failed one, leaves behind was ended in part */
	GROUP_LEFT   /* of group_proceed: no more was asked for */
} group_answer;

/* How many consecutive jobs of a kind its handler takes at once; what has failed or crashed a
 * worker comes alone. */
typedef struct group_kinds
{
	const char *const *kinds; /* those that the worker has a handler for */
	const int64_t *sizes;     /* from 1 */
	size_t n;
} group_kinds;

/*
 * Take the head of the group, and what its handler takes with it, for execution; renews
 * the lease.  With GROUP_JOB the result has the jobs, one a row, ascending by id; with
 * any other answer *ret_result is untouched.  All or nothing; after ERR_UNKNOWN jobs may
 * run of which nobody knows: the group must be left to its lease.
 */
PAWL_CHECK pawl_status group_dispatch(const queue_call *call, const group_owner *owner,
                                      const group_kinds *kinds,
                                      group_answer *ret_answer, db_result **ret_result,
                                      pawl_error *error);
void group_job_row(const db_result *result, int row, claim_job *ret_job);

/* Rows that are settled by one verb. */
typedef struct group_part
{
	settle_verb verb;
	settle_row *rows;
	size_t n;
} group_part;

/*
 * Look that the group is still held, renew its lease, and settle all rows of all parts,
 * in one transaction.  Each row gets its answer, as in queue/settle.h.
 */
PAWL_CHECK pawl_status group_settle(const queue_call *call, const group_owner *owner,
                                    const group_part *parts, size_t n,
                                    pawl_error *error);

/* What group_proceed has found. */
typedef struct group_found_next
{
	group_answer answer;
	bool given;        /* the group was given back */
	db_result *result; /* the jobs, with GROUP_JOB; the caller's */
} group_found_next;

/*
 * All that follows when what was dispatched has succeeded, in one transaction: what
 * group_settle does for these n rows, then, with more, group_dispatch; and group_give_back
 * if that finds nothing to run.  While a row is busy no job is dispatched.
 */
PAWL_CHECK pawl_status group_proceed(const queue_call *call, const group_owner *owner,
                                     settle_row *rows, size_t n,
                                     const group_kinds *kinds, bool more,
                                     group_found_next *ret_next, pawl_error *error);

/*
 * The same for rows that succeeded, in the transaction `own` that a handler wrote in
 * (db_take_back was OK); n at most LIMIT_SETTLE, ascending.  It is committed when every row
 * is won; else it is rolled back, which is ERR_CONFLICT, and the answers say why:
 * SETTLE_REFUSED is a result that is too large.  After any failure own is rolled back.
 */
PAWL_CHECK pawl_status group_settle_own(db_txn *own, const group_owner *owner,
                                        settle_row *rows, size_t n, pawl_error *error);

/*
 * The keeper's: renew the leases of groups, in the order of keys that it brings them
 * into itself.  ret_lost (room for n) says of each whether it is lost; one that its owner
 * is just writing to is not.
 */
PAWL_CHECK pawl_status group_renew(const queue_call *call, const char *worker,
                                   const char *const *keys, const int64_t *tokens,
                                   size_t n, bool *ret_lost, pawl_error *error);

/* False: what its lease names still runs; the lease then runs out. */
PAWL_CHECK pawl_status group_give_back(const queue_call *call, const group_owner *owner,
                                       bool *ret_given, pawl_error *error);

#endif
