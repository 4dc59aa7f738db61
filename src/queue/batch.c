/*
 * batch.c - see batch.h; runs on the thread of its caller
 */
#include "queue/batch.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

/* What can be told without a server: texts, and how many stages there are. */
static pawl_status
check_spec(const pawl_batch_spec *spec, size_t *ret_stages, pawl_error *error)
{
	const char *name = spec->name != NULL ? spec->name : "";
	size_t n = 0;

	if (name[0] == '\0' || strlen(name) > LIMIT_NAME)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "name of a batch must have 1 to %d bytes", LIMIT_NAME);
	if (text_valid_utf8(name, strlen(name)) != strlen(name))
		return error_set(error, PAWL_ERR_ARGUMENT, "name is not UTF-8");
	while (spec->stages != NULL && spec->stages[n] != NULL)
	{
		if (++n > LIMIT_STAGES)
			return error_set(error, PAWL_ERR_ARGUMENT, "a batch has at most %d stages",
			                 LIMIT_STAGES);
	}
	*ret_stages = n;
	return PAWL_OK;
}

pawl_status
batch_open(const queue_call *call, const pawl_batch_spec *spec, int64_t *ret_batch,
           pawl_error *error)
{
	static const char sql[] =
		"SELECT pawl.batch_open(name => $1::text, stages => $2::text[],"
		" threshold => $3::numeric, on_complete => $4::jsonb,"
		" expected => $5::bigint[])";
	auto_params *params = db_params_new();
	char threshold[32];
	size_t n = 0;
	pawl_status status = check_spec(spec, &n, error);

	if (status != PAWL_OK)
		return status;
	(void) snprintf(threshold, sizeof(threshold), "%.15g", spec->threshold);
	db_param_text(params, spec->name);
	if (n > 0)
		call_param_texts(params, spec->stages, n);
	else
		db_param_null(params);
	db_param_text(params, threshold);
	db_param_text(params, spec->on_complete);
	if (spec->expected != NULL)
		call_param_ints(params, spec->expected, n > 0 ? n : 1);
	else
		db_param_null(params);
	return call_run_int(call, sql, params, ret_batch, error);
}

pawl_status
batch_seal(const queue_call *call, int64_t batch, char **ret_state, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	char *state;
	pawl_status status;

	db_param_int(params, batch);
	status =
		call_run(call, "SELECT pawl.batch_seal($1::bigint)", params, &result, error);
	if (status != PAWL_OK)
		return status;
	state = strdup(db_text(result, 0, 0));
	if (state == NULL)
		return error_memory(error);
	*ret_state = state;
	return PAWL_OK;
}

pawl_status
batch_fold_ended(const queue_call *call, int64_t *batches, size_t n, size_t *ret_left,
                 pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	call_param_ints(params, batches, n);
	status = call_run(call, "SELECT unnest(pawl.fold_ended($1::bigint[]))", params,
	                  &result, error);
	if (status != PAWL_OK)
		return status;
	if ((size_t) db_rows(result) > n)
		return error_set(error, PAWL_ERR_DATABASE, "%d answers for %zu batches",
		                 db_rows(result), n);
	for (int row = 0; row < db_rows(result); row++)
		batches[row] = db_int(result, row, 0);
	*ret_left = (size_t) db_rows(result);
	return PAWL_OK;
}
