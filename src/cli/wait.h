/*
 * wait.h - waiting until something has ended, jobs above all
 */
#ifndef PAWL_CLI_WAIT_H
#define PAWL_CLI_WAIT_H

#include <stdbool.h>

#include "cli/options.h"
#include "db/db.h"

/* The options of a command that waits. */
typedef struct wait_options
{
	int64_t timeout_ms;
} wait_options;

extern const option_spec WAIT_OPTIONS[];
extern const wait_options WAIT_DEFAULTS;

/* One look: how many are still waited for. */
typedef pawl_status (*wait_look)(db *own_db, void *closure, size_t *ret_left,
                                 pawl_error *error);

/*
 * Look until none is left, at first often and then each second.  ERR_TIMEOUT after
 * deadline_ms (CLOCK_BOOTTIME), when *ret_left are: the text is the caller's to make.
 */
PAWL_CHECK pawl_status wait_until(db *own_db, wait_look look, void *closure,
                                  int64_t deadline_ms, size_t *ret_left,
                                  pawl_error *error);

typedef struct waited_job
{
	int64_t id;
	bool ended;
	pawl_state state; /* once it has ended */
	char error[256];  /* the beginning of its error, or "" */
} waited_job;

/*
 * Wait until each of the jobs has ended; fills state and error.  ERR_NOT_FOUND names the
 * first unknown id; ERR_TIMEOUT: what has ended is filled in.
 */
PAWL_CHECK pawl_status wait_jobs(db *own_db, waited_job *jobs, size_t n,
                                 int64_t deadline_ms, pawl_error *error);

/* clock_ms() + duration_ms, which may be INT64_MAX. */
int64_t wait_deadline(int64_t duration_ms);

#endif
