/*
 * bench_server.c - what the server's answers cost: a round trip, a commit
 */
#include "base/clock.h"
#include "base/error.h"
#include "cli/bench.h"

#define TRIPS 100
#define COMMITS 40
#define PART_US 2000000 /* of each: on a slow line fewer have to do */

/* Its WAL is all that it writes. */
static const char MESSAGE[] = "SELECT pg_logical_emit_message(true, 'pawl bench', '')";

static double
since_ms(int64_t begin_us)
{
	return (double) (clock_us() - begin_us) / 1000;
}

/* The first statement of a transaction travels with its BEGIN: it is not counted. */
static pawl_status
measure_trips(bench *b, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_txn txn = {NULL};
	double taken[TRIPS];
	size_t n = 0;
	int64_t begin_us;
	pawl_status status = db_begin(b->db, NULL, &txn, error);

	if (status == PAWL_OK)
		status = db_exec(&txn, "SELECT 1", params, NULL, error);
	begin_us = clock_us();
	while (status == PAWL_OK && n < TRIPS && clock_us() - begin_us < PART_US)
	{
		int64_t start_us = clock_us();

		status = db_exec(&txn, "SELECT 1", params, NULL, error);
		taken[n++] = since_ms(start_us);
	}
	if (status == PAWL_OK)
		status = db_commit(&txn, error);
	if (status == PAWL_OK)
		b->figures.round_trip_ms = bench_at_percent(taken, n, 50);
	return status;
}

/* What a commit takes after this statement: the median. */
static pawl_status
measure_commits(bench *b, const char *sql, double *ret_ms, pawl_error *error)
{
	auto_params *params = db_params_new();
	double taken[COMMITS];
	int64_t begin_us = clock_us();
	pawl_status status = PAWL_OK;
	size_t n = 0;

	while (status == PAWL_OK && n < COMMITS && clock_us() - begin_us < PART_US &&
	       !bench_stopped(b))
	{
		auto_txn txn = {NULL};
		int64_t start_us;

		status = db_begin(b->db, NULL, &txn, error);
		if (status == PAWL_OK)
			status = db_exec(&txn, sql, params, NULL, error);
		start_us = clock_us();
		if (status == PAWL_OK)
			status = db_commit(&txn, error);
		taken[n++] = since_ms(start_us);
	}
	if (status == PAWL_OK)
		*ret_ms = bench_at_percent(taken, n, 50);
	return status;
}

pawl_status
bench_server(bench *b, pawl_error *error)
{
	double empty_ms = BENCH_NEVER;
	pawl_status status = measure_trips(b, error);

	progress_show(&b->progress, 0, 0, "round trips and commits");
	if (status == PAWL_OK)
		status = measure_commits(b, "SELECT 1", &empty_ms, error);
	if (status == PAWL_OK)
		status = measure_commits(b, MESSAGE, &b->figures.commit_ms, error);
	if (status == PAWL_OK && b->figures.commit_ms > empty_ms)
		b->figures.flush_ms = b->figures.commit_ms - empty_ms;
	return status;
}
