/*
 * doorbell.c - see doorbell.h; called by the claimer
 */
#include "queue/doorbell.h"

pawl_status
doorbell_listen(const queue_call *call, const char *const *queues, size_t n,
                pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *channels = NULL;
	pawl_status status;

	call_param_texts(params, queues, n);
	status = call_run(call, "SELECT pawl.bell(q) FROM unnest($1::text[]) q", params,
	                  &channels, error);
	for (int i = 0; status == PAWL_OK && i < db_rows(channels); i++)
		status = db_listen(call->db, db_text(channels, i, 0), error);
	return status;
}

pawl_status
doorbell_sleep(const queue_call *call, const char *worker, const char *const *queues,
               size_t n, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_text(params, worker);
	call_param_texts(params, queues, n);
	return call_run(call, "SELECT pawl.worker_sleep($1::uuid, $2::text[])", params,
	                NULL, error);
}

pawl_status
doorbell_wake(const queue_call *call, const char *worker, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_text(params, worker);
	return call_run(call, "SELECT pawl.worker_wake($1::uuid)", params, NULL, error);
}
