/*
 * bench.c - `pawl bench`: what a database gives, measured in a queue of its own
 *
 * The parts follow each other; a signal ends the present one, and no other begins.
 * Whatever has happened, what was pushed and is not finished is cancelled at the end.
 */
#include "cli/bench.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/random.h"
#include "cli/signals.h"
#include "cli/talk.h"

#define CANCEL_TRY_MS 5000 /* a server that is gone is not waited for */

typedef struct bench_options
{
	int jobs;
	int seconds;
} bench_options;

static const bench_options BENCH_DEFAULTS = {.jobs = 20000, .seconds = 3};

static const option_spec BENCH_OPTIONS[] = {
	{.name = "jobs",
     .letter = 'n',
     .type = OPTION_INT,
     .offset = offsetof(bench_options, jobs),
     .value = "N",
     .min = 1,
     .max = 1000000,
     .help = "how many jobs are pushed in bulk and drained (20000)"},
	{.name = "seconds",
     .letter = 's',
     .type = OPTION_INT,
     .offset = offsetof(bench_options, seconds),
     .value = "N",
     .min = 1,
     .max = BENCH_STAMPS_MAX / 100,
     .help = "how long single pushes, and the latency, are measured (3)"},
	OPTIONS_END,
};

/* ------------------------------------------------------------ for the parts ------ */

bool
bench_stopped(const bench *b)
{
	return bench_pause(b, 0);
}

bool
bench_pause(const bench *b, int64_t milliseconds)
{
	struct pollfd fd = {.fd = b->signal_fd, .events = POLLIN};

	return poll(&fd, 1, milliseconds > 0 ? (int) milliseconds : 0) > 0;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

double
bench_at_percent(double *values, size_t n, int percent)
{
	size_t at = (n * (size_t) percent + 99) / 100;

	if (n == 0)
		return BENCH_NEVER;
	qsort(values, n, sizeof(*values), compare);
	return values[at > 0 ? at - 1 : 0];
}

/* ------------------------------------------------------------ the end ------------ */

pawl_status
bench_pushed(bench *b, const int64_t *jobs, size_t n, pawl_error *error)
{
	for (size_t i = 0; i < n; i++)
	{
		size_t at = (size_t) b->pushed;

		if (at % BENCH_IDS == 0)
		{
			int64_t *more = realloc(b->ids, (at + BENCH_IDS) * sizeof(*more));

			if (more == NULL)
				return error_memory(error);
			b->ids = more;
		}
		b->ids[at] = jobs[i];
		b->pushed++;
	}
	return PAWL_OK;
}

/*
 * Cancel these unless they have ended; *ret_n: how many that were; -1: somebody has
 * locked some.  By id: a walk by the queue would be one over all that a user has.
 */
static pawl_status
cancel_some(bench *b, const int64_t *jobs, size_t n, int64_t *ret_n, pawl_error *error)
{
	static const char sql[] =
		"SELECT CASE WHEN bool_or(was = 'busy') THEN -1"
		" ELSE count(*) FILTER (WHERE done) END"
		" FROM pawl.cancel_many($1::bigint[], 'the benchmark has ended')";
	queue_call call = session_call(b->db);
	auto_params *params = db_params_new();

	call.deadline_ms = clock_ms() + CANCEL_TRY_MS;
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, jobs[i]);
	db_param_array_end(params);
	return call_run_int(&call, sql, params, ret_n, error);
}

static pawl_status
cancel_rest(bench *b, int64_t *ret_cancelled, pawl_error *error)
{
	bool locked = false;

	for (int64_t i = 0; i < b->pushed; i += LIMIT_PUSH)
	{
		int64_t left = b->pushed - i;
		size_t length = left < LIMIT_PUSH ? (size_t) left : LIMIT_PUSH;
		int64_t n = 0;
		pawl_status status = cancel_some(b, b->ids + i, length, &n, error);

		if (status != PAWL_OK)
			return status;
		locked = locked || n < 0;
		*ret_cancelled += n > 0 ? n : 0;
		progress_show(&b->progress, i, b->pushed, "looking for what is left");
	}
	if (locked)
		return error_set(error, PAWL_ERR_TRANSIENT,
		                 "jobs of the benchmark are locked by another session");
	return PAWL_OK;
}

/* A worker's process would learn it, when thousands of jobs have been pushed. */
static pawl_status
check_worker(bench *b, pawl_error *error)
{
	static const char sql[] =
		"SELECT has_function_privilege("
		"'pawl.worker_start(text, interval, text[], text[])', 'EXECUTE')";
	queue_call call = session_call(b->db);
	auto_params *params = db_params_new();
	bool may;
	pawl_status status = call_run_bool(&call, sql, params, &may, error);

	if (status != PAWL_OK || may)
		return status;
	status = error_set(error, PAWL_ERR_DATABASE, "this role may not run a worker");
	(void) snprintf(error->sqlstate, sizeof(error->sqlstate), "42501");
	return status;
}

/* Before anything is pushed: who may not cancel would leave it to nobody. */
static pawl_status
check_rights(bench *b, pawl_error *error)
{
	int64_t n;
	pawl_status status = cancel_some(b, NULL, 0, &n, error);

	if (status == PAWL_OK)
		status = check_worker(b, error);
	if (status != PAWL_OK && strcmp(error->sqlstate, "42501") == 0)
		error_hint(error, "It takes what pawl_producer and pawl_worker may.");
	return status;
}

/* Nothing that was pushed is left to a worker; what is left is said. */
static pawl_status
clean_up(bench *b, pawl_error *error)
{
	int64_t cancelled = 0;
	pawl_status status;

	b->progress.shown = talk_terminal();
	status = cancel_rest(b, &cancelled, error);
	progress_end(&b->progress);

	if (status != PAWL_OK)
	{
		error_hint(error,
		           "Cancel what is left: pawl job cancel --state ready --queue %s",
		           b->queue);
		return status;
	}
	talk("left behind: %" PRId64
	     " finished jobs in queue %s%s; retention takes them away "
	     "as it does all others",
	     b->pushed, b->queue, cancelled > 0 ? ", some of them cancelled" : "");
	return PAWL_OK;
}

/* ------------------------------------------------------------ the command -------- */

static pawl_status
measure(bench *b, pawl_error *error)
{
	static pawl_status (*const parts[])(bench * b, pawl_error * error) = {
		bench_server, bench_bulk, bench_single, bench_drain, bench_latency};
	pawl_status status = PAWL_OK;

	progress_begin(&b->progress);
	b->progress.shown = talk_terminal(); /* the table comes when it is over */
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		if (status != PAWL_OK || bench_stopped(b))
			break;
		b->progress.start_ms = clock_ms();
		status = parts[i](b, error);
	}
	progress_end(&b->progress);
	return status;
}

static int
run_parts(bench *b)
{
	pawl_error error;
	pawl_error end;
	pawl_status status = measure(b, &error);
	int stopped = bench_stopped(b) ? signals_last() : 0;
	int code = 0;

	if (status == PAWL_OK)
	{
		code = bench_show(b);
		if (stopped == 0)
			bench_verdict(b);
	}
	else
		code = talk_error(&error);
	if (b->pushed > 0 && clean_up(b, &end) != PAWL_OK)
	{
		int failed = talk_error(&end);

		code = code != 0 ? code : failed;
	}
	return stopped != 0 ? EXIT_SIGNAL + stopped : code;
}

static pawl_status
set_up(const command_call *call, bench *b, pawl_error *error)
{
	const bench_options *options = call->options;
	pawl_status status;
	void *page;

	b->call = call;
	b->jobs = options->jobs;
	b->seconds = options->seconds;
	b->figures = (bench_figures){
		BENCH_NEVER, BENCH_NEVER, 0,           BENCH_NEVER,
		BENCH_NEVER, BENCH_NEVER, BENCH_NEVER, {BENCH_NEVER, BENCH_NEVER, BENCH_NEVER}};
	(void) snprintf(b->queue, sizeof(b->queue), "pawl-bench-%016" PRIx64, random_u64());
	page = mmap(NULL, sizeof(*b->page), PROT_READ | PROT_WRITE,
	            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return error_memory(error);
	b->page = page;
	status = check_rights(b, error);
	return status == PAWL_OK
	           ? pawl_client_open(call->common.conninfo, &b->client, error)
	           : status;
}

static int
run_bench(const command_call *call)
{
	auto_session *own_db = NULL;
	bench b = {0};
	pawl_error error;
	int code;

	if (session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	b.db = own_db;
	if (signals_to_fd(&b.signal_fd, &error) != PAWL_OK)
		return talk_error(&error);
	code = set_up(call, &b, &error) == PAWL_OK ? run_parts(&b) : talk_error(&error);
	signals_default();
	pawl_client_close(b.client);
	free(b.ids);
	if (b.page != NULL)
		(void) munmap(b.page, sizeof(*b.page));
	return code;
}

const cli_command COMMAND_BENCH = {
	.name = "bench",
	.synopsis = "[OPTION]...",
	.summary = "measure what a database gives",
	.description =
		"Measure the database, in some ten seconds: what a round trip and a commit\n"
		"take; how many jobs one connection pushes in bulk and one by one; how many "
		"one\n"
		"worker, whose handler does nothing, finishes; and how soon after a commit an\n"
		"idle worker begins, at a hundred jobs a second.  Then a line says what "
		"bounds\n"
		"it.\n"
		"\n"
		"It works in a queue of its own, which no other worker claims from, and "
		"touches\n"
		"nobody's jobs.  What it has pushed is finished or cancelled when it ends, "
		"also\n"
		"on Ctrl-C; the finished jobs are history, and go with retention.  While it\n"
		"runs, the database is busy: others are slower for it.  It takes what\n"
		"pawl_producer and pawl_worker may.",
	.options = BENCH_OPTIONS,
	.defaults = &BENCH_DEFAULTS,
	.size = sizeof(bench_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.run = run_bench,
};
