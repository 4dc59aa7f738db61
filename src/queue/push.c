/*
 * push.c - see push.h; runs on the thread of its caller
 *
 * Specs that differ only in args go by the array form, which the server takes
 * set-based.  Others go as arrays too, one per member, and the server makes the JSON of
 * the mixed form from them: no text of a caller's is ever pasted into another text, so
 * args that are not JSON cannot become anything but an error.
 */
#include "queue/push.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

/* Args of one statement: far below what a message or a jsonb may be. */
#define CHUNK_BYTES (16 * 1024 * 1024)

#define RETRY_MS 50 /* first pause between tries of a whole push_many */

/* ------------------------------------------------------------ checks ------------- */

static pawl_status
check_name(const char *what, const char *name, pawl_error *error)
{
	size_t length = name != NULL ? strlen(name) : 0;

	if (length == 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s is missing", what);
	if (length > LIMIT_NAME)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%s: %zu bytes exceed the limit of %d bytes", what, length,
		                 LIMIT_NAME);
	if (text_valid_utf8(name, length) != length)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s is not UTF-8", what);
	return PAWL_OK;
}

static pawl_status
check_json(const char *what, const char *json, pawl_error *error)
{
	size_t length = json != NULL ? strlen(json) : 0;

	if (length > LIMIT_JSON)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%s: %zu bytes exceed the limit of %d bytes", what, length,
		                 LIMIT_JSON);
	if (json != NULL && text_valid_utf8(json, length) != length)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s are not UTF-8", what);
	return PAWL_OK;
}

static pawl_status
check_spec(const pawl_job_spec *spec, pawl_error *error)
{
	pawl_status status = check_name("kind", spec->kind, error);

	if (status == PAWL_OK && spec->queue != NULL)
		status = check_name("queue", spec->queue, error);
	if (status == PAWL_OK)
		status = check_json("args", spec->args, error);
	if (status == PAWL_OK)
		status = check_json("meta", spec->meta, error);
	if (status != PAWL_OK)
		return status;
	if (spec->priority < -1 || spec->priority > 9)
		return error_set(error, PAWL_ERR_ARGUMENT, "priority %d is not within 0 and 9",
		                 spec->priority);
	if (spec->max_attempts < 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "max_attempts is negative");
	if (spec->timeout_ms < -1)
		return error_set(error, PAWL_ERR_ARGUMENT, "timeout is negative");
	if (spec->run_at_us < 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "run_at is before 1970");
	return PAWL_OK;
}

/* ------------------------------------------------------------ parameters --------- */

/* Parameters $1 to $8 of push and of the array form of push_many, but for args. */
#define SQL_SETTINGS                                                                   \
	"queue => $3::text, priority => $4::int,"                                          \
	" run_at => to_timestamp(0) + $5::bigint * interval '1 microsecond',"              \
	" max_attempts => $6::int, timeout => make_interval(secs => $7::float8 / 1000),"   \
	" meta => $8::jsonb"

static const char *
spec_args(const pawl_job_spec *spec)
{
	return spec->args != NULL ? spec->args : "{}";
}

static const char *
spec_queue(const pawl_job_spec *spec)
{
	return spec->queue != NULL ? spec->queue : "default";
}

static int
spec_priority(const pawl_job_spec *spec)
{
	return spec->priority < 0 ? 5 : spec->priority;
}

/* An integer, or SQL NULL for the value that means the default. */
static void
param_unless(db_params *params, int64_t value, int64_t absent)
{
	if (value == absent)
		db_param_null(params);
	else
		db_param_int(params, value);
}

/* $1 kind, $2 args (by the caller), then $3 ... $8. */
static void
param_settings(db_params *params, const pawl_job_spec *spec)
{
	db_param_text(params, spec_queue(spec));
	db_param_int(params, spec_priority(spec));
	param_unless(params, spec->run_at_us, 0);
	param_unless(params, spec->max_attempts, 0);
	param_unless(params, spec->timeout_ms, -1);
	db_param_text(params, spec->meta);
}

pawl_status
push_one(const queue_call *call, const pawl_job_spec *spec, int64_t *ret_job,
         pawl_error *error)
{
	static const char sql[] =
		"SELECT pawl.push(kind => $1::text, args => $2::jsonb, " SQL_SETTINGS ")";
	auto_params *params = db_params_new();
	pawl_status status = check_spec(spec, error);

	if (status != PAWL_OK)
		return status;
	db_param_text(params, spec->kind);
	db_param_text(params, spec_args(spec));
	param_settings(params, spec);
	return call_run_int(call, sql, params, ret_job, error);
}

/* ------------------------------------------------------------ many --------------- */

static bool
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/* Do the two differ in their args alone? */
static bool
same_settings(const pawl_job_spec *a, const pawl_job_spec *b)
{
	return same_text(a->kind, b->kind) && same_text(spec_queue(a), spec_queue(b)) &&
	       spec_priority(a) == spec_priority(b) && a->run_at_us == b->run_at_us &&
	       a->max_attempts == b->max_attempts && a->timeout_ms == b->timeout_ms &&
	       same_text(a->meta, b->meta);
}

static void
param_uniform(db_params *params, const pawl_job_spec *specs, size_t n)
{
	db_param_text(params, specs[0].kind);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, spec_args(&specs[i]));
	db_param_array_end(params);
	param_settings(params, &specs[0]);
}

static void
array_unless(db_params *params, int64_t value, int64_t absent)
{
	if (value == absent)
		db_param_array_text(params, NULL);
	else
		db_param_array_int(params, value);
}

static void
param_mixed(db_params *params, const pawl_job_spec *specs, size_t n)
{
	for (int column = 1; column <= 8; column++)
	{
		db_param_array_begin(params);
		for (size_t i = 0; i < n; i++)
		{
			const pawl_job_spec *s = &specs[i];

			if (column == 1)
				db_param_array_text(params, s->kind);
			else if (column == 2)
				db_param_array_text(params, spec_args(s));
			else if (column == 3)
				db_param_array_text(params, spec_queue(s));
			else if (column == 4)
				db_param_array_int(params, spec_priority(s));
			else if (column == 5)
				array_unless(params, s->run_at_us, 0);
			else if (column == 6)
				array_unless(params, s->max_attempts, 0);
			else if (column == 7)
				array_unless(params, s->timeout_ms, -1);
			else
				db_param_array_text(params, s->meta);
		}
		db_param_array_end(params);
	}
}

/* Jobs of the next statement: bounded in number and in bytes, at least one. */
static size_t
chunk_length(const pawl_job_spec *specs, size_t n)
{
	size_t bytes = 0;
	size_t i = 0;

	while (i < n && i < LIMIT_PUSH)
	{
		bytes += strlen(spec_args(&specs[i]));
		bytes += specs[i].meta != NULL ? strlen(specs[i].meta) : 0;
		if (i > 0 && bytes > CHUNK_BYTES)
			break;
		i++;
	}
	return i;
}

static pawl_status
push_chunk(db_txn *txn, const pawl_job_spec *specs, size_t n, int64_t *ret_jobs,
           pawl_error *error)
{
	static const char uniform[] =
		"SELECT job FROM pawl.push_many(kind => $1::text,"
		" args => $2::jsonb[], " SQL_SETTINGS ") ORDER BY ordinal";
	static const char mixed[] =
		"SELECT job FROM pawl.push_many((SELECT jsonb_agg(jsonb_strip_nulls("
		"jsonb_build_object('kind', k, 'queue', q, 'priority', p,"
		" 'run_at', to_timestamp(0) + r * interval '1 microsecond',"
		" 'max_attempts', m, 'timeout', make_interval(secs => t::float8 / 1000)))"
		" || jsonb_build_object('args', a, 'meta', x) ORDER BY o)"
		" FROM unnest($1::text[], $2::jsonb[], $3::text[], $4::int[],"
		" $5::bigint[], $6::int[], $7::bigint[], $8::jsonb[])"
		" WITH ORDINALITY AS u(k, a, q, p, r, m, t, x, o))) ORDER BY ordinal";
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;
	bool same = true;

	if (params == NULL)
		return error_memory(error);
	for (size_t i = 1; i < n && same; i++)
		same = same_settings(&specs[0], &specs[i]);
	if (same)
		param_uniform(params, specs, n);
	else
		param_mixed(params, specs, n);
	status = db_exec(txn, same ? uniform : mixed, params, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) != (int) n)
		return error_set(error, PAWL_ERR_DATABASE, "%d answers for %zu jobs",
		                 db_rows(result), n);
	for (size_t i = 0; i < n; i++)
		ret_jobs[i] = db_int(result, (int) i, 0);
	return PAWL_OK;
}

/* The whole in one transaction, once. */
static pawl_status
push_all(const queue_call *call, const pawl_job_spec *specs, size_t n,
         int64_t *ret_jobs, pawl_error *error)
{
	auto_txn txn = {0};
	pawl_status status = db_begin(call->db, &call->limits, &txn, error);

	for (size_t done = 0; done < n && status == PAWL_OK;)
	{
		size_t length = chunk_length(specs + done, n - done);

		status = push_chunk(&txn, specs + done, length, ret_jobs + done, error);
		done += length;
	}
	if (status == PAWL_OK)
		status = db_commit(&txn, error);
	return status;
}

static bool
may_try_again(const queue_call *call, pawl_status status, int64_t pause_ms)
{
	return (status == PAWL_ERR_TRANSIENT || status == PAWL_ERR_CONNECT ||
	        status == PAWL_ERR_CONNECTION) &&
	       clock_ms() + pause_ms < call->deadline_ms;
}

/* False when waiting failed: then the status of the try stands. */
static bool
pause_before_retry(db *own_db, int64_t pause_ms)
{
	int64_t end_ms = clock_ms() + random_jitter(pause_ms, 50);
	bool notified;

	while (clock_ms() < end_ms)
		if (db_wait(own_db, -1, end_ms, &notified, NULL) != PAWL_OK)
			return false;
	return true;
}

pawl_status
push_many(const queue_call *call, const pawl_job_spec *specs, size_t n,
          int64_t *ret_jobs, pawl_error *error)
{
	auto_free int64_t *jobs = malloc((n + 1) * sizeof(*jobs));
	int64_t pause_ms = RETRY_MS;
	pawl_status status = PAWL_OK;

	if (jobs == NULL)
		return error_memory(error);
	for (size_t i = 0; i < n && status == PAWL_OK; i++)
		status = check_spec(&specs[i], error);
	if (status != PAWL_OK || n == 0)
		return status;
	for (;;)
	{
		status = push_all(call, specs, n, jobs, error);
		if (!may_try_again(call, status, pause_ms))
			break;
		if (!pause_before_retry(call->db, pause_ms))
			break;
		pause_ms *= 2;
	}
	if (status == PAWL_OK)
		memcpy(ret_jobs, jobs, n * sizeof(*jobs));
	return status;
}
