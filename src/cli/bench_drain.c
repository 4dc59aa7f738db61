/*
 * bench_drain.c - what a worker makes of the jobs: how many a second, and how soon
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "cli/bench.h"

#define DRAIN_MS 20000 /* of the drain: what is left then is cancelled */
#define READY_MS 10000 /* for the worker to begin, and for the last jobs */
#define SETTLE_MS 500  /* for the worker to have nothing to do */
#define GAP_US 10000   /* a hundred jobs a second */

static bool
wait_begun(bench *b, const bench_worker *worker)
{
	int64_t deadline_ms = clock_ms() + READY_MS;

	while (atomic_load(&b->page->handled) == 0 && clock_ms() < deadline_ms)
	{
		if (bench_worker_wait(b, worker, clock_ms() + 20, "waiting for the worker",
		                      0) ||
		    bench_stopped(b))
			return false;
	}
	return atomic_load(&b->page->handled) > 0;
}

pawl_status
bench_drain(bench *b, pawl_error *error)
{
	bench_worker worker = {0, -1};
	pawl_status status;
	int64_t first_us;

	atomic_store(&b->page->until, b->pushed);
	status = bench_worker_start(b, &worker, error);
	if (status != PAWL_OK)
		return status;
	(void) bench_worker_wait(b, &worker, clock_ms() + DRAIN_MS, "draining", b->pushed);
	status = bench_worker_end(&worker, error);
	first_us = atomic_load(&b->page->first_us);
	if (status == PAWL_OK && first_us > 0)
		b->figures.drain_rate = (double) atomic_load(&b->page->handled) * 1e6 /
		                        (double) (clock_us() - first_us + 1);
	return status;
}

/* ------------------------------------------------------------ latency ------------ */

/* Each at its own time within its hundredth, so that no poll falls into step. */
static pawl_status
push_paced(bench *b, int64_t *committed_us, long n, long *ret_pushed, pawl_error *error)
{
	int64_t begin_us = clock_us();
	pawl_status status = PAWL_OK;

	for (long i = 0; i < n && status == PAWL_OK; i++)
	{
		int64_t due_us =
			begin_us + i * GAP_US + (int64_t) (random_u64() % (uint64_t) GAP_US);
		char args[BENCH_ARGS];
		pawl_job_spec spec = bench_job(b, i, args);
		int64_t job;

		if (bench_pause(b, (due_us - clock_us()) / 1000))
			return PAWL_OK;
		status = pawl_push(b->client, &spec, &job, NULL, error);
		committed_us[i] = clock_us();
		*ret_pushed = i + (status == PAWL_OK);
		if (status == PAWL_OK)
			status = bench_pushed(b, &job, 1, error);
		progress_show(&b->progress, i, n, "one at a time, to an idle worker");
	}
	return status;
}

static void
note_latencies(bench *b, const int64_t *committed_us, long n, double *taken)
{
	static const int percents[] = {50, 95, 99};
	size_t seen = 0;

	for (long i = 0; i < n; i++)
	{
		int64_t started_us = atomic_load(&b->page->stamps[i]);

		if (started_us > 0)
			taken[seen++] = (double) (started_us - committed_us[i]) / 1000;
	}
	for (int i = 0; i < 3; i++)
		b->figures.latency_ms[i] = bench_at_percent(taken, seen, percents[i]);
}

static pawl_status
pace(bench *b, const bench_worker *worker, long n, pawl_error *error)
{
	auto_free int64_t *committed_us = calloc((size_t) n, sizeof(*committed_us));
	auto_free double *taken = calloc((size_t) n, sizeof(*taken));
	pawl_status status;
	long pushed = 0;

	if (committed_us == NULL || taken == NULL)
		return error_memory(error);
	if (!wait_begun(b, worker) || bench_pause(b, SETTLE_MS))
		return PAWL_OK;
	status = push_paced(b, committed_us, n, &pushed, error);
	if (status != PAWL_OK || pushed < n)
		return status;
	(void) bench_worker_wait(b, worker, clock_ms() + READY_MS, "waiting for the last",
	                         0);
	note_latencies(b, committed_us, pushed, taken);
	return PAWL_OK;
}

/* The first job only tells that the worker is there. */
pawl_status
bench_latency(bench *b, pawl_error *error)
{
	long n = b->seconds * (1000000 / GAP_US);
	bench_worker worker = {0, -1};
	char args[BENCH_ARGS];
	pawl_job_spec spec = bench_job(b, -1, args);
	pawl_error end;
	pawl_status status;
	int64_t job;

	atomic_store(&b->page->until, n + 1);
	status = pawl_push(b->client, &spec, &job, NULL, error);
	if (status == PAWL_OK)
		status = bench_pushed(b, &job, 1, error);
	if (status == PAWL_OK)
		status = bench_worker_start(b, &worker, error);
	if (status != PAWL_OK)
		return status;
	status = pace(b, &worker, n, error);
	if (bench_worker_end(&worker, &end) != PAWL_OK && status == PAWL_OK)
	{
		*error = end;
		status = end.status;
	}
	return status;
}
