/*
 * worker_row.h - a worker's row: its start, its lease, what it holds, its end
 */
#ifndef PAWL_QUEUE_WORKER_ROW_H
#define PAWL_QUEUE_WORKER_ROW_H

#include "queue/call.h"

#define WORKER_UUID 37 /* 36 characters and the NUL */

typedef struct worker_pair
{
	int64_t job;
	int64_t fence;
} worker_pair;

/* ERR_DATABASE (42501) with a hint when this user may not start a worker or claim. */
PAWL_CHECK pawl_status worker_row_check(const queue_call *call, pawl_error *error);

/* Begin a lease; ret_worker has room for WORKER_UUID bytes. */
PAWL_CHECK pawl_status worker_row_start(const queue_call *call, const char *name,
                                        int64_t lease_ms, const char *const *queues,
                                        size_t n_queues, const char *const *kinds,
                                        size_t n_kinds, char *ret_worker,
                                        pawl_error *error);

/*
 * Renew the lease and present what is in flight.  ret_ended (room for n) gets the
 * fences among them that have ended.  ERR_LEASE: the lease is over, for good.
 */
PAWL_CHECK pawl_status worker_row_heartbeat(const queue_call *call, const char *worker,
                                            const worker_pair *pairs, size_t n,
                                            int64_t *ret_ended, size_t *ret_n_ended,
                                            pawl_error *error);

/* End the lease and give back what it still holds. */
PAWL_CHECK pawl_status worker_row_stop(const queue_call *call, const char *worker,
                                       pawl_error *error);

/* What runs under this worker.  *ret_pairs is the caller's, to free(). */
PAWL_CHECK pawl_status worker_row_held(const queue_call *call, const char *worker,
                                       worker_pair **ret_pairs, size_t *ret_n,
                                       pawl_error *error);

#endif
