/*
 * retry.h - an operator's retry of a failed or cancelled job
 */
#ifndef PAWL_QUEUE_RETRY_H
#define PAWL_QUEUE_RETRY_H

#include "queue/call.h"

/* ERR_REFUSED in any other state, ERR_NOT_FOUND without the job. */
PAWL_CHECK pawl_status retry_job(const queue_call *call, int64_t job,
                                 pawl_state *ret_was, pawl_error *error);

#endif
