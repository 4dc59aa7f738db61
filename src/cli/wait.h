/*
 * wait.h - waiting until jobs have ended
 */
#ifndef PAWL_CLI_WAIT_H
#define PAWL_CLI_WAIT_H

#include <stdbool.h>

#include "db/db.h"

typedef struct waited_job
{
	int64_t id;
	bool ended;
	pawl_state state; /* once it has ended */
	char error[256];  /* the beginning of its error, or "" */
} waited_job;

/*
 * Look at the jobs until each has ended, at first often and then each second; fills
 * state and error.  ERR_NOT_FOUND names the first unknown id; ERR_TIMEOUT after
 * deadline_ms (CLOCK_BOOTTIME), with what has ended filled in.
 */
PAWL_CHECK pawl_status wait_jobs(db *own_db, waited_job *jobs, size_t n,
                                 int64_t deadline_ms, pawl_error *error);

/* clock_ms() + duration_ms, which may be INT64_MAX. */
int64_t wait_deadline(int64_t duration_ms);

#endif
