/*
 * settle.c - see settle.h; called by the settler, and by the claimer to give back
 */
#include "queue/settle.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

/* A bigint[] of milliseconds in parameter N becomes an interval[], NULL for NULL. */
#define INTERVALS(n)                                                                   \
	"ARRAY(SELECT make_interval(secs => ms::float8 / 1000)"                            \
	" FROM unnest(" n "::bigint[]) WITH ORDINALITY AS u(ms, o) ORDER BY o)"

/* Append jobs and fences as the first two parameters. */
static void
param_pairs(db_params *params, const settle_row *rows, size_t n)
{
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, rows[i].job);
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_int(params, rows[i].fence);
	db_param_array_end(params);
}

static void
param_delays(db_params *params, const settle_row *rows, size_t n)
{
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
	{
		if (rows[i].delay_ms < 0)
			db_param_array_text(params, NULL);
		else
			db_param_array_int(params, rows[i].delay_ms);
	}
	db_param_array_end(params);
}

/* A text of each row, which may be NULL; an array of nothing but NULLs is NULL. */
static void
param_texts(db_params *params, const settle_row *rows, size_t n, size_t offset)
{
	bool any = false;

#define TEXT_OF(i) *(const char *const *) ((const char *) &rows[i] + offset)
	for (size_t i = 0; i < n && !any; i++)
		any = TEXT_OF(i) != NULL;
	if (!any)
	{
		db_param_null(params);
		return;
	}
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, TEXT_OF(i));
	db_param_array_end(params);
#undef TEXT_OF
}

void
settle_param_completed(db_params *params, const settle_row *rows, size_t n)
{
	assert(n >= 1 && n <= LIMIT_SETTLE);
	param_pairs(params, rows, n);
	param_texts(params, rows, n, offsetof(settle_row, result));
	param_texts(params, rows, n, offsetof(settle_row, counts));
}

pawl_status
settle_read_answer(const char *text, settle_answer *ret_answer, pawl_error *error)
{
	if (strcmp(text, "won") == 0)
		*ret_answer = SETTLE_WON;
	else if (strcmp(text, "busy") == 0)
		*ret_answer = SETTLE_BUSY;
	else if (strcmp(text, "stale") == 0)
		*ret_answer = SETTLE_STALE;
	else if (strcmp(text, "refused") == 0)
		*ret_answer = SETTLE_REFUSED;
	else
		return error_set(error, PAWL_ERR_DATABASE, "unexpected answer \"%.40s\"", text);
	return PAWL_OK;
}

/* Run a statement that answers (job, answer) for each row, in the order of rows. */
static pawl_status
run_rows(const queue_call *call, const char *sql, const db_params *params,
         settle_row *rows, size_t n, pawl_error *error)
{
	auto_result *result = NULL;
	pawl_status status = call_run(call, sql, params, &result, error);

	if (status != PAWL_OK)
		return status;
	if (db_rows(result) != (int) n)
		return error_set(error, PAWL_ERR_DATABASE, "%d answers for %zu jobs",
		                 db_rows(result), n);
	for (size_t i = 0; i < n && status == PAWL_OK; i++)
	{
		if (db_int(result, (int) i, 0) != rows[i].job)
			return error_set(error, PAWL_ERR_DATABASE, "answers in another order");
		status =
			settle_read_answer(db_text(result, (int) i, 1), &rows[i].answer, error);
	}
	return status;
}

static pawl_status
complete_many(const queue_call *call, const char *sql, settle_row *rows, size_t n,
              pawl_error *error)
{
	auto_params *params = db_params_new();

	settle_param_completed(params, rows, n);
	return run_rows(call, sql, params, rows, n, error);
}

pawl_status
settle_complete_many(const queue_call *call, settle_row *rows, size_t n,
                     pawl_error *error)
{
	static const char sql[] =
		"SELECT job, answer"
		" FROM pawl.complete_many($1::bigint[], $2::bigint[], $3::jsonb[],"
		" $4::jsonb[])";

	return complete_many(call, sql, rows, n, error);
}

pawl_status
settle_complete_strict(const queue_call *call, settle_row *rows, size_t n,
                       pawl_error *error)
{
	static const char sql[] =
		"SELECT a.job, CASE WHEN octet_length(r.result::text) > 1048576"
		" THEN 'refused' ELSE a.answer END"
		" FROM pawl.complete_many($1::bigint[], $2::bigint[], $3::jsonb[],"
		" $4::jsonb[]) WITH ORDINALITY AS a(job, answer, o)"
		" LEFT JOIN unnest($3::jsonb[]) WITH ORDINALITY AS r(result, o) USING (o)"
		" ORDER BY o";

	return complete_many(call, sql, rows, n, error);
}

pawl_status
settle_fail_many(const queue_call *call, settle_row *rows, size_t n, pawl_error *error)
{
	static const char sql[] =
		"SELECT job, answer FROM pawl.fail_many($1::bigint[], $2::bigint[],"
		" $3::text[], NULL, $4::boolean[], " INTERVALS("$5") ", $6::text[])";
	auto_params *params = db_params_new();

	assert(n >= 1 && n <= LIMIT_SETTLE);
	param_pairs(params, rows, n);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, rows[i].error);
	db_param_array_end(params);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, rows[i].retry ? "t" : "f");
	db_param_array_end(params);
	param_delays(params, rows, n);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, rows[i].category);
	db_param_array_end(params);
	return run_rows(call, sql, params, rows, n, error);
}

pawl_status
settle_snooze_many(const queue_call *call, settle_row *rows, size_t n,
                   pawl_error *error)
{
	static const char sql[] =
		"SELECT job, answer FROM pawl.snooze_many($1::bigint[], $2::bigint[],"
		" " INTERVALS("$3") ")";
	auto_params *params = db_params_new();

	assert(n >= 1 && n <= LIMIT_SETTLE);
	param_pairs(params, rows, n);
	param_delays(params, rows, n);
	return run_rows(call, sql, params, rows, n, error);
}

pawl_status
settle_release_many(const queue_call *call, settle_row *rows, size_t n,
                    pawl_error *error)
{
	static const char sql[] =
		"SELECT job, answer FROM pawl.release_many($1::bigint[], $2::bigint[])";
	auto_params *params = db_params_new();

	assert(n >= 1 && n <= LIMIT_SETTLE);
	param_pairs(params, rows, n);
	return run_rows(call, sql, params, rows, n, error);
}
