/*
 * executor.h - a thread that runs handlers
 */
#ifndef PAWL_WORKER_EXECUTOR_H
#define PAWL_WORKER_EXECUTOR_H

#include "worker/context.h"

typedef struct executor
{
	pawl_context context;
	pthread_t thread;
	bool started;
} executor;

void *executor_main(void *arg); /* arg: the executor */

#endif
