/*
 * push.c - see push.h; runs on the thread of its caller
 *
 * How jobs are written into a statement is in push_spec.c.
 */
#include "queue/push.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "db/backoff.h"
#include "queue/push_spec.h"

/* Args of one statement: far below what a message or a jsonb may be. */
#define CHUNK_BYTES (16 * 1024 * 1024)

/* ------------------------------------------------------------ one ---------------- */

pawl_status
push_one(const queue_call *call, const pawl_job_spec *spec, int64_t *ret_job,
         bool *ret_created, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	bool plain = spec->unique_key == NULL && spec->batch == 0;
	const char *sql;
	pawl_status status = push_spec_check(spec, error);

	if (status != PAWL_OK)
		return status;
	if (plain)
		sql = push_param_one(params, spec);
	else
		sql = push_param_uniform(params, &spec, 1);
	status = call_run(call, sql, params, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) != 1)
		return error_set(error, PAWL_ERR_DATABASE, "%d answers for one job",
		                 db_rows(result));
	*ret_job = db_int(result, 0, 0);
	if (ret_created != NULL)
		*ret_created = plain || db_bool(result, 0, 1);
	return PAWL_OK;
}

/* ------------------------------------------------------------ many --------------- */

/* A push_many on its way: the specs in the order in which they are sent. */
typedef struct pushing
{
	const pawl_job_spec **order;
	size_t n;
	int64_t *jobs; /* answers, in the order of sending */
	bool *created;
} pushing;

/* Jobs of the next statement: bounded in number and in bytes, at least one. */
static size_t
chunk_length(const pawl_job_spec *const *specs, size_t n)
{
	size_t bytes = 0;
	size_t i = 0;

	while (i < n && i < LIMIT_PUSH)
	{
		bytes += push_spec_bytes(specs[i]);
		if (i > 0 && bytes > CHUNK_BYTES)
			break;
		i++;
	}
	return i;
}

/* Equal ones as they came. */
static int
compare_specs(const void *left, const void *right)
{
	const pawl_job_spec *a = *(const pawl_job_spec *const *) left;
	const pawl_job_spec *b = *(const pawl_job_spec *const *) right;
	int order = push_compare(a, b);

	return order != 0 ? order : (a > b) - (a < b); /* both are of one array */
}

static bool
one_chunk(const pushing *p)
{
	return chunk_length(p->order, p->n) == p->n;
}

/*
 * The server takes the keys of one statement in the order of COLLATE "C", which is that
 * of their bytes.  When there are several statements in the transaction it is for us to
 * keep that order from one to the next.
 */
static void
set_order(pushing *p, const pawl_job_spec *specs)
{
	for (size_t i = 0; i < p->n; i++)
		p->order[i] = &specs[i];
	if (!one_chunk(p))
		qsort(p->order, p->n, sizeof(p->order[0]), compare_specs);
}

/* The statement for a chunk, and its parameters. */
static const char *
chunk_sql(const pushing *p, size_t at, size_t n, db_params *params)
{
	const pawl_job_spec *const *specs = p->order + at;

	if (push_uniform(specs, n))
		return push_param_uniform(params, specs, n);
	push_param_mixed(params, specs, n);
	return PUSH_SQL_MIXED;
}

static pawl_status
take_answers(pushing *p, size_t at, size_t n, const db_result *result,
             pawl_error *error)
{
	if ((size_t) db_rows(result) != n)
		return error_set(error, PAWL_ERR_DATABASE, "%d answers for %zu jobs",
		                 db_rows(result), n);
	for (size_t i = 0; i < n; i++)
	{
		p->jobs[at + i] = db_int(result, (int) i, 0);
		p->created[at + i] = db_bool(result, (int) i, 1);
	}
	return PAWL_OK;
}

static pawl_status
push_chunk(db_txn *txn, pushing *p, size_t at, size_t n, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	const char *sql = chunk_sql(p, at, n, params);
	pawl_status status = db_exec(txn, sql, params, &result, error);

	return status == PAWL_OK ? take_answers(p, at, n, result, error) : status;
}

/* All chunks in one transaction, once. */
static pawl_status
push_chunks(const queue_call *call, pushing *p, pawl_error *error)
{
	auto_txn txn = {0};
	pawl_status status = db_begin(call->db, &call->limits, &txn, error);

	for (size_t done = 0; done < p->n && status == PAWL_OK;)
	{
		size_t length = chunk_length(p->order + done, p->n - done);

		status = push_chunk(&txn, p, done, length, error);
		done += length;
	}
	if (status == PAWL_OK)
		status = db_commit(&txn, error);
	return status;
}

/* The same until the call's deadline, as a single statement is tried by db_run. */
static pawl_status
push_chunks_again(const queue_call *call, pushing *p, pawl_error *error)
{
	for (int round = 0;; round++)
	{
		pawl_status status = push_chunks(call, p, error);

		if (status == PAWL_OK && round > 0)
			error_clear(error); /* of what earlier tries left in it */
		if (status != PAWL_ERR_TRANSIENT && status != PAWL_ERR_CONNECT &&
		    status != PAWL_ERR_CONNECTION)
			return status;
		backoff_wait(round, call->deadline_ms);
		if (clock_ms() >= call->deadline_ms)
			return status;
	}
}

static pawl_status
push_at_once(const queue_call *call, pushing *p, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	const char *sql = chunk_sql(p, 0, p->n, params);
	pawl_status status = call_run(call, sql, params, &result, error);

	return status == PAWL_OK ? take_answers(p, 0, p->n, result, error) : status;
}

pawl_status
push_many(const queue_call *call, const pawl_job_spec *specs, size_t n,
          int64_t *ret_jobs, bool *ret_created, pawl_error *error)
{
	auto_free const pawl_job_spec **order = malloc((n + 1) * sizeof(*order));
	auto_free int64_t *jobs = malloc((n + 1) * sizeof(*jobs));
	auto_free bool *created = malloc((n + 1) * sizeof(*created));
	pushing p = {.order = order, .n = n, .jobs = jobs, .created = created};
	pawl_status status = PAWL_OK;

	if (order == NULL || jobs == NULL || created == NULL)
		return error_memory(error);
	for (size_t i = 0; i < n && status == PAWL_OK; i++)
		status = push_spec_check(&specs[i], error);
	if (status != PAWL_OK || n == 0)
		return status;
	set_order(&p, specs);
	status = one_chunk(&p) ? push_at_once(call, &p, error)
	                       : push_chunks_again(call, &p, error);
	for (size_t i = 0; i < n && status == PAWL_OK; i++)
	{
		size_t place = (size_t) (order[i] - specs);

		assert(place < n);
		ret_jobs[place] = jobs[i];
		if (ret_created != NULL)
			ret_created[place] = created[i];
	}
	return status;
}
