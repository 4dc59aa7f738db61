/*
 * upkeep.c - see upkeep.h; called by the steward, suspects_waiting by the claimer
 */
#include "queue/upkeep.h"

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
