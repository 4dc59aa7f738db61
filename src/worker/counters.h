/*
 * counters.h - what one attempt of a job has counted, by name
 *
 * Belongs to the executor whose handler counts.  What goes wrong is kept and told once,
 * at the end: counting itself cannot fail.
 */
#ifndef PAWL_WORKER_COUNTERS_H
#define PAWL_WORKER_COUNTERS_H

#include "base/buffer.h"

typedef struct counter
{
	char *name;
	int64_t n;
} counter;

typedef struct counters
{
	counter *items; /* LIMIT_COUNTS of them, made by the first */
	size_t n;
	const char *wrong; /* why they cannot be stored; NULL: nothing is wrong */
} counters;

void counters_add(counters *c, const char *name, int64_t n);

/* Append {"name": sum, ...}. */
void counters_json(const counters *c, buffer *out);

void counters_free(counters *c); /* and make it empty */

#endif
