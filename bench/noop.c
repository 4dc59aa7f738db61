/*
 * noop.c - pushes and drains jobs that do nothing, and prints jobs per second
 *
 *	noop push N		push N jobs, a thousand in a transaction
 *	noop drain		run a worker until nothing is ready
 *
 * Links against libpawl, as an application does; connects by the PG* variables.  The
 * one number on stdout is read by bench/run.  drain counts from the start of the
 * worker to its end, so that every result is stored and every lease is over.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pawl.h>

#define CHUNK 1000
#define EXECUTORS 2

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static int
report(const char *what, const pawl_error *error)
{
	fprintf(stderr, "noop: could not %s: %s %s\n", what, error->message,
	        error->sqlstate);
	return 1;
}

static int
push(long n)
{
	pawl_job_spec specs[CHUNK];
	int64_t jobs[CHUNK];
	pawl_client *client;
	pawl_error error;
	double start_s;

	for (int i = 0; i < CHUNK; i++)
	{
		specs[i] = (pawl_job_spec) PAWL_JOB_SPEC_INIT;
		specs[i].kind = "noop";
	}
	if (pawl_client_open("", &client, &error) != PAWL_OK)
		return report("connect", &error);
	start_s = now_s();
	for (long done = 0; done < n; done += CHUNK)
	{
		size_t length = n - done < CHUNK ? (size_t) (n - done) : CHUNK;

		if (pawl_push_many(client, specs, length, jobs, NULL, &error) != PAWL_OK)
		{
			pawl_client_close(client);
			return report("push", &error);
		}
	}
	printf("%.0f\n", (double) n / (now_s() - start_s));
	pawl_client_close(client);
	return 0;
}

static pawl_verdict
count(pawl_context *context, const pawl_job *job, void *closure)
{
	(void) context;
	(void) job;
	atomic_fetch_add_explicit((atomic_long *) closure, 1, memory_order_relaxed);
	return PAWL_COMPLETE;
}

static void
tell(pawl_level level, const char *message, void *closure)
{
	(void) closure;
	if (level >= PAWL_INFO)
		fprintf(stderr, "noop: %s\n", message);
}

static int
drain(void)
{
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
	atomic_long jobs = 0;
	pawl_worker *worker;
	pawl_error error;
	double start_s;
	int failed = 1;

	options.executors = EXECUTORS;
	options.once = true;
	options.notice = tell;
	if (pawl_worker_new(&options, &worker, &error) != PAWL_OK)
		return report("make a worker", &error);
	start_s = now_s();
	if (pawl_worker_handle(worker, "noop", count, &jobs, &error) != PAWL_OK ||
	    pawl_worker_run(worker, &error) != PAWL_OK)
		report("run", &error);
	else if (jobs == 0)
		fprintf(stderr, "noop: no job was there\n");
	else
	{
		printf("%.0f\n", (double) jobs / (now_s() - start_s));
		failed = 0;
	}
	pawl_worker_free(worker);
	return failed;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "push") == 0 && atol(argv[2]) > 0)
		return push(atol(argv[2]));
	if (argc == 2 && strcmp(argv[1], "drain") == 0)
		return drain();
	fprintf(stderr, "usage: noop push N | noop drain\n");
	return 2;
}
