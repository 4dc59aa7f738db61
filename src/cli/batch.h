/*
 * batch.h - what the commands of the noun batch share
 */
#ifndef PAWL_CLI_BATCH_H
#define PAWL_CLI_BATCH_H

#include "cli/output.h"
#include "db/db.h"

/* The columns of a batch, as in sql/queries/batch_list.sql. */
enum
{
	BATCH_ID,
	BATCH_NAME,
	BATCH_STATE,
	BATCH_TOTAL,
	BATCH_SUCCEEDED,
	BATCH_FAILED,
	BATCH_CANCELLED,
	BATCH_PERCENT,
	BATCH_EPOCH,
	BATCH_THRESHOLD,
	BATCH_COMPLETION,
	BATCH_OPENED_AT,
	BATCH_SEALED_AT,
	BATCH_CANCELLED_AT,
	BATCH_DONE_AT,
	BATCH_REASON,
	BATCH_COLUMNS
};
extern const output_column BATCH[BATCH_COLUMNS];

/* Those of a stage, which follow them in sql/queries/batch_show.sql. */
enum
{
	STAGE_NAME,
	STAGE_TOTAL,
	STAGE_SUCCEEDED,
	STAGE_FAILED,
	STAGE_CANCELLED,
	STAGE_PERCENT,
	STAGE_RATE,
	STAGE_ETA,
	STAGE_COUNTS,
	STAGE_COLUMNS
};
extern const output_column STAGE[STAGE_COLUMNS];

/* A batch, a row for each stage; ERR_NOT_FOUND. */
PAWL_CHECK pawl_status batch_read(db *own_db, int64_t id, db_result **ret_result,
                                  pawl_error *error);

/* Is it succeeded, failed or cancelled? */
bool batch_is_done(const db_result *batch);

/* Append it as a JSON object, its stages as "stages". */
void batch_append_json(buffer *b, const db_result *batch);

/* The stage's columns of a row. */
void
batch_stage_row(const db_result *batch, int row, const char *ret_values[STAGE_COLUMNS]);

#endif
