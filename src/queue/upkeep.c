/*
 * upkeep.c - see upkeep.h; called by the steward, suspects_waiting by the claimer
 */
#include "queue/upkeep.h"

#include <stdio.h>

pawl_status
upkeep_take(const queue_call *call, const char *worker, const char *duty,
            int64_t duty_ms, bool *ret_taken, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_text(params, worker);
	db_param_text(params, duty);
	db_param_int(params, duty_ms);
	return call_run_bool(call,
	                     "SELECT pawl.upkeep_take($1::uuid, $2::text,"
	                     " make_interval(secs => $3::float8 / 1000))",
	                     params, ret_taken, error);
}

pawl_status
upkeep_recover(const queue_call *call, int64_t *ret_n, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_int(params, UPKEEP_CHUNK);
	return call_run_int(call, "SELECT pawl.recover($1::int)", params, ret_n, error);
}

pawl_status
upkeep_promote(const queue_call *call, int64_t *ret_n, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_int(params, UPKEEP_CHUNK);
	return call_run_int(call, "SELECT pawl.promote($1::int)", params, ret_n, error);
}

pawl_status
upkeep_extend_partitions(const queue_call *call, int64_t *ret_n, pawl_error *error)
{
	auto_params *params = db_params_new();

	return call_run_int(call, "SELECT pawl.extend_partitions()", params, ret_n, error);
}

pawl_status
upkeep_retain(const queue_call *call, upkeep_step *ret_step, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status =
		call_run(call, "SELECT step, part, gone, kept FROM pawl.retain()", params,
	             &result, error);

	if (status != PAWL_OK)
		return status;
	*ret_step = (upkeep_step){.gone = 0};
	if (db_rows(result) == 0)
		return PAWL_OK;
	snprintf(ret_step->name, sizeof(ret_step->name), "%s", db_text(result, 0, 0));
	snprintf(ret_step->part, sizeof(ret_step->part), "%s", db_text(result, 0, 1));
	ret_step->gone = db_int(result, 0, 2);
	ret_step->kept = db_int(result, 0, 3);
	return PAWL_OK;
}

pawl_status
upkeep_suspects_waiting(const queue_call *call, const char *const *queues,
                        size_t n_queues, const char *const *kinds, size_t n_kinds,
                        bool *ret_waiting, pawl_error *error)
{
	auto_params *params = db_params_new();

	call_param_texts(params, queues, n_queues);
	call_param_texts(params, kinds, n_kinds);
	return call_run_bool(call, "SELECT pawl.suspects_waiting($1::text[], $2::text[])",
	                     params, ret_waiting, error);
}
