/*
 * upkeep.h - the fleet's duties: what is to be done, and doing it
 */
#ifndef PAWL_QUEUE_UPKEEP_H
#define PAWL_QUEUE_UPKEEP_H

#include "queue/stall.h"

#define UPKEEP_CHUNK                                                                   \
	1000 /* rows of one recover, promote or fold: a bounded transaction */

/* The fleet's duties, each held by one worker at a time through a lease row. */
typedef enum upkeep_duty
{
	UPKEEP_RECOVER,
	UPKEEP_PROMOTE,
	UPKEEP_FOLD,
	UPKEEP_PARTITIONS,
	UPKEEP_WATCH,
	UPKEEP_RETAIN,
	UPKEEP_DUTIES /* how many there are */
} upkeep_duty;

/* What a look has found; see sql/functions/upkeep_look.sql. */
typedef struct upkeep_seen
{
	bool todo[UPKEEP_DUTIES]; /* this worker's, and there is something to do */
	bool suspects;            /* one is ready for this worker */
	bool groups;              /* a job waits in a group, or a group is taken */
	int64_t at_us;            /* when promotion was looked for; 0: it is another's */
	int64_t due_us;  /* of the first job to be promoted, no later; 0: unknown */
	int64_t next_ms; /* until the next job is due; -1: unknown, or there is none */
} upkeep_seen;

/*
 * Take or keep the wanted duties for duty_ms, and see what is to be done for those that
 * are the worker's.  Jobs that were due before since_us, and orphans, are looked for
 * only when it is 0.  ret_work: ask also what waits for the worker; NULL: do not.
 */
PAWL_CHECK pawl_status upkeep_look(const queue_call *call, const char *worker,
                                   const bool wanted[UPKEEP_DUTIES], int64_t duty_ms,
                                   int64_t since_us, upkeep_seen *ret_seen,
                                   stall_work *ret_work, pawl_error *error);

/* Move what lost workers were running: at most UPKEEP_CHUNK jobs; how many. */
PAWL_CHECK pawl_status upkeep_recover(const queue_call *call, int64_t *ret_n,
                                      pawl_error *error);

/* Move scheduled jobs that are due, not before since_us (0: all): at most UPKEEP_CHUNK
 * jobs; how many. */
PAWL_CHECK pawl_status upkeep_promote(const queue_call *call, int64_t since_us,
                                      int64_t *ret_n, pawl_error *error);

/* How far a walk over the batches has come. */
typedef struct upkeep_folded
{
	int64_t next; /* after which batch it goes on; 0: that was the last */
	bool more;    /* of one of those there is more to do */
} upkeep_folded;

/*
 * Fold those batches in which something has happened: of those after cursor (0: from the
 * first) n are looked at.  When one fails, none is folded.
 */
PAWL_CHECK pawl_status upkeep_fold_batches(const queue_call *call, int64_t cursor,
                                           int n, upkeep_folded *ret_folded,
                                           pawl_error *error);

/* The first batch after cursor that is not done; 0: there is none. */
PAWL_CHECK pawl_status upkeep_next_batch(const queue_call *call, int64_t cursor,
                                         int64_t *ret_batch, pawl_error *error);

/* Fold one batch; is there more to do of it? */
PAWL_CHECK pawl_status upkeep_fold(const queue_call *call, int64_t batch,
                                   bool *ret_more, pawl_error *error);

/* Attach partitions ahead of the ids in use; how many were made. */
PAWL_CHECK pawl_status upkeep_extend_partitions(const queue_call *call, int64_t *ret_n,
                                                pawl_error *error);

/* One step of taking away what is old: what was done to which partition. */
typedef struct upkeep_step
{
	char name[16]; /* as pawl.retain tells it; "": nothing is to do */
	char part[24]; /* the end of the partition's name */
	int64_t gone;  /* jobs when it was emptied, else rows */
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
