/*
 * queue.c - see queue.h
 */
#include "cli/queue.h"

#include "base/error.h"
#include "cli/session.h"

const output_column QUEUE[QUEUE_COLUMNS] = {
	[QUEUE_NAME] = {.name = "queue"},
	[QUEUE_STATE] = {.name = "state", .state = true},
	[QUEUE_WORKERS] = {.name = "workers", .type = OUTPUT_NUMBER},
	[QUEUE_JOB] = {.name = "oldest_job", .type = OUTPUT_NUMBER},
	[QUEUE_AGE] = {.name = "age"},
	[QUEUE_AGE_S] = {.name = "age_s", .type = OUTPUT_NUMBER, .wide = true},
	[QUEUE_SINCE] = {.name = "since", .wide = true},
	[QUEUE_PLACE] = {.name = "place", .wide = true},
	[QUEUE_KIND] = {.name = "kind", .wide = true},
	[QUEUE_GROUP] = {.name = "group_key", .wide = true},
	[QUEUE_ON_GROUP_FAILURE] = {.name = "on_group_failure", .wide = true},
	[QUEUE_WORKER_NAMES] = {.name = "worker_names", .wide = true},
};

pawl_status
queue_read(db *own_db, const char *name, const char *after, int n,
           db_result **ret_queues, pawl_error *error)
{
	auto_params *params = db_params_new();

	if (params == NULL)
		return error_memory(error);
	db_param_text(params, name);
	db_param_text(params, after);
	db_param_int(params, n);
	return session_query(own_db, "queue_list", params, ret_queues, error);
}

void
queue_row(const db_result *queues, int row, char age[AGE_SIZE],
          const char *ret_values[QUEUE_COLUMNS])
{
	session_row(queues, row, ret_values, QUEUE_COLUMNS);
	ret_values[QUEUE_AGE] = age_of(ret_values[QUEUE_AGE_S], age);
}
