/*
 * handler_stranger.c - a handler that uses its group's connection on a thread of its own,
 * for test_group_worker.py: the worker must die of it
 */
#include <pthread.h>

#include "pawl.h"

pawl_verdict pawl_handle(pawl_context *context, const pawl_job *job, void *closure);

static void *
use(void *context)
{
	return pawl_context_connection(context);
}

pawl_verdict
pawl_handle(pawl_context *context, const pawl_job *job, void *closure)
{
	pthread_t thread;

	(void) job;
	(void) closure;
	if (pthread_create(&thread, NULL, use, context) == 0)
		pthread_join(thread, NULL);
	return PAWL_COMPLETE;
}
