/*
 * lane_claims.c - claims from the marks alone, without the sweep, and counts
 *
 * Usage: lane_claims CONNINFO QUEUES SEED [forgetful]
 *
 * QUEUES are separated by commas.  Claims a random number of jobs of kind "k" in each
 * round, by the worker's own lanes, until stdin ends; from then on until so many rounds
 * have found nothing that nothing can come any more.  What it claims it keeps.  With
 * "forgetful" the mark is not told which transactions were in progress.  Prints how
 * many jobs it got.
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
#define QUEUES_MAX 8
#define MOST 40

static const char *kinds[] = {"k"};
static const char *queues[QUEUES_MAX];
static pawl_worker worker = {.kinds = kinds, .n_handlers = 1};

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
	                   .n_kinds = 1};
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

int
main(int argc, char **argv)
{
	char uuid[WORKER_UUID];
	queue_call call = {.limits = DB_LIMITS_DEFAULT, .deadline_ms = CALL_ONCE};
	bool forgetful = argc == 5;
	pawl_error error;
	lanes *l;
	long claimed = 0;
	int empty = 0;
	bool done = false;

	if (argc < 4)
		return 2;
	for (char *q = strtok(argv[2], ","); q != NULL; q = strtok(NULL, ","))
		queues[worker.n_queues++] = q;
	worker.queues = (char **) (uintptr_t) queues;
	srand48(atol(argv[3]));
	insist(db_new(argv[1], "claim", "test", &call.db, &error), &error);
	insist(worker_row_start(&call, "test", 600000, queues, worker.n_queues, kinds, 1,
	                        uuid, &error),
	       &error);
	l = lanes_new(&worker);
	if (l == NULL)
		return 1;
	insist(lanes_read_floors(l, &call, &error), &error);
	while (empty < EMPTY_ROUNDS)
	{
		size_t n = 1 + (size_t) (lrand48() % MOST);
		size_t jobs;

		done = done || writers_are_done();
		jobs = claim_round(&call, l, uuid, n, forgetful);
		claimed += (long) jobs;
		empty = done && jobs == 0 && !lanes_unfinished(l) ? empty + 1 : 0;
	}
	printf("%ld\n", claimed);
	lanes_free(l);
	db_free(call.db);
	return 0;
}
