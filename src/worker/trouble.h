/*
 * trouble.h - what the statements of a worker's threads fail with, for the steward to tell
 *
 * A thread notes when its trouble begins (outage.c), and its work when that is done again:
 * a claim, a settle.  The steward reads it in each tick.  One mutex, of its own.
 */
#ifndef PAWL_WORKER_TROUBLE_H
#define PAWL_WORKER_TROUBLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pawl.h"

/* Those without which there is no progress, by the role of their connection. */
typedef enum trouble_of
{
	TROUBLE_CLAIM,
	TROUBLE_SETTLE,
	TROUBLE_GROUP,
	TROUBLE_ROLES
} trouble_of;

typedef struct trouble_note
{
	int64_t since_ms;
	char why[300];
} trouble_note;

typedef struct trouble
{
	pthread_mutex_t mutex;
	atomic_bool any[TROUBLE_ROLES]; /* so that what works takes no mutex */
	trouble_note notes[TROUBLE_ROLES];
} trouble;

void trouble_init(trouble *t);
void trouble_destroy(trouble *t); /* after every thread has ended */

/* A role that is not one of them is passed over; of one that lasts, the cause is new. */
void trouble_begins(trouble *t, const char *role, const pawl_error *error);
void trouble_ends(trouble *t, trouble_of which);

/* False: there is none. */
bool trouble_look(trouble *t, trouble_of which, trouble_note *ret_note);

#endif
