/*
 * embedder.c - a program that embeds libpawl, for test_embed.py
 *
 *	embedder clients CONNINFO CONNINFO	two clients, each in a thread of its own
 *	embedder stranger CONNINFO			a client used by a thread that does not own it
 *	embedder workers CONNINFO CONNINFO	two workers, each in a thread of its own
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pawl.h"

#define PUSHES 200

static void
must(pawl_status status, const pawl_error *error)
{
	if (status == PAWL_OK)
		return;
	fprintf(stderr, "%s: %s\n", pawl_status_name(status), error->message);
	exit(1);
}

static void
push_some(pawl_client *client, int n)
{
	pawl_job_spec spec = PAWL_JOB_SPEC_INIT;
	pawl_error error;
	int64_t job;

	spec.kind = "embedded";
	for (int i = 0; i < n; i++)
		must(pawl_push(client, &spec, &job, NULL, &error), &error);
}

static void *
push_alone(void *conninfo)
{
	pawl_client *client;
	pawl_error error;

	must(pawl_client_open(conninfo, &client, &error), &error);
	push_some(client, PUSHES);
	pawl_client_close(client);
	return NULL;
}

static void *
push_as_stranger(void *client)
{
	push_some(client, 1);
	return NULL;
}

static pawl_verdict
count(pawl_context *context, const pawl_job *job, void *closure)
{
	(void) context;
	(void) job;
	atomic_fetch_add((atomic_int *) closure, 1);
	return PAWL_COMPLETE;
}

static void *
work(void *conninfo)
{
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
	pawl_worker *worker;
	pawl_error error;
	atomic_int counted = 0;

	options.conninfo = conninfo;
	options.executors = 4;
	options.once = true;
	must(pawl_worker_new(&options, &worker, &error), &error);
	must(pawl_worker_handle(worker, "embedded", count, &counted, &error), &error);
	must(pawl_worker_run(worker, &error), &error);
	pawl_worker_free(worker);
	printf("%d\n", atomic_load(&counted));
	return NULL;
}

static void
run_two(void *(*body)(void *), char **conninfos)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, body, conninfos[i]) != 0)
			abort();
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void
use_as_stranger(const char *conninfo)
{
	pthread_t thread;
	pawl_client *client;
	pawl_error error;

	must(pawl_client_open(conninfo, &client, &error), &error);
	push_some(client, 1);
	if (pthread_create(&thread, NULL, push_as_stranger, client) != 0)
		abort();
	pthread_join(thread, NULL);
	pawl_client_close(client);
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "clients") == 0)
		run_two(push_alone, argv + 2);
	else if (argc == 4 && strcmp(argv[1], "workers") == 0)
		run_two(work, argv + 2);
	else if (argc == 3 && strcmp(argv[1], "stranger") == 0)
		use_as_stranger(argv[2]);
	else
		return 2;
	return 0;
}
