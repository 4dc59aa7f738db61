/*
 * context.h - what a handler is given: its attempt's interrupt and result
 *
 * Belongs to one executor, which uses it for one work after the other.  Everything but
 * the work's `interrupt` is touched by that thread alone.
 */
#ifndef PAWL_WORKER_CONTEXT_H
#define PAWL_WORKER_CONTEXT_H

#include "worker/counters.h"
#include "worker/worker.h"

struct pawl_context
{
	pawl_worker *worker;
	int interrupt_fd;
	work *work;
	counters counters; /* of the work */
	bool timed_out;    /* the handler was told, or the time had passed when it ended */
};

/* Before the handler: the attempt's time begins. */
void context_begin(pawl_context *context, work *w);

/* After it: what the verdict and the interrupts make of the work. */
void context_conclude(pawl_context *context, pawl_verdict verdict);

#endif
