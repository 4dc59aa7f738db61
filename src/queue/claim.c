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
	COL_PRIORITY,
	COL_POS,
	COL_CRASHES
};

pawl_status
claim_jobs(const queue_call *call, const claim_args *args, db_result **ret_result,
           pawl_error *error)
{
	static const char sql[] =
		"SELECT job, fence, kind, args, queue, attempt, meta, timeout_ms, priority,"
		" pos, crashes FROM pawl.claim($1::uuid, $2::int, $3::text[], $4::text[],"
		" $5::bigint[], $6::boolean)";
	auto_params *params = db_params_new();

	assert(args->n >= 1 && args->n <= LIMIT_CLAIM);
	assert(!args->suspects || args->n == 1);
	db_param_text(params, args->worker);
	db_param_int(params, args->n);
	call_param_texts(params, args->queues, args->n_queues);
	call_param_texts(params, args->kinds, args->n_kinds);
	if (args->starts != NULL)
		call_param_ints(params, args->starts, args->n_queues * CLAIM_PRIORITIES);
	else
		db_param_null(params);
	db_param_bool(params, args->suspects);
	return call_run(call, sql, params, ret_result, error);
}

static const char *
text_or_null(const db_result *result, int row, int column)
{
	return db_is_null(result, row, column) ? NULL : db_text(result, row, column);
}

void
claim_row(const db_result *result, int row, claim_job *ret_job)
{
	*ret_job = (claim_job){
		.job = db_int(result, row, COL_JOB),
		.fence = db_int(result, row, COL_FENCE),
		.kind = db_text(result, row, COL_KIND),
		.args = text_or_null(result, row, COL_ARGS),
		.queue = db_text(result, row, COL_QUEUE),
		.meta = text_or_null(result, row, COL_META),
		.attempt = (int) db_int(result, row, COL_ATTEMPT),
		.timeout_ms = db_int(result, row, COL_TIMEOUT),
		.priority = (int) db_int(result, row, COL_PRIORITY),
		.pos = db_int(result, row, COL_POS),
		.crashes = (int) db_int(result, row, COL_CRASHES),
	};
}
