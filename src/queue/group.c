/*
 * group.c - see group.h; called by the claimer (finding), the runners and the keeper
 */
#include "queue/group.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"

static void
param_owner(db_params *params, const group_owner *owner)
{
	assert(owner->token > 0);
	db_param_text(params, owner->worker);
	db_param_text(params, owner->group_key);
	db_param_int(params, owner->token);
}

/* ------------------------------------------------------------ finding ------------ */

pawl_status
group_candidates(const queue_call *call, const group_search *search,
                 db_result **ret_result, pawl_error *error)
{
	static const char sql[] = "SELECT tenant, group_key, ready FROM "
							  "pawl.group_candidates($1::uuid, $2::text[],"
							  " $3::text[], $4::text, $5::int, $6::int, $7::bool)";
	auto_params *params = db_params_new();
	queue_call looking = *call;

	assert(call->txn == NULL);
	looking.limits.read_only = true;
	db_param_text(params, search->worker);
	call_param_texts(params, search->tenants, search->n_cursors);
	call_param_texts(params, search->afters, search->n_cursors);
	db_param_text(params, search->last_tenant);
	db_param_int(params, search->n);
	db_param_int(params, search->steps);
	db_param_bool(params, search->leases);
	return call_run(&looking, sql, params, ret_result, error);
}

void
group_found_row(const db_result *result, int row, group_found *ret_found)
{
	*ret_found = (group_found){.tenant = db_text(result, row, 0),
	                           .group_key = db_text(result, row, 1),
	                           .ready = db_bool(result, row, 2)};
}

/* ------------------------------------------------------------ taking ------------- */

pawl_status
group_take(const queue_call *call, const char *worker, const char *group_key,
           int64_t *ret_token, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	db_param_text(params, worker);
	db_param_text(params, group_key);
	status = call_run(call, "SELECT pawl.group_take($1::uuid, $2::text)", params,
	                  &result, error);
	if (status == PAWL_OK)
		*ret_token = db_int(result, 0, 0);
	return status;
}

pawl_status
group_give_back(const queue_call *call, const group_owner *owner, bool *ret_given,
                pawl_error *error)
{
	auto_params *params = db_params_new();

	param_owner(params, owner);
	return call_run_bool(call,
	                     "SELECT pawl.group_give_back($1::uuid, $2::text, $3::bigint)",
	                     params, ret_given, error);
}

pawl_status
group_renew(const queue_call *call, const char *worker, const char *const *keys,
            const int64_t *tokens, size_t n, bool *ret_lost, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	assert(n > 0);
	db_param_text(params, worker);
	call_param_texts(params, keys, n);
	call_param_ints(params, tokens, n);
	status =
		call_run(call, "SELECT pawl.group_renew($1::uuid, $2::text[], $3::bigint[])",
	             params, &result, error);
	if (status != PAWL_OK)
		return status;
	for (size_t i = 0; i < n; i++)
	{
		ret_lost[i] = false;
		for (int row = 0; row < db_rows(result) && !ret_lost[i]; row++)
			ret_lost[i] = strcmp(db_text(result, row, 0), keys[i]) == 0;
	}
	return PAWL_OK;
}

/* ------------------------------------------------------------ dispatch ----------- */

enum
{
	COL_ANSWER,
	COL_JOB,
	COL_FENCE,
	COL_KIND,
	COL_ARGS,
	COL_QUEUE,
	COL_ATTEMPT,
	COL_META,
	COL_TIMEOUT,
	COL_CRASHES,
	COL_BATCH,
	COL_STAGE,
	COL_GROUP,
	COL_RUN,
	COL_SETTLED, /* of group_proceed alone */
	COL_GIVEN
};

static const char *const answers[] = {
	[GROUP_JOB] = "job",     [GROUP_NONE] = "none",       [GROUP_LATER] = "later",
	[GROUP_BUSY] = "busy",   [GROUP_BLOCKED] = "blocked", [GROUP_FOREIGN] = "foreign",
	[GROUP_AGAIN] = "again", [GROUP_LEFT] = "left",
};
static_assert(sizeof(answers) / sizeof(answers[0]) == GROUP_LEFT + 1,
              "an answer without a name");

static pawl_status
read_answer(const db_result *result, group_answer *ret_answer, pawl_error *error)
{
	const char *text = db_rows(result) > 0 ? db_text(result, 0, COL_ANSWER) : "";

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
	{
		if (strcmp(text, answers[i]) == 0)
		{
			*ret_answer = (group_answer) i;
			return PAWL_OK;
		}
	}
	return error_set(error, PAWL_ERR_DATABASE, "unexpected answer \"%.40s\"", text);
}

pawl_status
group_dispatch(const queue_call *call, const group_owner *owner,
               const group_kinds *kinds, group_answer *ret_answer,
               db_result **ret_result, pawl_error *error)
{
	static const char sql[] =
		"SELECT answer, job, fence, kind, args, queue, attempt, meta, timeout_ms,"
		" crashes, batch, stage, group_key, run_key"
		" FROM pawl.group_dispatch($1::uuid, $2::text, $3::bigint, $4::text[],"
		" $5::int[]) ORDER BY job";
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	param_owner(params, owner);
	call_param_texts(params, kinds->kinds, kinds->n);
	call_param_ints(params, kinds->sizes, kinds->n);
	status = call_run(call, sql, params, &result, error);
	if (status == PAWL_OK)
		status = read_answer(result, ret_answer, error);
	if (status == PAWL_OK && *ret_answer == GROUP_JOB)
	{
		*ret_result = result;
		result = NULL;
	}
	return status;
}

void
group_job_row(const db_result *result, int row, claim_job *ret_job)
{
	*ret_job = (claim_job){
		.job = db_int(result, row, COL_JOB),
		.fence = db_int(result, row, COL_FENCE),
		.kind = call_text(result, row, COL_KIND),
		.args = call_text(result, row, COL_ARGS),
		.queue = call_text(result, row, COL_QUEUE),
		.meta = call_text(result, row, COL_META),
		.attempt = (int) db_int(result, row, COL_ATTEMPT),
		.timeout_ms = db_int(result, row, COL_TIMEOUT),
		.crashes = (int) db_int(result, row, COL_CRASHES),
		.batch = db_int(result, row, COL_BATCH),
		.stage = call_text(result, row, COL_STAGE),
		.group_key = call_text(result, row, COL_GROUP),
		.run_key = db_int(result, row, COL_RUN),
	};
}

/* ------------------------------------------------------------ settling ----------- */

/* The words of "won busy won" are the answers to the rows. */
static pawl_status
read_settled(const char *words, settle_row *rows, size_t n, pawl_error *error)
{
	pawl_status status = PAWL_OK;

	for (size_t i = 0; i < n && status == PAWL_OK; i++)
	{
		char word[16];
		size_t length = strcspn(words, " ");

		(void) snprintf(word, sizeof(word), "%.*s", (int) length, words);
		words += length + (words[length] == ' ');
		status = settle_read_answer(word, &rows[i].answer, error);
	}
	return status;
}

pawl_status
group_proceed(const queue_call *call, const group_owner *owner, settle_row *rows,
              size_t n, const group_kinds *kinds, bool more, group_found_next *ret_next,
              pawl_error *error)
{
	static const char sql[] =
		"SELECT answer, job, fence, kind, args, queue, attempt, meta, timeout_ms,"
		" crashes, batch, stage, group_key, run_key, array_to_string(settled, ' '), "
		"given"
		" FROM pawl.group_proceed($1::uuid, $2::text, $3::bigint, $4::bigint[],"
		" $5::bigint[], $6::jsonb[], $7::jsonb[], $8::text[], $9::int[], $10::boolean)"
		" ORDER BY job";
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	group_found_next next = {.given = false};
	pawl_status status;

	param_owner(params, owner);
	settle_param_completed(params, rows, n);
	call_param_texts(params, kinds->kinds, kinds->n);
	call_param_ints(params, kinds->sizes, kinds->n);
	db_param_bool(params, more);
	status = call_run(call, sql, params, &result, error);
	if (status == PAWL_OK)
		status = read_answer(result, &next.answer, error);
	if (status == PAWL_OK)
		status = read_settled(db_text(result, 0, COL_SETTLED), rows, n, error);
	if (status != PAWL_OK)
		return status;
	next.given = db_bool(result, 0, COL_GIVEN);
	if (next.answer == GROUP_JOB)
		next.result = take(result);
	*ret_next = next;
	return PAWL_OK;
}

static pawl_status
hold(db_txn *txn, const group_owner *owner, pawl_error *error)
{
	auto_params *params = db_params_new();

	param_owner(params, owner);
	return db_exec(txn, "SELECT pawl.group_hold($1::uuid, $2::text, $3::bigint)",
	               params, NULL, error);
}

pawl_status
group_settle(const queue_call *call, const group_owner *owner, const group_part *parts,
             size_t n, pawl_error *error)
{
	auto_txn txn = {0};
	queue_call inside = {.db = call->db, .limits = call->limits, .txn = &txn};
	pawl_status status = db_begin(call->db, &call->limits, &txn, error);

	assert(call->txn == NULL && call->deadline_ms == CALL_ONCE);
	if (status == PAWL_OK)
		status = hold(&txn, owner, error);
	for (size_t i = 0; i < n && status == PAWL_OK; i++)
	{
		if (parts[i].n > 0)
			status = parts[i].verb(&inside, parts[i].rows, parts[i].n, error);
	}
	return status == PAWL_OK ? db_commit(&txn, error) : status;
}

/* Every row has succeeded; else why not, for the caller to tell of each. */
static pawl_status
check_won(const settle_row *rows, size_t n, pawl_error *error)
{
	size_t won = 0;

	for (size_t i = 0; i < n; i++)
		won += rows[i].answer == SETTLE_WON;
	if (won == n)
		return PAWL_OK;
	return error_set(error, PAWL_ERR_CONFLICT,
	                 "%zu of %zu jobs could not be completed in the handler's "
	                 "transaction",
	                 n - won, n);
}

pawl_status
group_settle_own(db_txn *own, const group_owner *owner, settle_row *rows, size_t n,
                 pawl_error *error)
{
	queue_call inside = {.db = own->db, .txn = own};
	pawl_status status = hold(own, owner, error);

	if (status == PAWL_OK)
		status = settle_complete_strict(&inside, rows, n, error);
	if (status == PAWL_OK)
		status = check_won(rows, n, error);
	if (status != PAWL_OK)
	{
		db_rollback(own);
		return status;
	}
	return db_commit(own, error);
}
