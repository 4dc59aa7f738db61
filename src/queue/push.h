/*
 * push.h - enqueue jobs
 */
#ifndef PAWL_QUEUE_PUSH_H
#define PAWL_QUEUE_PUSH_H

#include "queue/call.h"

/* One job.  ERR_ARGUMENT for what no queue would take. */
PAWL_CHECK pawl_status push_one(const queue_call *call, const pawl_job_spec *spec,
                                int64_t *ret_job, pawl_error *error);

/*
 * n jobs in one transaction, in chunks of LIMIT_PUSH: all or none.  ret_jobs has room
 * for n ids, in the order of specs, and is touched only on success of all.
 */
PAWL_CHECK pawl_status push_many(const queue_call *call, const pawl_job_spec *specs,
                                 size_t n, int64_t *ret_jobs, pawl_error *error);

#endif
