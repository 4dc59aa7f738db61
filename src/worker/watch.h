/*
 * watch.h - the steward's watch for waits that PostgreSQL cannot see
 *
 * A duty of the fleet.  Each tick it looks for silent waits (queue/waits.h), records and
 * tells each once, and cancels the waiter of one that has been known for the worker's
 * wait_cancel_ms.  What is known lies in the database, so that it outlives the duty's
 * holder; nothing is kept here.
 */
#ifndef PAWL_WORKER_WATCH_H
#define PAWL_WORKER_WATCH_H

#include "queue/call.h"
#include "worker/worker.h"

/* One look; on the steward's thread. */
PAWL_CHECK pawl_status watch_look(pawl_worker *worker, const queue_call *call,
                                  pawl_error *error);

#endif
