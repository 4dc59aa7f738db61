/*
 * stall.c - see stall.h; called by the steward
 */
#include "queue/stall.h"

#include <stdio.h>

static int64_t
id_or_none(const db_result *result, int column)
{
	return db_is_null(result, 0, column) ? 0 : db_int(result, 0, column);
}

void
stall_read(const db_result *result, int column, stall_work *ret_work)
{
	*ret_work = (stall_work){.job = id_or_none(result, column),
	                         .head = id_or_none(result, column + 1),
	                         .took_us = db_int(result, 0, column + 4)};
	(void) snprintf(ret_work->paused, STALL_NAMES, "%s",
	                db_text(result, 0, column + 2));
	(void) snprintf(ret_work->kinds, STALL_NAMES, "%s", db_text(result, 0, column + 3));
}

pawl_status
stall_tell(const queue_call *call, const char *worker, const char *reason,
           const char *detail, int64_t lasted_ms, pawl_error *error)
{
	static const char sql[] = "SELECT pawl.worker_stalled($1::uuid, $2::text, $3::text,"
							  " make_interval(secs => $4::float8 / 1000))";
	auto_params *params = db_params_new();

	db_param_text(params, worker);
	db_param_text(params, reason);
	db_param_text(params, detail);
	db_param_int(params, lasted_ms);
	return call_run(call, sql, params, NULL, error);
}
