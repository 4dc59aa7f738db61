/*
 * log.c - see log.h; called by the log writer alone
 */
#include "queue/log.h"

#include <assert.h>

const char *
log_level_name(pawl_level level)
{
	static const char *const names[] = {[PAWL_DEBUG] = "debug",
	                                    [PAWL_INFO] = "info",
	                                    [PAWL_WARN] = "warn",
	                                    [PAWL_ERROR] = "error"};

	assert(level >= PAWL_DEBUG && level <= PAWL_ERROR);
	return names[level];
}

pawl_status
log_many(const queue_call *call, const log_line *lines, size_t n, pawl_error *error)
{
	static const char sql[] =
		"SELECT pawl.log_many($1::bigint[], $2::bigint[],"
		" ARRAY(SELECT to_timestamp(0) + us * interval '1 microsecond'"
		" FROM unnest($3::bigint[]) WITH ORDINALITY AS u(us, o) ORDER BY o),"
		" $4::text[], $5::text[], $6::jsonb[])";
	auto_params *params = db_params_new();

	assert(n >= 1 && n <= LOG_BATCH);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, lines[i].job);
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, lines[i].fence);
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, lines[i].at_us);
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, log_level_name(lines[i].level));
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, lines[i].message);
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, lines[i].context);
	db_param_array_end(params);
	return call_run(call, sql, params, NULL, error);
}
