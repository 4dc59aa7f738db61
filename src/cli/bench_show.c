/*
 * bench_show.c - the figures of `pawl bench`, and what they mean
 */
#include <stdio.h>

#include "base/error.h"
#include "cli/bench.h"
#include "cli/talk.h"

static const output_column COLUMNS[] = {
	{.name = "measure"},
	{.name = "value", .type = OUTPUT_NUMBER},
	{.name = "unit"},
};
#define N_COLUMNS (sizeof(COLUMNS) / sizeof(COLUMNS[0]))

/* Milliseconds beyond which a thing is worth naming as the bound. */
#define FLUSH_LONG_MS 0.5
#define TRIP_LONG_MS 0.5

/* What a single push waits for: its own round trips; libpawl's take two. */
#define TRIPS_OF_A_PUSH 2

int
bench_show(const bench *b)
{
	const bench_figures *f = &b->figures;
	const struct
	{
		const char *name;
		double value;
		const char *unit;
	} rows[] = {
		{"round trip", f->round_trip_ms, "ms"},
		{"commit", f->commit_ms, "ms"},
		{"bulk push", f->bulk_rate, "jobs/s"},
		{"single push", f->single_rate, "jobs/s"},
		{"single push, median", f->single_ms, "ms"},
		{"drain", f->drain_rate, "jobs/s"},
		{"latency p50", f->latency_ms[0], "ms"},
		{"latency p95", f->latency_ms[1], "ms"},
		{"latency p99", f->latency_ms[2], "ms"},
	};
	output *out =
		output_new((output_format) b->call->common.format, COLUMNS, N_COLUMNS);
	pawl_error error;

	if (out == NULL)
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		char value[32];
		const char *values[] = {rows[i].name, value, rows[i].unit};

		if (rows[i].value == BENCH_NEVER)
			continue;
		(void) snprintf(value, sizeof(value), rows[i].value < 100 ? "%.3f" : "%.0f",
		                rows[i].value);
		output_row(out, values);
	}
	return output_finish(out);
}

void
bench_verdict(const bench *b)
{
	const bench_figures *f = &b->figures;
	double trips_ms = f->round_trip_ms * TRIPS_OF_A_PUSH;

	talk("one connection pushes %.0f jobs a second in bulk and %.0f one by one, one "
	     "worker "
	     "finishes %.0f; an idle one begins %.1f ms after the commit",
	     f->bulk_rate, f->single_rate, f->drain_rate, f->latency_ms[0]);
	if (f->flush_ms >= FLUSH_LONG_MS && f->flush_ms >= trips_ms)
		talk("a commit takes %.1f ms, %.1f of them until it is on disk: single pushes "
		     "are "
		     "bounded by it; push in bulk, or from several connections",
		     f->commit_ms, f->flush_ms);
	else if (f->round_trip_ms >= TRIP_LONG_MS)
		talk("a round trip takes %.1f ms: single pushes and the latency are bounded by "
		     "it; "
		     "push in bulk, and run workers near the database",
		     f->round_trip_ms);
	else
		talk("neither the disk (a commit takes %.2f ms) nor the network (a round trip "
		     "takes %.2f ms) bounds it: processors do",
		     f->commit_ms, f->round_trip_ms);
}
