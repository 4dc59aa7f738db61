/*
 * doorbell.h - to be told of what becomes ready in a queue; see sql/functions/ring.sql
 */
#ifndef PAWL_QUEUE_DOORBELL_H
#define PAWL_QUEUE_DOORBELL_H

#include "queue/call.h"

/* Listen to the bells of these queues, on the call's connection, for good. */
PAWL_CHECK pawl_status doorbell_listen(const queue_call *call,
                                       const char *const *queues, size_t n,
                                       pawl_error *error);

/* Set the worker's flag on these queues; clear it.  ERR_LEASE: the lease is over. */
PAWL_CHECK pawl_status doorbell_sleep(const queue_call *call, const char *worker,
                                      const char *const *queues, size_t n,
                                      pawl_error *error);
PAWL_CHECK pawl_status doorbell_wake(const queue_call *call, const char *worker,
                                     pawl_error *error);

#endif
