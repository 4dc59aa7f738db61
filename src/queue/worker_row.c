/*
 * worker_row.c - see worker_row.h; called by the claimer (start, held) and the keeper
 */
#include "queue/worker_row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

pawl_status
worker_row_check(const queue_call *call, pawl_error *error)
{
	static const char sql[] =
		"SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
		" WHERE n.nspname = 'pawl' AND p.proname IN ('worker_start', 'claim')"
		" AND NOT has_function_privilege(p.oid, 'EXECUTE')";
	auto_params *params = db_params_new();
	int64_t refused;
	pawl_status status = call_run_int(call, sql, params, &refused, error);

	if (status != PAWL_OK || refused == 0)
		return status;
	error_set(error, PAWL_ERR_DATABASE, "permission denied to run a worker");
	error_sqlstate(error, "42501");
	error_hint(error, "Grant this user pawl_worker.");
	return PAWL_ERR_DATABASE;
}

pawl_status
worker_row_start(const queue_call *call, const char *name, int64_t lease_ms,
                 const char *const *queues, size_t n_queues, const char *const *kinds,
                 size_t n_kinds, char *ret_worker, pawl_error *error)
{
	static const char sql[] =
		"SELECT pawl.worker_start($1::text, make_interval(secs => $2::float8 / 1000),"
		" $3::text[], $4::text[])";
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	db_param_text(params, name);
	db_param_int(params, lease_ms);
	call_param_texts(params, queues, n_queues);
	call_param_texts(params, kinds, n_kinds);
	status = call_run(call, sql, params, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) != 1 || strlen(db_text(result, 0, 0)) != WORKER_UUID - 1)
		return error_set(error, PAWL_ERR_DATABASE, "worker_start answered no uuid");
	memcpy(ret_worker, db_text(result, 0, 0), WORKER_UUID);
	return PAWL_OK;
}

pawl_status
worker_row_heartbeat(const queue_call *call, const char *worker,
                     const worker_pair *pairs, size_t n, int64_t *ret_ended,
                     size_t *ret_n_ended, pawl_error *error)
{
	static const char sql[] =
		"SELECT pawl.heartbeat($1::uuid, $2::bigint[], $3::bigint[])";
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;
	size_t n_ended;

	db_param_text(params, worker);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, pairs[i].job);
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, pairs[i].fence);
	db_param_array_end(params);
	status = call_run(call, sql, params, &result, error);
	if (status != PAWL_OK)
		return status;

	n_ended = (size_t) db_rows(result);
	if (n_ended > n)
		n_ended = n;
	for (size_t i = 0; i < n_ended; i++)
		ret_ended[i] = db_int(result, (int) i, 0);
	*ret_n_ended = n_ended;
	return PAWL_OK;
}

pawl_status
worker_row_stop(const queue_call *call, const char *worker, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_text(params, worker);
	return call_run(call, "SELECT pawl.worker_stop($1::uuid)", params, NULL, error);
}

pawl_status
worker_row_held(const queue_call *call, const char *worker, worker_pair **ret_pairs,
                size_t *ret_n, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	worker_pair *pairs;
	pawl_status status;
	size_t n;

	db_param_text(params, worker);
	status = call_run(call, "SELECT job, fence FROM pawl.held($1::uuid)", params,
	                  &result, error);
	if (status != PAWL_OK)
		return status;
	n = (size_t) db_rows(result);
	pairs = malloc((n + 1) * sizeof(*pairs));
	if (pairs == NULL)
		return error_memory(error);
	for (size_t i = 0; i < n; i++)
		pairs[i] =
			(worker_pair){db_int(result, (int) i, 0), db_int(result, (int) i, 1)};
	*ret_pairs = pairs;
	*ret_n = n;
	return PAWL_OK;
}
