/*
 * stats.h - what a worker has done so far, for the program's own progress lines
 */
#ifndef PAWL_WORKER_STATS_H
#define PAWL_WORKER_STATS_H

#include <stdint.h>

#include "pawl.h"

typedef struct worker_stats
{
	int64_t claimed;
	int64_t succeeded;
	int64_t failed; /* attempts, whether tried again or not */
	int64_t snoozed;
	int64_t released;
	int64_t cancelled;  /* handlers that were stopped because their claim had ended */
	int64_t stale;      /* results that came too late */
	int64_t taken_over; /* jobs of lost workers that this one has put back */
	int64_t log_lines;
	int64_t log_dropped;
	int64_t leases_lost;
	int64_t groups_taken;
	int64_t groups_lost;  /* abandoned: their lease was lost, or the connection */
	int64_t silent_waits; /* that this worker was the first to find */
} worker_stats;

/* From any thread, also before and after the run; the figures of one moment each. */
void worker_stats_read(pawl_worker *worker, worker_stats *ret_stats);

#endif
