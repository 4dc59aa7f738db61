/*
 * bench.h - one run of `pawl bench`, in parts
 *
 * Everything runs on the main thread but the worker, which is a process of its own
 * (bench_worker.c): the program has no threads, and a worker's call does not return.
 * The two share a page of memory, in which the handler leaves what it saw.
 */
#ifndef PAWL_CLI_BENCH_H
#define PAWL_CLI_BENCH_H

#include <stdatomic.h>
#include <sys/types.h>

#include "cli/progress.h"
#include "cli/session.h"

#define BENCH_KIND "noop"
#define BENCH_STAMPS_MAX 6000 /* jobs of the latency's part: a minute of them */
#define BENCH_NEVER (-1.0)    /* a figure that was not measured */
#define BENCH_IDS 8192        /* ids for which memory is got at a time */

/* Shared with the worker. */
typedef struct bench_page
{
	atomic_llong handled;
	atomic_llong until;       /* the worker ends after so many */
	_Atomic int64_t first_us; /* when the first handler began; 0: none has */
	_Atomic int64_t stamps[BENCH_STAMPS_MAX]; /* by the job's number */
} bench_page;

typedef struct bench_figures
{
	double round_trip_ms;
	double commit_ms; /* of a transaction that has written */
	double flush_ms;  /* by how much that is longer than of one that has not */
	double bulk_rate;
	double single_rate;
	double single_ms; /* median */
	double drain_rate;
	double latency_ms[3]; /* at 50, 95 and 99 % */
} bench_figures;

typedef struct bench
{
	const command_call *call;
	db *db;
	pawl_client *client;
	char queue[32]; /* a name of this run's own */
	int jobs;
	int seconds;
	int signal_fd;
	int64_t pushed;
	int64_t *ids; /* of those; room for a multiple of BENCH_IDS */
	bench_page *page;
	progress progress;
	bench_figures figures;
} bench;

/* Has the user had enough?  A part then ends early, and the next does not begin. */
bool bench_stopped(const bench *b);

/* The same, after at most milliseconds; ends at once when he has. */
bool bench_pause(const bench *b, int64_t milliseconds);

/* These were pushed: what is left of them at the end is cancelled.  ERR_MEMORY. */
PAWL_CHECK pawl_status bench_pushed(bench *b, const int64_t *jobs, size_t n,
                                    pawl_error *error);

/* The value at so many percent of n values, which it sorts; BENCH_NEVER of none. */
double bench_at_percent(double *values, size_t n, int percent);

/* ------------------------------------------------------------ parts -------------- */

PAWL_CHECK pawl_status bench_server(bench *b, pawl_error *error); /* bench_server.c */
PAWL_CHECK pawl_status bench_bulk(bench *b, pawl_error *error);   /* bench_push.c */
PAWL_CHECK pawl_status bench_single(bench *b, pawl_error *error);

/* All that was pushed, by a worker; pawl_status of its own is told already. */
PAWL_CHECK pawl_status bench_drain(bench *b, pawl_error *error); /* bench_drain.c */
PAWL_CHECK pawl_status bench_latency(bench *b, pawl_error *error);

/* One job of this run; number is in its args, which have room for BENCH_ARGS bytes. */
#define BENCH_ARGS 128
pawl_job_spec bench_job(const bench *b, long number, char args[BENCH_ARGS]);

/* ------------------------------------------------------------ worker ------------- */

typedef struct bench_worker
{
	pid_t pid; /* 0: there is none */
	int fd;    /* a pidfd: readable when it has ended */
} bench_worker;

/* Start it; it ends by itself after page->until jobs. */
PAWL_CHECK pawl_status bench_worker_start(const bench *b, bench_worker *ret_worker,
                                          pawl_error *error);

/* Wait for its end: true; or until deadline_ms or the user's signal: false. */
bool bench_worker_wait(bench *b, const bench_worker *worker, int64_t deadline_ms,
                       const char *text, int64_t total);

/* Ask it to end unless it has, and wait.  ERR_SYSTEM: it failed, and has said why. */
PAWL_CHECK pawl_status bench_worker_end(bench_worker *worker, pawl_error *error);

/* ------------------------------------------------------------ answers ------------ */

/* The table on stdout: 0, or the exit code. */
int bench_show(const bench *b);

/* A line or two for people: what this database gives, and what bounds it. */
void bench_verdict(const bench *b);

#endif
