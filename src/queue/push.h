/*
 * push.h - enqueue jobs
 */
#ifndef PAWL_QUEUE_PUSH_H
#define PAWL_QUEUE_PUSH_H

#include "queue/call.h"

/*
 * One job.  ERR_ARGUMENT for what no queue would take.  *ret_created (or NULL) is false
 * when the answer is the live job that has its unique key.
 */
PAWL_CHECK pawl_status push_one(const queue_call *call, const pawl_job_spec *spec,
                                int64_t *ret_job, bool *ret_created, pawl_error *error);

/*
 * n jobs in one transaction, in chunks of LIMIT_PUSH: all or none.  ret_jobs and
 * ret_created (or NULL) have room for n answers, in the order of specs, and are touched
 * only on success of all.
 *
 * Locks: each chunk's keys in the order of their bytes, and the chunks in that order as
 * well, so that the order of specs cannot make two calls wait for each other.  What is
 * transient all the same is tried again as a whole until the call's deadline.
 */
PAWL_CHECK pawl_status push_many(const queue_call *call, const pawl_job_spec *specs,
                                 size_t n, int64_t *ret_jobs, bool *ret_created,
                                 pawl_error *error);

#endif
