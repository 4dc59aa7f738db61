/*
 * batch.h - jobs that are counted together: opening a batch, and folding it
 */
#ifndef PAWL_QUEUE_BATCH_H
#define PAWL_QUEUE_BATCH_H

#include "queue/call.h"

PAWL_CHECK pawl_status batch_open(const queue_call *call, const pawl_batch_spec *spec,
                                  int64_t *ret_batch, pawl_error *error);

/* *ret_state: the state that it is in now, to free. */
PAWL_CHECK pawl_status batch_seal(const queue_call *call, int64_t batch,
                                  char **ret_state, pawl_error *error);

/*
 * Fold those of n batches whose jobs have all ended.  *ret_left of them are held by
 * somebody else; batches then begins with these.
 */
PAWL_CHECK pawl_status batch_fold_ended(const queue_call *call, int64_t *batches,
                                        size_t n, size_t *ret_left, pawl_error *error);

#endif
