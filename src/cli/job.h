/*
 * job.h - what the commands of the noun job share
 */
#ifndef PAWL_CLI_JOB_H
#define PAWL_CLI_JOB_H

#include "db/db.h"
#include "pawl.h"

/* Names of the states in the order of pawl_state; ended by NULL. */
extern const char *const JOB_STATES[];

/* "debug" to "error" in the order of pawl_level; ended by NULL. */
extern const char *const JOB_LEVELS[];

/* The job's state; ERR_NOT_FOUND. */
PAWL_CHECK pawl_status job_find_state(db *own_db, int64_t id, pawl_state *ret_state,
                                      pawl_error *error);

/*
 * The newest n lines of a job's log, oldest first (sql/queries/job_logs.sql), of this
 * level and above (an index of JOB_LEVELS, -1: all).
 */
PAWL_CHECK pawl_status job_read_logs(db *own_db, int64_t id, int level, int n,
                                     db_result **ret_result, pawl_error *error);

#endif
