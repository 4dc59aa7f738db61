/*
 * upkeep.h - the fleet's duties, each held by one worker at a time
 */
#ifndef PAWL_QUEUE_UPKEEP_H
#define PAWL_QUEUE_UPKEEP_H

#include "queue/call.h"

#define UPKEEP_CHUNK 1000 /* rows of one recover or promote: a bounded transaction */

/*
 * Take or keep a duty ("recover", "promote", "partitions", "watch", "retain") for
 * duty_ms.
 */
PAWL_CHECK pawl_status upkeep_take(const queue_call *call, const char *worker,
                                   const char *duty, int64_t duty_ms, bool *ret_taken,
                                   pawl_error *error);

/* Move what lost workers were running: at most UPKEEP_CHUNK jobs; how many. */
PAWL_CHECK pawl_status upkeep_recover(const queue_call *call, int64_t *ret_n,
                                      pawl_error *error);

/* Move scheduled jobs that are due: at most UPKEEP_CHUNK jobs; how many. */
PAWL_CHECK pawl_status upkeep_promote(const queue_call *call, int64_t *ret_n,
                                      pawl_error *error);

/* Attach partitions ahead of the ids in use; how many were made. */
PAWL_CHECK pawl_status upkeep_extend_partitions(const queue_call *call, int64_t *ret_n,
                                                pawl_error *error);

/* One step of taking away what is old: what was done to which partition. */
typedef struct upkeep_step
{
	char name[16]; /* attempts, emptied, dropped, logs, busy; "": nothing is to do */
	char part[24]; /* the end of the partition's name */
	int64_t gone;  /* rows of attempt, or jobs */
	int64_t kept;
} upkeep_step;

/* Take one step; it gives up after 50 ms what it cannot lock. */
PAWL_CHECK pawl_status upkeep_retain(const queue_call *call, upkeep_step *ret_step,
                                     pawl_error *error);

/* Is there a ready job that has crashed a worker, of these queues and kinds? */
PAWL_CHECK pawl_status upkeep_suspects_waiting(const queue_call *call,
                                               const char *const *queues,
                                               size_t n_queues,
                                               const char *const *kinds, size_t n_kinds,
                                               bool *ret_waiting, pawl_error *error);

#endif
