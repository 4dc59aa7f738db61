/*
 * claim.c - see claim.h; called by the claimer alone
 */
#include "queue/claim.h"

#include <assert.h>

#include "base/limits.h"

enum
{
	COL_JOB,
	COL_FENCE,
	COL_KIND,
	COL_ARGS,
	COL_QUEUE,
	COL_ATTEMPT,
	COL_META,
	COL_TIMEOUT,
	COL_LANE,
	COL_POS,
	COL_CRASHES,
	COL_SNAPSHOT,
	COL_BATCH,
	COL_STAGE
};

static void
positions(db_params *params, const claim_args *args, const int64_t *of_lanes)
{
	if (of_lanes != NULL)
		call_param_ints(params, of_lanes, args->n_queues * CLAIM_PRIORITIES);
	else
		db_param_null(params);
}

#define COLUMNS                                                                        \
	"SELECT job, fence, kind, args, queue, attempt, meta, timeout_ms, lane, pos,"      \
	" crashes, snapshot, batch, stage FROM "
#define PARAMETERS                                                                     \
	"$1::uuid, $2::int, $3::text[], $4::text[], $5::bigint[], $6::bigint[]"

pawl_status
claim_jobs(const queue_call *call, const claim_args *args, db_result **ret_result,
           pawl_error *error)
{
	bool few = args->n <= CLAIM_FEW && !args->suspects;
	auto_params *params = db_params_new();

	assert(args->n >= 1 && args->n <= LIMIT_CLAIM);
	assert(!args->suspects || args->n == 1);
	db_param_text(params, args->worker);
	db_param_int(params, args->n);
	call_param_texts(params, args->queues, args->n_queues);
	call_param_texts(params, args->kinds, args->n_kinds);
	positions(params, args, args->starts);
	positions(params, args, args->stops);
	if (few)
		return call_run(call, COLUMNS "pawl.claim_few(" PARAMETERS ")", params,
		                ret_result, error);
	db_param_bool(params, args->suspects);
	return call_run(call, COLUMNS "pawl.claim(" PARAMETERS ", $7::boolean)", params,
	                ret_result, error);
}

void
claim_row(const db_result *result, int row, claim_job *ret_job)
{
	*ret_job = (claim_job){
		.job = call_int(result, row, COL_JOB),
		.fence = call_int(result, row, COL_FENCE),
		.kind = call_text(result, row, COL_KIND),
		.args = call_text(result, row, COL_ARGS),
		.queue = call_text(result, row, COL_QUEUE),
		.meta = call_text(result, row, COL_META),
		.attempt = (int) call_int(result, row, COL_ATTEMPT),
		.timeout_ms = call_int(result, row, COL_TIMEOUT),
		.lane = (int) call_int(result, row, COL_LANE),
		.pos = call_int(result, row, COL_POS),
		.crashes = (int) call_int(result, row, COL_CRASHES),
		.snapshot = call_text(result, row, COL_SNAPSHOT),
		.batch = call_int(result, row, COL_BATCH),
		.stage = call_text(result, row, COL_STAGE),
	};
}
