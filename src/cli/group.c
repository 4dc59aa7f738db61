/*
 * group.c - see group.h
 */
#include "cli/group.h"

#include <string.h>

#include "base/error.h"
#include "cli/session.h"

const output_column GROUP[GROUP_COLUMNS] = {
	[GROUP_KEY] = {.name = "group"},
	[GROUP_STATE] = {.name = "state", .state = true},
	[GROUP_WORKER_NAME] = {.name = "worker"},
	[GROUP_HELD_FOR] = {.name = "held_for"},
	[GROUP_LEASE_LEFT] = {.name = "lease_left_s", .type = OUTPUT_NUMBER},
	[GROUP_WAITING] = {.name = "waiting", .type = OUTPUT_NUMBER},
	[GROUP_AGE] = {.name = "age"},
	[GROUP_BLOCKED_BY] = {.name = "blocked_by", .type = OUTPUT_NUMBER},
	[GROUP_HEAD] = {.name = "head", .type = OUTPUT_NUMBER, .wide = true},
	[GROUP_HEAD_DUE] = {.name = "head_due", .wide = true},
	[GROUP_AGE_S] = {.name = "age_s", .type = OUTPUT_NUMBER, .wide = true},
	[GROUP_HELD_S] = {.name = "held_s", .type = OUTPUT_NUMBER, .wide = true},
	[GROUP_SINCE] = {.name = "since", .wide = true},
	[GROUP_WORKER] = {.name = "worker_id", .wide = true},
	[GROUP_TENANT] = {.name = "tenant", .wide = true},
};

pawl_status
group_read(db *own_db, const char *key, db_result **ret_group, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *group = NULL;
	pawl_status status;

	if (params == NULL)
		return error_memory(error);
	db_param_text(params, key);
	status = session_query(own_db, "group_show", params, &group, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(group) == 0 || strcmp(db_text(group, 0, GROUP_STATE), "free") == 0)
	{
		(void) error_set(error, PAWL_ERR_NOT_FOUND, "no job waits in group \"%.255s\"",
		                 key);
		error_hint(error, "Nobody works on it either; \"pawl group list\" has those "
		                  "that there are.");
		return PAWL_ERR_NOT_FOUND;
	}
	*ret_group = group;
	group = NULL;
	return PAWL_OK;
}

void
group_row(output_format format, const db_result *groups, int row, group_texts *texts,
          const char *ret_values[GROUP_COLUMNS])
{
	session_row(groups, row, ret_values, GROUP_COLUMNS);
	ret_values[GROUP_HELD_FOR] = age_of(ret_values[GROUP_HELD_S], texts->held);
	ret_values[GROUP_AGE] = age_of(ret_values[GROUP_AGE_S], texts->age);
	if (format == OUTPUT_TABLE && ret_values[GROUP_WAITING] == NULL)
		ret_values[GROUP_WAITING] = ">1000";
}
