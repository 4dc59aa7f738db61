/*
 * cancel.h - cancel a job in any live state
 */
#ifndef PAWL_QUEUE_CANCEL_H
#define PAWL_QUEUE_CANCEL_H

#include "queue/call.h"

/*
 * *ret_was: the state that it was in; a terminal one: nothing was changed.  ERR_BUSY:
 * fenced by an open transaction.  ERR_NOT_FOUND.  reason may be NULL.
 */
PAWL_CHECK pawl_status cancel_job(const queue_call *call, int64_t job,
                                  const char *reason, pawl_state *ret_was,
                                  pawl_error *error);

#endif
