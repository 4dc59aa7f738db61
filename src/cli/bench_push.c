/*
 * bench_push.c - pushes: a thousand in a transaction, and one
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/bench.h"

#define PART_MS 20000    /* of the bulk: a slow database gets less */
#define SINGLES_MAX 5000 /* a fast one is not given more to drain */

/* A hundred bytes of arguments. */
#define PAD                                                                            \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

pawl_job_spec
bench_job(const bench *b, long number, char args[BENCH_ARGS])
{
	pawl_job_spec spec = PAWL_JOB_SPEC_INIT;

	(void) snprintf(args, BENCH_ARGS, "{\"n\": %ld, \"pad\": \"" PAD "\"}", number);
	spec.kind = BENCH_KIND;
	spec.queue = b->queue;
	spec.args = args;
	return spec;
}

static double
rate(int64_t jobs, int64_t begin_us)
{
	return (double) jobs * 1e6 / (double) (clock_us() - begin_us + 1);
}

typedef struct bulk
{
	pawl_job_spec specs[LIMIT_PUSH];
	char args[LIMIT_PUSH][BENCH_ARGS];
	int64_t ids[LIMIT_PUSH];
} bulk;

pawl_status
bench_bulk(bench *b, pawl_error *error)
{
	auto_free bulk *jobs = calloc(1, sizeof(*jobs));
	int64_t begin_us = clock_us();
	int64_t deadline_ms = clock_ms() + PART_MS;
	pawl_status status = PAWL_OK;

	if (jobs == NULL)
		return error_memory(error);
	for (int i = 0; i < LIMIT_PUSH; i++)
		jobs->specs[i] = bench_job(b, -1, jobs->args[i]);
	while (status == PAWL_OK && b->pushed < b->jobs && clock_ms() < deadline_ms &&
	       !bench_stopped(b))
	{
		int64_t left = b->jobs - b->pushed;
		size_t n = left < LIMIT_PUSH ? (size_t) left : LIMIT_PUSH;

		status = pawl_push_many(b->client, jobs->specs, n, jobs->ids, NULL, error);
		if (status == PAWL_OK)
			status = bench_pushed(b, jobs->ids, n, error);
		progress_show(&b->progress, b->pushed, b->jobs, "pushing in bulk");
	}
	if (status == PAWL_OK && b->pushed > 0)
		b->figures.bulk_rate = rate(b->pushed, begin_us);
	return status;
}

pawl_status
bench_single(bench *b, pawl_error *error)
{
	auto_free double *taken = calloc(SINGLES_MAX, sizeof(*taken));
	char args[BENCH_ARGS];
	pawl_job_spec spec = bench_job(b, -1, args);
	int64_t begin_us = clock_us();
	int64_t end_us = begin_us + b->seconds * INT64_C(1000000);
	pawl_status status = PAWL_OK;
	size_t n = 0;

	if (taken == NULL)
		return error_memory(error);
	while (status == PAWL_OK && n < SINGLES_MAX && clock_us() < end_us &&
	       !bench_stopped(b))
	{
		int64_t start_us = clock_us();
		int64_t job;

		status = pawl_push(b->client, &spec, &job, NULL, error);
		if (status == PAWL_OK)
		{
			taken[n++] = (double) (clock_us() - start_us) / 1000;
			status = bench_pushed(b, &job, 1, error);
		}
		progress_show(&b->progress, clock_us() - begin_us, end_us - begin_us,
		              "pushing one by one");
	}
	if (status == PAWL_OK && n > 0)
	{
		b->figures.single_rate = rate((int64_t) n, begin_us);
		b->figures.single_ms = bench_at_percent(taken, n, 50);
	}
	return status;
}
