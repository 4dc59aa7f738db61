/*
 * batch_open.c - `pawl batch open` and `pawl batch seal`
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/batch_verb.h"
#include "cli/input.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "queue/batch.h"

typedef struct open_options
{
	string_list stages;
	string_list expected;
	const char *threshold;
	const char *on_complete;
} open_options;

static const open_options OPEN_DEFAULTS = {.threshold = NULL};

static const option_spec OPEN_OPTIONS[] = {
	{.name = "stage",
     .type = OPTION_LIST,
     .offset = offsetof(open_options, stages),
     .value = "NAME",
     .help = "a stage, with counters of its own; once for each, in their order (main)"},
	{.name = "expect",
     .type = OPTION_LIST,
     .offset = offsetof(open_options, expected),
     .value = "N",
     .help = "how many jobs the stage will have; once for each stage, in their order"},
	{.name = "threshold",
     .type = OPTION_TEXT,
     .offset = offsetof(open_options, threshold),
     .value = "0..1",
     .help = "it has failed when a greater part of its jobs has (0)"},
	{.name = "on-complete",
     .type = OPTION_TEXT,
     .offset = offsetof(open_options, on_complete),
     .value = "JSON",
     .help = "the job that runs when it is done: an object with the members of a line "
             "of \"pawl push --ndjson\""},
	OPTIONS_END,
};

/* A part of the whole; strtod alone would take spaces, hexadecimal digits and "nan". */
static pawl_status
read_threshold(const char *text, double *ret_number, pawl_error *error)
{
	char *end;

	*ret_number = strtod(text, &end);
	if (end == text || *end != '\0' || text[strspn(text, "0123456789.eE+-")] != '\0' ||
	    *ret_number < 0 || *ret_number > 1)
		return error_set(
			error, PAWL_ERR_ARGUMENT,
			"option \"--threshold\" needs a number from 0 to 1, not \"%s\"", text);
	return PAWL_OK;
}

static pawl_status
read_expected(const string_list *texts, int64_t *ret_expected, pawl_error *error)
{
	for (size_t i = 0; i < texts->n; i++)
	{
		if (!options_whole(texts->items[i], 0, INT64_MAX, &ret_expected[i]))
			return error_set(
				error, PAWL_ERR_ARGUMENT,
				"option \"--expect\" needs a whole number from 0, not \"%s\"",
				texts->items[i]);
	}
	return PAWL_OK;
}

/* Everything that can be checked without a server, and the texts. */
static pawl_status
read_spec(const open_options *options, pawl_batch_spec *spec, int64_t *expected,
          char **ret_on_complete, pawl_error *error)
{
	pawl_status status = PAWL_OK;
	size_t n_stages = options->stages.n > 0 ? options->stages.n : 1;

	if (options->threshold != NULL)
		status = read_threshold(options->threshold, &spec->threshold, error);
	if (status == PAWL_OK && options->expected.n > 0 && options->expected.n != n_stages)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "--expect is given %zu times for %zu stages",
		                 options->expected.n, n_stages);
	if (status == PAWL_OK && options->expected.n > 0)
	{
		status = read_expected(&options->expected, expected, error);
		spec->expected = expected;
	}
	if (status == PAWL_OK && options->on_complete != NULL)
		status =
			input_json(options->on_complete, "--on-complete", ret_on_complete, error);
	spec->on_complete = *ret_on_complete;
	return status;
}

static int
run_open(const command_call *call)
{
	const open_options *options = call->options;
	auto_free const char **stages = calloc(options->stages.n + 1, sizeof(*stages));
	auto_free int64_t *expected = calloc(options->expected.n + 1, sizeof(*expected));
	auto_free char *on_complete = NULL;
	auto_session *own_db = NULL;
	pawl_batch_spec spec = {.name = call->args[0]};
	pawl_error error;
	queue_call verb;
	int64_t id;

	if (stages == NULL || expected == NULL)
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	for (size_t i = 0; i < options->stages.n; i++)
		stages[i] = options->stages.items[i];
	spec.stages = options->stages.n > 0 ? stages : NULL;
	if (read_spec(options, &spec, expected, &on_complete, &error) != PAWL_OK ||
	    session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	verb = session_call(own_db);
	if (batch_open(&verb, &spec, &id, &error) != PAWL_OK)
		return talk_error(&error);
	return batch_show_answer(call, id, "open");
}

static int
run_seal(const command_call *call)
{
	static const batch_verb verb = {.sql = "SELECT pawl.batch_seal($1::bigint)"};

	return batch_run(call, &verb, NULL);
}

static const option_spec SEAL_OPTIONS[] = {OPTIONS_END};

const cli_command COMMAND_BATCH_OPEN = {
	.name = "batch open",
	.synopsis = "NAME [--stage NAME]... [OPTION]...",
	.summary = "begin a batch, jobs that are counted together",
	.description =
		"Begin a batch and show its id.  Push jobs into it with \"pawl push "
		"--batch\";\n"
		"when it is sealed and all of its jobs have ended, it is done, and its\n"
		"completion job runs, whatever state it ends in.",
	.options = OPEN_OPTIONS,
	.defaults = &OPEN_DEFAULTS,
	.size = sizeof(open_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_open,
};

const cli_command COMMAND_BATCH_SEAL = {
	.name = "batch seal",
	.synopsis = "ID...",
	.summary = "tell that no more jobs are to come into a batch",
	.description =
		"Seal batches and show the state that each is in now: from now on only their\n"
		"own running jobs may push into them, and they are done when all of their "
		"jobs\n"
		"have ended.  Sealing a sealed batch changes nothing.",
	.options = SEAL_OPTIONS,
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = -1,
	.run = run_seal,
};
