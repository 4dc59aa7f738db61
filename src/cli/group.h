/*
 * group.h - what the commands of the noun group share
 */
#ifndef PAWL_CLI_GROUP_H
#define PAWL_CLI_GROUP_H

#include "cli/age.h"
#include "cli/output.h"
#include "db/db.h"

/* The columns of a group, as in sql/queries/group_list.sql. */
enum
{
	GROUP_KEY,
	GROUP_STATE,
	GROUP_WORKER_NAME,
	GROUP_HELD_FOR,
	GROUP_LEASE_LEFT,
	GROUP_WAITING,
	GROUP_AGE,
	GROUP_BLOCKED_BY,
	GROUP_HEAD,
	GROUP_HEAD_DUE,
	GROUP_AGE_S,
	GROUP_HELD_S,
	GROUP_SINCE,
	GROUP_WORKER,
	GROUP_TENANT,
	GROUP_COLUMNS
};
extern const output_column GROUP[GROUP_COLUMNS];

/* A group; ERR_NOT_FOUND: nothing of it waits, nobody holds it. */
PAWL_CHECK pawl_status group_read(db *own_db, const char *key, db_result **ret_group,
                                  pawl_error *error);

/* Where the texts of a row stand that the query does not answer. */
typedef struct group_texts
{
	char held[AGE_SIZE];
	char age[AGE_SIZE];
} group_texts;

/* The values of a row; what was not counted is told to people alone. */
void group_row(output_format format, const db_result *groups, int row,
               group_texts *texts, const char *ret_values[GROUP_COLUMNS]);

#endif
