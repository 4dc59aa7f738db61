/*
 * noop.c - a worker whose handler does nothing
 *
 *	noop once [QUEUE...]	until nothing is ready
 *	noop until N			until N jobs were handled; what it holds beyond is given back
 *	noop STEP FILE			until stdin ends; a line of JSON after each STEP jobs; FILE,
 *							unless it is -, gets a line for each job: its number, and
 *							when its handler began
 *
 * The last line on stdout says how many jobs were handled, the sum of their numbers
 * (one that was lost or doubled shows in it), and the seconds from the start of the
 * worker to its end, so that every result is stored and every lease is over.  Links
 * against libpawl, as an application does; connects by the PG* variables.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pawl.h>

#include "clock.h"
#include "memory.h"
#include "report.h"

#define EXECUTORS 2
#define MAX_STAMPS 1000000

typedef struct noop_stamp
{
	long n;
	int64_t time_ns;
} noop_stamp;

typedef struct noop_worker
{
	pawl_worker *worker;
	int64_t until;      /* 0: not by the number of jobs */
	int64_t step;       /* 0: says nothing in between */
	noop_stamp *stamps; /* NULL: none */
	atomic_llong handled;
	atomic_llong sum;
} noop_worker;

static void
tell(pawl_level level, const char *message, void *closure)
{
	(void) closure;
	if (level >= PAWL_WARN)
		fprintf(stderr, "noop: %s\n", message);
}

/* The number in {"n": 17, "pad": "…"}; the args are our own. */
static long
number_of(const char *args)
{
	return strtol(args + strlen("{\"n\": "), NULL, 10);
}

static pawl_verdict
handle(pawl_context *context, const pawl_job *job, void *closure)
{
	int64_t time_ns = now_ns();
	noop_worker *noop = closure;
	long n = number_of(job->args);
	long long handled;

	(void) context;
	atomic_fetch_add_explicit(&noop->sum, n, memory_order_relaxed);
	handled = atomic_fetch_add_explicit(&noop->handled, 1, memory_order_relaxed) + 1;
	if (noop->stamps != NULL && handled <= MAX_STAMPS)
		noop->stamps[handled - 1] = (noop_stamp){n, time_ns};
	if (noop->step > 0 && handled % noop->step == 0)
		printf("{\"handled\": %lld, \"time_ns\": %" PRId64 "}\n", handled, now_ns());
	if (handled == noop->until)
		pawl_worker_stop(noop->worker);
	return PAWL_COMPLETE;
}

/* Reads stdin to its end, and asks the worker to drain. */
static void *
wait_for_end(void *argument)
{
	noop_worker *noop = argument;
	char byte;

	while (fread(&byte, 1, 1, stdin) == 1)
		;
	pawl_worker_stop(noop->worker);
	return NULL;
}

static bool
write_stamps(const noop_worker *noop, const char *path)
{
	FILE *file = fopen(path, "w");
	long long n = atomic_load(&noop->handled);

	if (file == NULL)
		return fprintf(stderr, "noop: could not open file \"%s\": %m\n", path), false;
	for (long long i = 0; i < n && i < MAX_STAMPS; i++)
		fprintf(file, "%ld %" PRId64 "\n", noop->stamps[i].n, noop->stamps[i].time_ns);
	return fclose(file) == 0;
}

static int
run(noop_worker *noop, const char *const *queues, bool once, const char *path)
{
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
	int64_t start_ns = now_ns();
	pawl_error error;
	pthread_t thread;

	options.executors = EXECUTORS;
	options.once = once;
	options.queues = queues;
	options.notice = tell;
	if (pawl_worker_new(&options, &noop->worker, &error) != PAWL_OK)
		return report("make a worker", &error);
	if (noop->step > 0)
	{
		if (pthread_create(&thread, NULL, wait_for_end, noop) != 0)
			abort();
		pthread_detach(thread);
	}
	if (pawl_worker_handle(noop->worker, "noop", handle, noop, &error) != PAWL_OK ||
	    pawl_worker_run(noop->worker, &error) != PAWL_OK)
		return report("run", &error);
	printf("{\"handled\": %lld, \"sum\": %lld, \"seconds\": %.6f, \"peak_kib\": %ld}\n",
	       atomic_load(&noop->handled), atomic_load(&noop->sum),
	       seconds_since(start_ns), peak_kib());
	if (path != NULL && !write_stamps(noop, path))
		return 1;
	/* the thread that reads stdin may still look at the worker: it is not freed */
	return 0;
}

int
main(int argc, char **argv)
{
	static noop_worker noop;
	bool once = argc > 1 && strcmp(argv[1], "once") == 0;
	const char *const *queues = (const char *const *) argv + 2;
	const char *path = NULL;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && strcmp(argv[1], "until") == 0)
		noop.until = strtoll(argv[2], NULL, 10);
	else if (!once && argc == 3)
	{
		noop.step = strtoll(argv[1], NULL, 10);
		path = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
	}
	if (!once && noop.until <= 0 && noop.step <= 0)
	{
		fprintf(stderr,
		        "usage: noop once [QUEUE...] | noop until N | noop STEP FILE\n");
		return 2;
	}
	if (path != NULL && (noop.stamps = calloc(MAX_STAMPS, sizeof *noop.stamps)) == NULL)
		return fprintf(stderr, "noop: out of memory\n"), 1;
	return run(&noop, once && argc > 2 ? queues : NULL, once, path);
}
