/*
 * batch_verb.c - see batch_verb.h
 */
#include "cli/batch_verb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/input.h"
#include "cli/session.h"
#include "cli/talk.h"

static const output_column ANSWER_COLUMNS[] = {
	{.name = "batch", .type = OUTPUT_NUMBER},
	{.name = "state", .state = true},
};

static const output_column EPOCH_COLUMNS[] = {
	{.name = "batch", .type = OUTPUT_NUMBER},
	{.name = "epoch", .type = OUTPUT_NUMBER},
};

static pawl_status
run_one(db *own_db, const batch_verb *verb, int64_t id, const char *text,
        db_result **ret_result, pawl_error *error)
{
	auto_params *params = db_params_new();
	queue_call call = session_call(own_db);

	if (params == NULL)
		return error_memory(error);
	db_param_int(params, id);
	if (verb->has_text)
		db_param_text(params, text);
	return call_run(&call, verb->sql, params, ret_result, error);
}

static bool
is_refused(const batch_verb *verb, const char *state)
{
	for (const char *const *s = verb->refused; s != NULL && *s != NULL; s++)
	{
		if (strcmp(*s, state) == 0)
			return true;
	}
	return false;
}

/* One batch: an error is told, and the others go on; the exit code. */
static int
run_shown(db *own_db, const batch_verb *verb, int64_t id, const char *text, output *out)
{
	auto_result *result = NULL;
	const char *values[2];
	char number[24];
	pawl_error error;

	if (run_one(own_db, verb, id, text, &result, &error) != PAWL_OK)
		return talk_error(&error);
	(void) snprintf(number, sizeof(number), "%" PRId64, id);
	values[0] = number;
	values[1] = db_text(result, 0, 0);
	output_row(out, values);
	if (!is_refused(verb, values[1]))
		return 0;
	(void) error_set(&error, PAWL_ERR_CONFLICT,
	                 "batch %" PRId64 " is done already: nothing was changed", id);
	return talk_error(&error);
}

int
batch_run(const command_call *call, const batch_verb *verb, const char *text)
{
	auto_free int64_t *ids = NULL;
	auto_session *own_db = NULL;
	pawl_error error;
	output *out;
	int code = 0;
	int end;

	if (input_ids(call->n_args, call->args, &ids, &error) != PAWL_OK ||
	    session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	out = output_new((output_format) call->common.format,
	                 verb->is_epoch ? EPOCH_COLUMNS : ANSWER_COLUMNS, 2);
	if (out == NULL)
		return EXIT_OPERATION;
	for (int i = 0; i < call->n_args; i++)
	{
		int one = run_shown(own_db, verb, ids[i], text, out);

		code = code == 0 ? one : code;
	}
	end = output_finish(out);
	return code != 0 ? code : end;
}

int
batch_show_answer(const command_call *call, int64_t batch, const char *state)
{
	char number[24];
	const char *values[] = {number, state};
	output *out;

	(void) snprintf(number, sizeof(number), "%" PRId64, batch);
	if (call->common.format == OUTPUT_TABLE)
	{
		(void) puts(number);
		return output_check();
	}
	out = output_new((output_format) call->common.format, ANSWER_COLUMNS, 2);
	if (out == NULL)
		return EXIT_OPERATION;
	output_row(out, values);
	return output_finish(out);
}
