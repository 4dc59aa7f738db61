/*
 * lane.c - see lane.h; called by the claimer
 */
#include "queue/lane.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"

static void
lane_params(db_params *params, const lane_set *set, size_t lane)
{
	db_param_text(params, set->queues[lane / CLAIM_PRIORITIES]);
	db_param_int(params, (int64_t) (lane % CLAIM_PRIORITIES));
	call_param_texts(params, set->kinds, set->n_kinds);
}

pawl_status
lane_floors(const queue_call *call, const lane_set *set, int64_t *ret_floors,
            pawl_error *error)
{
	size_t n = set->n_queues * CLAIM_PRIORITIES;
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	call_param_texts(params, set->queues, set->n_queues);
	call_param_texts(params, set->kinds, set->n_kinds);
	status = call_run(call, "SELECT unnest(pawl.floors($1::text[], $2::text[]))",
	                  params, &result, error);
	if (status != PAWL_OK)
		return status;
	if ((size_t) db_rows(result) != n)
		return error_set(error, PAWL_ERR_DATABASE, "%d floors for %zu lanes",
		                 db_rows(result), n);
	for (size_t i = 0; i < n; i++)
		ret_floors[i] = db_int(result, (int) i, 0);
	return PAWL_OK;
}

pawl_status
lane_xid(const queue_call *call, uint64_t *ret_xid, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status =
		call_run(call, "SELECT pg_current_xact_id()::text", params, &result, error);

	if (status == PAWL_OK)
		*ret_xid = strtoumax(db_text(result, 0, 0), NULL, 10);
	return status;
}

pawl_status
lane_sweep(const queue_call *call, const lane_set *set, size_t lane, int64_t after,
           int64_t upto, int64_t *ret_pos, uint64_t *ret_oldest, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	lane_params(params, set, lane);
	db_param_int(params, after);
	db_param_int(params, upto);
	status = call_run(call,
	                  "SELECT coalesce(pos, 0), oldest::text FROM pawl.sweep($1::text,"
	                  " $2::int, $3::text[], $4::bigint, $5::bigint)",
	                  params, &result, error);
	if (status != PAWL_OK)
		return status;
	*ret_pos = db_int(result, 0, 0);
	*ret_oldest = strtoumax(db_text(result, 0, 1), NULL, 10);
	return PAWL_OK;
}

pawl_status
lane_raise_floor(const queue_call *call, const lane_set *set, size_t lane,
                 int64_t floor, const char *timeline, pawl_error *error)
{
	auto_params *params = db_params_new();

	lane_params(params, set, lane);
	db_param_int(params, floor);
	db_param_text(params, timeline);
	return call_run(call,
	                "SELECT pawl.raise_floor($1::text, $2::int, $3::text[],"
	                " $4::bigint, $5::text)",
	                params, NULL, error);
}
