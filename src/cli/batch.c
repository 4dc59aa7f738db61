/*
 * batch.c - see batch.h
 */
#include "cli/batch.h"

#include <inttypes.h>

#include "base/error.h"
#include "cli/session.h"

const output_column BATCH[BATCH_COLUMNS] = {
	[BATCH_ID] = {.name = "id", .type = OUTPUT_NUMBER},
	[BATCH_NAME] = {.name = "name"},
	[BATCH_STATE] = {.name = "state", .state = true},
	[BATCH_TOTAL] = {.name = "total", .type = OUTPUT_NUMBER},
	[BATCH_SUCCEEDED] = {.name = "succeeded", .type = OUTPUT_NUMBER},
	[BATCH_FAILED] = {.name = "failed", .type = OUTPUT_NUMBER},
	[BATCH_CANCELLED] = {.name = "cancelled", .type = OUTPUT_NUMBER},
	[BATCH_PERCENT] = {.name = "percent", .type = OUTPUT_NUMBER},
	[BATCH_EPOCH] = {.name = "epoch", .type = OUTPUT_NUMBER, .wide = true},
	[BATCH_THRESHOLD] = {.name = "threshold", .type = OUTPUT_NUMBER, .wide = true},
	[BATCH_COMPLETION] = {.name = "completion", .type = OUTPUT_NUMBER, .wide = true},
	[BATCH_OPENED_AT] = {.name = "opened_at"},
	[BATCH_SEALED_AT] = {.name = "sealed_at", .wide = true},
	[BATCH_CANCELLED_AT] = {.name = "cancelled_at", .wide = true},
	[BATCH_DONE_AT] = {.name = "done_at"},
	[BATCH_REASON] = {.name = "reason", .wide = true},
};

const output_column STAGE[STAGE_COLUMNS] = {
	[STAGE_NAME] = {.name = "stage"},
	[STAGE_TOTAL] = {.name = "total", .type = OUTPUT_NUMBER},
	[STAGE_SUCCEEDED] = {.name = "succeeded", .type = OUTPUT_NUMBER},
	[STAGE_FAILED] = {.name = "failed", .type = OUTPUT_NUMBER},
	[STAGE_CANCELLED] = {.name = "cancelled", .type = OUTPUT_NUMBER},
	[STAGE_PERCENT] = {.name = "percent", .type = OUTPUT_NUMBER},
	[STAGE_RATE] = {.name = "rate", .type = OUTPUT_NUMBER},
	[STAGE_ETA] = {.name = "eta_s", .type = OUTPUT_NUMBER},
	[STAGE_COUNTS] = {.name = "counts", .type = OUTPUT_VALUE},
};

pawl_status
batch_read(db *own_db, int64_t id, db_result **ret_result, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	if (params == NULL)
		return error_memory(error);
	db_param_int(params, id);
	status = session_query(own_db, "batch_show", params, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) == 0)
		return error_set(error, PAWL_ERR_NOT_FOUND, "batch %" PRId64 " does not exist",
		                 id);
	*ret_result = result;
	result = NULL;
	return PAWL_OK;
}

bool
batch_is_done(const db_result *batch)
{
	return !db_is_null(batch, 0, BATCH_DONE_AT);
}

void
batch_stage_row(const db_result *batch, int row, const char *ret_values[STAGE_COLUMNS])
{
	for (int i = 0; i < STAGE_COLUMNS; i++)
		ret_values[i] = db_is_null(batch, row, BATCH_COLUMNS + i)
		                    ? NULL
		                    : db_text(batch, row, BATCH_COLUMNS + i);
}

void
batch_append_json(buffer *b, const db_result *batch)
{
	const char *values[BATCH_COLUMNS];

	session_row(batch, 0, values, BATCH_COLUMNS);
	output_object(b, BATCH, BATCH_COLUMNS, values);
	if (!buffer_ok(b))
		return;
	b->length--; /* the brace is closed at the end */
	buffer_append(b, ", \"stages\": [");
	for (int row = 0; row < db_rows(batch); row++)
	{
		const char *stage[STAGE_COLUMNS];

		batch_stage_row(batch, row, stage);
		buffer_append(b, row > 0 ? ", " : "");
		output_object(b, STAGE, STAGE_COLUMNS, stage);
	}
	buffer_append(b, "]}");
}
