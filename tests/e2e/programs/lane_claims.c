/*
 * lane_claims.c - claims by the marks, and counts
 *
 * Usage: lane_claims CONNINFO QUEUES KINDS SEED [forgetful|sweep]
 *
 * QUEUES and KINDS are separated by commas.  Claims a random number of jobs of these
 * kinds in each round, by the worker's own lanes, until stdin ends; from then on until
 * so many rounds have found nothing that nothing can come any more.  What it claims it
 * keeps.  It claims from the marks alone, without the sweep; with "forgetful" the mark
 * is not told which transactions were in progress.  With "sweep" it sweeps and raises
 * floors as a worker does, and ends when nothing of its kinds is ready, or after a while
 * in which nothing came.  Prints how many jobs it got.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "queue/worker_row.h"
#include "worker/lanes.h"

#define EMPTY_ROUNDS 20
#define NAMES_MAX 8
#define MOST 40
#define SWEEP_LAST_MS 15000

static const char *kinds[NAMES_MAX];
static const char *queues[NAMES_MAX];
static pawl_worker worker = {.kinds = kinds};

static void
insist(pawl_status status, const pawl_error *error)
{
	if (status == PAWL_OK)
		return;
	fprintf(stderr, "lane_claims: %s %s\n", error->message, error->sqlstate);
	exit(1);
}

static size_t
claim_round(const queue_call *call, lanes *l, const char *uuid, size_t n,
            bool forgetful)
{
	claim_args args = {.worker = uuid,
	                   .n = (int) n,
	                   .queues = queues,
	                   .n_queues = worker.n_queues,
	                   .kinds = kinds,
	                   .n_kinds = worker.n_handlers};
	auto_result *result = NULL;
	pawl_error error;
	size_t jobs = 0;

	lanes_begin(l, &args);
	insist(claim_jobs(call, &args, &result, &error), &error);
	for (int i = 0; i < db_rows(result); i++)
	{
		claim_job row;

		claim_row(result, i, &row);
		if (forgetful && row.snapshot != NULL)
			row.snapshot = "9000000000:9000000000:";
		lanes_tell(l, &row);
		jobs += row.job != 0;
	}
	lanes_end(l, call, jobs == n);
	return jobs;
}

static bool
writers_are_done(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	char c;

	return poll(&fd, 1, 0) == 1 && read(STDIN_FILENO, &c, 1) == 0;
}

static size_t
split(char *text, const char **names)
{
	size_t n = 0;

	for (char *name = strtok(text, ","); name != NULL && n < NAMES_MAX;
	     name = strtok(NULL, ","))
		names[n++] = name;
	return n;
}

static void
sweep_if_due(const queue_call *call, lanes *l)
{
	pawl_error error;

	if (clock_ms() >= lanes_sweep_due(l))
		insist(lanes_sweep(l, call, clock_ms(), &error), &error);
}

static bool
is_ready(const queue_call *call)
{
	auto_params *params = db_params_new();
	pawl_error error;
	bool ready = false;

	call_param_texts(params, queues, worker.n_queues);
	call_param_texts(params, kinds, worker.n_handlers);
	insist(call_run_bool(call,
	                     "SELECT EXISTS (SELECT FROM pawl.ready r WHERE r.queue = ANY "
	                     "($1::text[]) AND r.kind = ANY ($2::text[]))",
	                     params, &ready, &error),
	       &error);
	return ready;
}

/* Until stdin has ended and nothing comes any more. */
static long
claim_all(const queue_call *call, lanes *l, const char *uuid, const char *variant)
{
	bool forgetful = strcmp(variant, "forgetful") == 0;
	bool sweep = strcmp(variant, "sweep") == 0;
	int64_t last_ms = clock_ms();
	long claimed = 0;
	int empty = 0;
	bool done = false;

	for (;;)
	{
		size_t jobs =
			claim_round(call, l, uuid, 1 + (size_t) (lrand48() % MOST), forgetful);

		claimed += (long) jobs;
		if (jobs > 0 || !done)
			last_ms = clock_ms();
		if (sweep)
			sweep_if_due(call, l);
		if (sweep && done && (!is_ready(call) || clock_ms() > last_ms + SWEEP_LAST_MS))
			return claimed;
		empty = done && jobs == 0 && !lanes_unfinished(l) ? empty + 1 : 0;
		if (!sweep && empty == EMPTY_ROUNDS)
			return claimed;
		done = done || writers_are_done();
	}
}

int
main(int argc, char **argv)
{
	char uuid[WORKER_UUID];
	queue_call call = {.limits = DB_LIMITS_DEFAULT, .deadline_ms = CALL_ONCE};
	pawl_error error;
	lanes *l;

	if (argc < 5)
		return 2;
	worker.n_queues = split(argv[2], queues);
	worker.n_handlers = split(argv[3], kinds);
	worker.queues = (char **) (uintptr_t) queues;
	srand48(atol(argv[4]));
	insist(db_new(argv[1], "claim", "test", &call.db, &error), &error);
	insist(worker_row_start(&call, "test", 600000, queues, worker.n_queues, kinds,
	                        worker.n_handlers, uuid, &error),
	       &error);
	l = lanes_new(&worker);
	if (l == NULL)
		return 1;
	insist(lanes_read_floors(l, &call, &error), &error);
	printf("%ld\n", claim_all(&call, l, uuid, argc > 5 ? argv[5] : ""));
	lanes_free(l);
	db_free(call.db);
	return 0;
}
