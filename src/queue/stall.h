/*
 * stall.h - a worker that is alive and makes no progress: what waits for it, and telling
 */
#ifndef PAWL_QUEUE_STALL_H
#define PAWL_QUEUE_STALL_H

#include "queue/call.h"

/* Names of queues or kinds, with commas between them, as much as fits. */
#define STALL_NAMES 400

/* What waits in a worker's queues; see sql/functions/work_waiting.sql. */
typedef struct stall_work
{
	int64_t job;              /* that it could claim; 0: none is seen */
	int64_t head;             /* of a group that it could take; likewise */
	char paused[STALL_NAMES]; /* queues; "": none */
	char kinds[STALL_NAMES];  /* that nobody handles; likewise */
	int64_t took_us;          /* the look, on the server */
} stall_work;

/* Asked for by upkeep_look, in these columns from the given one on. */
#define STALL_COLUMNS                                                                  \
	"w.job, w.head, array_to_string(w.paused, ', '), array_to_string(w.kinds, ', '),"  \
	" (extract(epoch FROM w.took) * 1000000)::bigint"
void stall_read(const db_result *result, int column, stall_work *ret_work);

/* Record it; reason NULL: it goes on.  It has been so for that long. */
PAWL_CHECK pawl_status stall_tell(const queue_call *call, const char *worker,
                                  const char *reason, const char *detail,
                                  int64_t lasted_ms, pawl_error *error);

#endif
