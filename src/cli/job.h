/*
 * job.h - what the commands of the noun job share
 */
#ifndef PAWL_CLI_JOB_H
#define PAWL_CLI_JOB_H

#include "cli/output.h"
#include "db/db.h"
#include "pawl.h"

/* Names of the states in the order of pawl_state; ended by NULL. */
extern const char *const JOB_STATES[];

/* "debug" to "error" in the order of pawl_level; ended by NULL. */
extern const char *const JOB_LEVELS[];

/* The job's state; ERR_NOT_FOUND. */
PAWL_CHECK pawl_status job_find_state(db *own_db, int64_t id, pawl_state *ret_state,
                                      pawl_error *error);

/* Which lines of a job's log are read. */
typedef struct job_lines
{
	int64_t job;
	int level;                  /* and above, an index of JOB_LEVELS; -1: all */
	int n;                      /* at most so many */
	int64_t since_us, until_us; /* written from then until then; 0: at any time */
	int64_t id;                 /* smaller ids, or greater ones; 0: any */
} job_lines;

#define JOB_LINES_OF(job_id, most)                                                     \
	(job_lines)                                                                        \
	{                                                                                  \
		.job = (job_id), .level = -1, .n = (most)                                      \
	}

/*
 * Lines of a job's log, oldest first; query: "job_logs", the newest below the id, or
 * "job_logs_after", the oldest above it, which needs one (sql/queries).
 */
PAWL_CHECK pawl_status job_read_logs(db *own_db, const char *query,
                                     const job_lines *wanted, db_result **ret_result,
                                     pawl_error *error);

/* What they answer. */
enum
{
	JOB_LINE_ID,
	JOB_LINE_AT,
	JOB_LINE_LEVEL,
	JOB_LINE_FENCE,
	JOB_LINE_SUPERSEDED,
	JOB_LINE_MESSAGE,
	JOB_LINE_CONTEXT,
	JOB_LINE_COLUMNS
};
extern const output_column JOB_LINE[JOB_LINE_COLUMNS];

#endif
