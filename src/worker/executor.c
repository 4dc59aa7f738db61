/*
 * executor.c - runs handlers, one job at a time
 *
 * The thread owns its context with its eventfd, and the work that it runs.  It has no
 * connection.  A lock is taken once for each job: what is finished is put back and the
 * next is taken in the same section.
 */
#include "worker/executor.h"

void *
executor_main(void *arg)
{
	executor *self = arg;
	pawl_context *context = &self->context;
	board *b = &context->worker->board;
	work *w = NULL;

	while ((w = board_take(b, context->interrupt_fd, w)) != NULL)
		context_run(context, &w, 1);
	return NULL;
}
