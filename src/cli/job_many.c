/*
 * job_many.c - see job_many.h
 *
 * Jobs go in chunks through the SQL function's _many form, which waits for nothing and
 * answers for each job.  What matches is walked by its ids, so that it ends although
 * jobs move meanwhile.
 */
#include "cli/job_many.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/input.h"
#include "cli/job.h"
#include "cli/session.h"
#include "cli/talk.h"

/* Jobs of one statement: its transaction stays short. */
#define CHUNK 500

/* One run of the command. */
typedef struct run
{
	const command_call *call;
	const many_verb *verb;
	db *db;
	output *out;
	int64_t done;
	int64_t not_done;
	int64_t unknown;
} run;

static const output_column MANY_COLUMNS[] = {
	{.name = "job", .type = OUTPUT_NUMBER},
	{.name = "was"},
	{.name = "done", .type = OUTPUT_BOOL},
};

static const many_options *
options_of(const run *r)
{
	return r->call->options;
}

/* ------------------------------------------------------------ a chunk ------------ */

static void
take_answer(run *r, const db_result *result, int row)
{
	const char *values[3];

	session_row(result, row, values, 3);
	output_row(r->out, values);
	if (db_bool(result, row, 2))
		r->done++;
	else if (strcmp(db_text(result, row, 1), "unknown") == 0)
		r->unknown++;
	else
		r->not_done++;
}

static pawl_status
run_chunk(run *r, const int64_t *ids, size_t n, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	queue_call verb = session_call(r->db);
	pawl_status status;

	if (params == NULL)
		return error_memory(error);
	call_param_ints(params, ids, n);
	db_param_text(params, options_of(r)->reason);
	status = call_run(&verb, r->verb->sql, params, &result, error);
	for (int row = 0; status == PAWL_OK && row < db_rows(result); row++)
		take_answer(r, result, row);
	return status;
}

static pawl_status
run_ids(run *r, const int64_t *ids, size_t n, pawl_error *error)
{
	pawl_status status = PAWL_OK;

	for (size_t at = 0; at < n && status == PAWL_OK; at += CHUNK)
		status = run_chunk(r, ids + at, n - at < CHUNK ? n - at : CHUNK, error);
	return status;
}

/* ------------------------------------------------------------ what matches ------- */

/* The next ids below *cursor that match, and their state. */
static pawl_status
find_chunk(run *r, int64_t cursor, db_result **ret_result, pawl_error *error)
{
	const many_options *options = options_of(r);
	auto_params *params = db_params_new();

	if (params == NULL)
		return error_memory(error);
	db_param_text(params, JOB_STATES[options->state]);
	db_param_text(params, options->queue);
	db_param_text(params, options->kind);
	db_param_int(params, cursor);
	db_param_int(params, CHUNK);
	db_param_null(params); /* since */
	db_param_null(params); /* group */
	return session_query(r->db, "job_list", params, ret_result, error);
}

static pawl_status
run_found(run *r, const db_result *result, pawl_error *error)
{
	int64_t ids[CHUNK];
	int n = db_rows(result);

	assert(n <= CHUNK);
	for (int row = 0; row < n; row++)
	{
		const char *values[] = {db_text(result, row, 0), db_text(result, row, 1), "f"};

		ids[row] = db_int(result, row, 0);
		if (options_of(r)->dry_run)
			output_row(r->out, values);
	}
	if (!options_of(r)->dry_run)
		return run_ids(r, ids, (size_t) n, error);
	r->done += n;
	return PAWL_OK;
}

static pawl_status
run_matching(run *r, pawl_error *error)
{
	int64_t cursor = INT64_MAX;

	for (;;)
	{
		auto_result *result = NULL;
		pawl_status status = find_chunk(r, cursor, &result, error);
		int n;

		if (status != PAWL_OK)
			return status;
		n = db_rows(result);
		if (n == 0)
			return PAWL_OK;
		status = run_found(r, result, error);
		if (status != PAWL_OK)
			return status;
		cursor = db_int(result, n - 1, 0);
	}
}

/* ------------------------------------------------------------ the command -------- */

static int
check_options(const command_call *call, const many_verb *verb)
{
	const many_options *options = call->options;
	const char *name = call->command->name;
	bool filter =
		options->state != -1 || options->queue != NULL || options->kind != NULL;

	if (call->n_args > 0 && filter)
		return talk_usage(name, "ids and --state, --kind or --queue cannot be used "
		                        "together");
	if (call->n_args > 0 && options->dry_run)
		return talk_usage(name, "--dry-run is of use with --state only");
	if (call->n_args > 0)
		return 0;
	if (!filter)
		return talk_usage(name, "which jobs? Give their ids, or --kind and --state");
	if (options->state == -1)
		return talk_usage(name, "--kind and --queue need --state beside them");
	if (options->kind == NULL && options->queue == NULL)
		return talk_usage(name, "--state needs --kind or --queue beside it");
	if ((verb->from_states & (1U << options->state)) == 0)
		return talk_usage(name, "there is nothing to %s about jobs that are %s",
		                  verb->name, JOB_STATES[options->state]);
	return 0;
}

static int
finish(run *r, const pawl_error *error)
{
	int code = output_finish(r->out);

	if (error->status != PAWL_OK)
		return talk_error(error);
	if (options_of(r)->dry_run)
		talk("would have %s %" PRId64 " jobs", r->verb->done, r->done);
	else if (r->not_done + r->unknown == 0)
		talk("%s %" PRId64 " jobs", r->verb->done, r->done);
	else
		talk("%s %" PRId64 " jobs, not %" PRId64 ", unknown %" PRId64, r->verb->done,
		     r->done, r->not_done, r->unknown);
	if (code != 0)
		return code;
	return r->unknown > 0 ? EXIT_NOT_FOUND : r->not_done > 0 ? EXIT_CONFLICT : 0;
}

int
many_run(const command_call *call, const many_verb *verb)
{
	run r = {.call = call, .verb = verb};
	auto_free int64_t *ids = NULL;
	auto_session *own_db = NULL;
	pawl_error error = {.status = PAWL_OK};

	if (check_options(call, verb) != 0)
		return EXIT_USAGE;
	if (input_ids(call->n_args, call->args, &ids, &error) != PAWL_OK ||
	    session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	r.db = own_db;
	r.out = output_new((output_format) call->common.format, MANY_COLUMNS, 3);
	if (r.out == NULL)
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	error.status = call->n_args > 0 ? run_ids(&r, ids, (size_t) call->n_args, &error)
	                                : run_matching(&r, &error);
	return finish(&r, &error);
}
