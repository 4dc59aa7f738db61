/*
 * worker.h - the worker's inside: what its threads are given
 *
 * Everything but the board, the groups, the log queue and the counters is fixed before the first
 * thread starts and only read afterwards.  The threads, a file each: claimer.c,
 * executor.c, group_runner.c, settler.c, keeper.c, steward.c, log_writer.c; crew.c
 * starts and joins them.
 */
#ifndef PAWL_WORKER_WORKER_H
#define PAWL_WORKER_WORKER_H

#include <stdatomic.h>

#include "worker/board.h"
#include "worker/groups.h"
#include "worker/log_queue.h"
#include "worker/trouble.h"

typedef struct worker_handler
{
	char *kind;
	pawl_handler call; /* NULL: call_many */
	pawl_many_handler call_many;
	size_t max; /* jobs of a group at once */
	void *closure;
} worker_handler;

/* worker_stats, counted by several threads. */
typedef struct worker_counts
{
	_Atomic int64_t claimed;
	_Atomic int64_t succeeded;
	_Atomic int64_t failed;
	_Atomic int64_t snoozed;
	_Atomic int64_t released;
	_Atomic int64_t cancelled;
	_Atomic int64_t stale;
	_Atomic int64_t taken_over;
	_Atomic int64_t log_lines;
	_Atomic int64_t log_dropped;
	_Atomic int64_t leases_lost;
	_Atomic int64_t groups_taken;
	_Atomic int64_t groups_lost;
	_Atomic int64_t silent_waits;
} worker_counts;

struct pawl_worker
{
	char *conninfo;
	char *name;
	char **queues;
	size_t n_queues;
	worker_handler *handlers; /* ascending by kind */
	const char **kinds;       /* of them, for the claims */
	size_t n_handlers;
	size_t executors;
	size_t groups;     /* at a time; 0: none */
	int64_t *sizes;    /* of the handlers, as kinds */
	size_t group_jobs; /* given back after so many, when others wait */
	int64_t group_ms;  /* or after so long */
	int64_t lease_ms;
	int64_t poll_ms;
	int64_t drain_ms;
	int64_t wait_cancel_ms; /* -1: silent waits are only reported */
	bool once;
	void (*notice)(pawl_level level, const char *message, void *closure);
	void *notice_closure;
	int stop_fd; /* rung by pawl_worker_stop */
	bool running;

	worker_counts counts;
	board board;
	group_seats seats; /* of the runners of groups */
	log_queue log;
	trouble trouble;
};

/* Threads; arg is the pawl_worker, for an executor its own struct. */
void *claimer_main(void *arg);
void *settler_main(void *arg);
void *keeper_main(void *arg);
void *steward_main(void *arg);
void *log_writer_main(void *arg);

/* NULL when there is none. */
const worker_handler *worker_find_handler(const pawl_worker *worker, const char *kind);

/* A job of the worker's was settled by this verb; any thread. */
void worker_count(pawl_worker *worker, work_verb verb);

/* Tell the program; any thread. */
void worker_notice(pawl_worker *worker, pawl_level level, const char *format, ...)
	PAWL_PRINTF(3, 4);

/* A connection for the calling thread; NULL without memory, which is told. */
db *worker_db(pawl_worker *worker, const char *role);

#endif
