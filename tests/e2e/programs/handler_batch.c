/*
 * handler_batch.c - handlers in a shared object, for test_batch_handlers.py: by its kind
 *
 * open		opens a batch, pushes three items into it and seals it
 * item		pushes five children into its batch by all forms of a push, which is refused
 *			without a parent, and counts them
 * child	counts itself; likewise the completion job
 * count	counts seventeen
 */
#include <stdlib.h>
#include <string.h>

#include "pawl.h"

pawl_verdict pawl_handle(pawl_context *context, const pawl_job *job, void *closure);

static pawl_status
open_batch(pawl_client *client, pawl_error *error)
{
	static const char *const stages[] = {"collect", "process", NULL};
	static const int64_t expected[] = {3, 15};
	pawl_batch_spec spec = {.name = "by C",
	                        .stages = stages,
	                        .threshold = 0.05,
	                        .on_complete = "{\"kind\": \"child\"}",
	                        .expected = expected};
	pawl_job_spec items[3] = {PAWL_JOB_SPEC_INIT, PAWL_JOB_SPEC_INIT,
	                          PAWL_JOB_SPEC_INIT};
	int64_t jobs[3];
	int64_t batch;
	pawl_status status = pawl_batch_open(client, &spec, &batch, error);

	for (int i = 0; i < 3; i++)
	{
		items[i].kind = "item";
		items[i].batch = batch;
	}
	if (status == PAWL_OK)
		status = pawl_push_many(client, items, 3, jobs, NULL, error);
	if (status == PAWL_OK)
		status = pawl_batch_seal(client, batch, error);
	return status;
}

/* One alone, two alike, two of different priority. */
static pawl_status
push_children(pawl_client *client, const pawl_job *job, pawl_error *error)
{
	pawl_job_spec children[5];
	int64_t jobs[5];
	pawl_status status;

	for (int i = 0; i < 5; i++)
	{
		children[i] = (pawl_job_spec) PAWL_JOB_SPEC_INIT;
		children[i].kind = "child";
		children[i].batch = job->batch;
		children[i].stage = "process";
	}
	if (pawl_push(client, &children[0], jobs, NULL, error) != PAWL_ERR_REFUSED)
		return PAWL_ERR_ARGUMENT;
	for (int i = 0; i < 5; i++)
		children[i].parent = job;
	children[4].priority = 3;
	status = pawl_push(client, &children[0], jobs, NULL, error);
	if (status == PAWL_OK)
		status = pawl_push_many(client, children + 1, 2, jobs, NULL, error);
	if (status == PAWL_OK)
		status = pawl_push_many(client, children + 3, 2, jobs, NULL, error);
	return status;
}

pawl_verdict
pawl_handle(pawl_context *context, const pawl_job *job, void *closure)
{
	pawl_client *client = NULL;
	pawl_error error = {0};
	pawl_status status;

	(void) closure;
	if (strcmp(job->kind, "count") == 0)
	{
		pawl_context_count(context, "detections", 17);
		return PAWL_COMPLETE;
	}
	status = pawl_client_open(NULL, &client, &error);
	if (status == PAWL_OK && strcmp(job->kind, "open") == 0)
		status = open_batch(client, &error);
	else if (status == PAWL_OK && strcmp(job->kind, "item") == 0)
		status = push_children(client, job, &error);
	pawl_client_close(client);
	if (status != PAWL_OK)
	{
		pawl_context_error(context, "%s: %s", pawl_status_text(status), error.message);
		return PAWL_FAIL_FINAL;
	}
	for (int i = 0; i < 5 && strcmp(job->kind, "item") == 0; i++)
		pawl_context_count(context, "pushed", 1);
	if (strcmp(job->kind, "child") == 0)
		pawl_context_count(context, "children", 1);
	return PAWL_COMPLETE;
}
