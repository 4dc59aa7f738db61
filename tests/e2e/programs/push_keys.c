/*
 * push_keys.c - pushes jobs with unique keys by the C library, for test_push_keys.py
 *
 *	push_keys many CONNINFO		all by one pawl_push_many
 *	push_keys one CONNINFO		each by a pawl_push
 *
 * stdin has a job a line: its key or -, end or start, its priority.  stdout has a line
 * for each, in their order: the job's id, and whether it was made.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pawl.h"

#define JOBS_MAX 10000
#define KEY_MAX 300

typedef struct pushed
{
	char keys[JOBS_MAX][KEY_MAX];
	pawl_job_spec specs[JOBS_MAX];
	int64_t jobs[JOBS_MAX];
	bool created[JOBS_MAX];
	size_t n;
} pushed;

static void
must(pawl_status status, const pawl_error *error)
{
	if (status == PAWL_OK)
		return;
	fprintf(stderr, "%s %s: %s\n", pawl_status_name(status), error->sqlstate,
	        error->message);
	exit(1);
}

static void
read_jobs(pushed *p)
{
	char until[8];
	int priority;

	while (p->n < JOBS_MAX &&
	       scanf("%299s %7s %d", p->keys[p->n], until, &priority) == 3)
	{
		pawl_job_spec spec = PAWL_JOB_SPEC_INIT;

		spec.kind = "k";
		spec.priority = priority;
		if (strcmp(p->keys[p->n], "-") != 0)
			spec.unique_key = p->keys[p->n];
		if (strcmp(until, "start") == 0)
			spec.unique_until = PAWL_UNTIL_START;
		p->specs[p->n++] = spec;
	}
}

static void
push_each(pawl_client *client, pushed *p)
{
	pawl_error error;

	for (size_t i = 0; i < p->n; i++)
		must(pawl_push(client, &p->specs[i], &p->jobs[i], &p->created[i], &error),
		     &error);
}

int
main(int argc, char **argv)
{
	pushed *p = calloc(1, sizeof(*p));
	pawl_client *client;
	pawl_error error;

	if (argc != 3 || p == NULL)
		return 2;
	read_jobs(p);
	must(pawl_client_open(argv[2], &client, &error), &error);
	if (strcmp(argv[1], "one") == 0)
		push_each(client, p);
	else
		must(pawl_push_many(client, p->specs, p->n, p->jobs, p->created, &error),
		     &error);
	pawl_client_close(client);
	for (size_t i = 0; i < p->n; i++)
		printf("%" PRId64 " %d\n", p->jobs[i], p->created[i]);
	free(p);
	return 0;
}
