/*
 * queue.h - what the commands of the noun queue share
 */
#ifndef PAWL_CLI_QUEUE_H
#define PAWL_CLI_QUEUE_H

#include "cli/age.h"
#include "cli/output.h"
#include "db/db.h"

/* The columns of a queue, as in sql/queries/queue_list.sql. */
enum
{
	QUEUE_NAME,
	QUEUE_STATE,
	QUEUE_WORKERS,
	QUEUE_JOB,
	QUEUE_AGE,
	QUEUE_AGE_S,
	QUEUE_SINCE,
	QUEUE_PLACE,
	QUEUE_KIND,
	QUEUE_GROUP,
	QUEUE_ON_GROUP_FAILURE,
	QUEUE_WORKER_NAMES,
	QUEUE_COLUMNS
};
extern const output_column QUEUE[QUEUE_COLUMNS];

/* Queues by name: name alone (NULL: all), those behind after (NULL: all). */
PAWL_CHECK pawl_status queue_read(db *own_db, const char *name, const char *after,
                                  int n, db_result **ret_queues, pawl_error *error);

/* The values of a row; age holds the text of one of them. */
void queue_row(const db_result *queues, int row, char age[AGE_SIZE],
               const char *ret_values[QUEUE_COLUMNS]);

#endif
