/*
 * pusher.c - pushes jobs through libpawl and says how long that took
 *
 *	pusher		reads a command a line from stdin, answers each with a line of JSON
 *
 *	push N FIRST			N jobs, a thousand in a transaction, from two connections, as
 *							the Node peers' pushers
 *	push_keyed N FIRST		the same, each with a unique key of its own
 *	single S C				one job a transaction, for S seconds, from C connections
 *	pace RATE S FILE		RATE jobs a second for S seconds; FILE gets a line for each
 *							job: its number, and when its COMMIT had returned
 *
 * The args of job n are {"n": n, "pad": "…"}, a hundred bytes.  Connects by the PG*
 * variables.  Run by bench/run; the programs in bench/peers take the same commands.
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

#define CHUNK 1000
#define PUSHERS 2
#define ARGS_SIZE 128
#define KEY_SIZE 32
#define MAX_CONNECTIONS 64
#define PAD                                                                            \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"                                         \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* What a bulk push has left to do; its threads take a chunk at a time. */
typedef struct bulk_push
{
	pthread_barrier_t connected;
	atomic_long next;
	long n;
	long first;
	bool keyed;
} bulk_push;

/* One connection of a bulk push, and its thread. */
typedef struct bulk_pusher
{
	pthread_t thread;
	pawl_client *client;
	bulk_push *push;
	bool failed;
	pawl_job_spec specs[CHUNK];
	char args[CHUNK][ARGS_SIZE];
	char keys[CHUNK][KEY_SIZE];
	int64_t jobs[CHUNK];
} bulk_pusher;

/* One connection of `single`, and its thread. */
typedef struct lone_pusher
{
	pthread_t thread;
	int64_t until_ns;
	long jobs;
	bool failed;
} lone_pusher;

static bool
report(const char *what, const pawl_error *error)
{
	fprintf(stderr, "pusher: could not %s: %s %s\n", what, error->message,
	        error->sqlstate);
	return false;
}

static pawl_job_spec
describe(char args[ARGS_SIZE], long n)
{
	pawl_job_spec spec = PAWL_JOB_SPEC_INIT;

	snprintf(args, ARGS_SIZE, "{\"n\": %ld, \"pad\": \"" PAD "\"}", n);
	spec.kind = "noop";
	spec.args = args;
	return spec;
}

/* The jobs of one transaction, from number `first` on. */
static bool
push_chunk(bulk_pusher *pusher, size_t length, long first, bool keyed)
{
	pawl_error error;

	for (size_t i = 0; i < length; i++)
	{
		pusher->specs[i] = describe(pusher->args[i], first + (long) i);
		snprintf(pusher->keys[i], KEY_SIZE, "key %ld", first + (long) i);
		pusher->specs[i].unique_key = keyed ? pusher->keys[i] : NULL;
	}
	if (pawl_push_many(pusher->client, pusher->specs, length, pusher->jobs, NULL,
	                   &error) != PAWL_OK)
		return report("push", &error);
	return true;
}

static void *
push_chunks(void *argument)
{
	bulk_pusher *pusher = argument;
	bulk_push *push = pusher->push;
	pawl_error error;
	bool good = pawl_client_open("", &pusher->client, &error) == PAWL_OK ||
	            report("connect", &error);
	long done;

	pthread_barrier_wait(&push->connected);
	while (good && (done = atomic_fetch_add(&push->next, CHUNK)) < push->n)
	{
		long left = push->n - done;

		good = push_chunk(pusher, left < CHUNK ? (size_t) left : CHUNK,
		                  push->first + done, push->keyed);
	}
	pawl_client_close(pusher->client);
	pusher->failed = !good;
	return NULL;
}

static bool
push_jobs(long n, long first, bool keyed)
{
	static bulk_pusher pushers[PUSHERS];
	bulk_push push = {.n = n, .first = first, .keyed = keyed};
	int64_t start_ns;
	bool good = true;

	pthread_barrier_init(&push.connected, NULL, PUSHERS + 1);
	for (int i = 0; i < PUSHERS; i++)
	{
		pushers[i].client = NULL;
		pushers[i].push = &push;
		if (pthread_create(&pushers[i].thread, NULL, push_chunks, &pushers[i]) != 0)
			abort();
	}
	pthread_barrier_wait(&push.connected);
	start_ns = now_ns();
	for (int i = 0; i < PUSHERS; i++)
	{
		pthread_join(pushers[i].thread, NULL);
		good = good && !pushers[i].failed;
	}
	pthread_barrier_destroy(&push.connected);
	if (good)
		printf("{\"jobs\": %ld, \"seconds\": %.6f}\n", n, seconds_since(start_ns));
	return good;
}

static void *
push_alone(void *argument)
{
	lone_pusher *pusher = argument;
	char args[ARGS_SIZE];
	pawl_client *client;
	pawl_error error;
	int64_t job;

	pusher->failed = true;
	if (pawl_client_open("", &client, &error) != PAWL_OK)
		return report("connect", &error), NULL;
	while (now_ns() < pusher->until_ns)
	{
		pawl_job_spec spec = describe(args, pusher->jobs);

		if (pawl_push(client, &spec, &job, NULL, &error) != PAWL_OK)
		{
			pawl_client_close(client);
			return report("push", &error), NULL;
		}
		pusher->jobs++;
	}
	pawl_client_close(client);
	pusher->failed = false;
	return NULL;
}

static bool
push_single(long seconds, long connections)
{
	lone_pusher pushers[MAX_CONNECTIONS] = {0};
	int64_t start_ns = now_ns();
	bool good = true;
	long jobs = 0;

	for (long i = 0; i < connections; i++)
	{
		pushers[i].until_ns = start_ns + seconds * NS_PER_S;
		if (pthread_create(&pushers[i].thread, NULL, push_alone, &pushers[i]) != 0)
			abort();
	}
	for (long i = 0; i < connections; i++)
	{
		pthread_join(pushers[i].thread, NULL);
		jobs += pushers[i].jobs;
		good = good && !pushers[i].failed;
	}
	if (good)
		printf("{\"jobs\": %ld, \"seconds\": %.6f}\n", jobs, seconds_since(start_ns));
	return good;
}

/* At even times but for a shift of its own, so that no poll falls into step with it. */
static bool
push_paced(pawl_client *client, long rate, long seconds, const char *path)
{
	FILE *stamps = fopen(path, "w");
	char args[ARGS_SIZE];
	int64_t start_ns = now_ns(), job;
	long jobs = rate * seconds;
	unsigned int seed = 1;
	pawl_error error;

	if (stamps == NULL)
		return fprintf(stderr, "pusher: could not open file \"%s\": %m\n", path), false;
	for (long n = 0; n < jobs; n++)
	{
		pawl_job_spec spec = describe(args, n);

		sleep_until(start_ns +
		            (n * 1000 + rand_r(&seed) % 1000) * NS_PER_S / rate / 1000);
		if (pawl_push(client, &spec, &job, NULL, &error) != PAWL_OK)
		{
			fclose(stamps);
			return report("push", &error);
		}
		fprintf(stamps, "%ld %" PRId64 "\n", n, now_ns());
	}
	if (fclose(stamps) != 0)
		return fprintf(stderr, "pusher: could not write \"%s\": %m\n", path), false;
	printf("{\"jobs\": %ld, \"seconds\": %.6f}\n", jobs, seconds_since(start_ns));
	return true;
}

static bool
obey(pawl_client *client, const char *line)
{
	char path[512];
	long a, b;

	if (sscanf(line, "push %ld %ld", &a, &b) == 2)
		return push_jobs(a, b, false);
	if (sscanf(line, "push_keyed %ld %ld", &a, &b) == 2)
		return push_jobs(a, b, true);
	if (sscanf(line, "single %ld %ld", &a, &b) == 2 && b <= MAX_CONNECTIONS)
		return push_single(a, b);
	if (sscanf(line, "pace %ld %ld %511s", &a, &b, path) == 3 && a > 0)
		return push_paced(client, a, b, path);
	fprintf(stderr, "pusher: unknown command: %s", line);
	return false;
}

int
main(void)
{
	pawl_client *client;
	char line[1024];
	pawl_error error;
	bool good = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pawl_client_open("", &client, &error) != PAWL_OK)
		return report("connect", &error), 1;
	while (good && fgets(line, sizeof line, stdin) != NULL)
		good = obey(client, line);
	pawl_client_close(client);
	return good ? 0 : 1;
}
