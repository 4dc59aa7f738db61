/*
 * batch_show.c - `pawl batch show`: a batch and its stages; with -w until it is done
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/batch.h"
#include "cli/batch_bars.h"
#include "cli/input.h"
#include "cli/session.h"
#include "cli/talk.h"

/* Between two looks. */
#define WATCH_MS 500

typedef struct show_options
{
	bool watch;
} show_options;

static const show_options SHOW_DEFAULTS = {.watch = false};

static const option_spec SHOW_OPTIONS[] = {
	{.name = "watch",
     .letter = 'w',
     .type = OPTION_FLAG,
     .offset = offsetof(show_options, watch),
     .help = "go on until it is done, or Ctrl-C"},
	OPTIONS_END,
};

/* ------------------------------------------------------------ once --------------- */

static void
show_members(const db_result *batch)
{
	auto_buffer b = BUFFER_INIT;

	for (int i = 0; i < BATCH_COLUMNS; i++)
	{
		if (db_is_null(batch, 0, i))
			continue;
		buffer_appendf(&b, "%-13s ", BATCH[i].name);
		output_printable(&b, db_text(batch, 0, i));
		buffer_append_char(&b, '\n');
	}
	buffer_append_char(&b, '\n');
	if (buffer_ok(&b))
		(void) fputs(b.data, stdout);
}

static int
show_stages(output_format format, const db_result *batch)
{
	output *out = output_new(format, STAGE, STAGE_COLUMNS);

	if (out == NULL)
		return EXIT_OPERATION;
	for (int row = 0; row < db_rows(batch); row++)
	{
		const char *values[STAGE_COLUMNS];

		batch_stage_row(batch, row, values);
		output_row(out, values);
	}
	return output_finish(out);
}

static int
show_json(const db_result *batch)
{
	auto_buffer b = BUFFER_INIT;

	batch_append_json(&b, batch);
	if (buffer_ok(&b))
		(void) puts(b.data);
	return output_check();
}

static int
show(const command_call *call, const db_result *batch)
{
	if (call->common.format == OUTPUT_CSV)
		return show_stages(OUTPUT_CSV, batch);
	if (call->common.format != OUTPUT_TABLE)
		return show_json(batch);
	show_members(batch);
	return show_stages(OUTPUT_TABLE, batch);
}

/* ------------------------------------------------------------ the watch ---------- */

/* Has anything changed but what time alone changes? */
static bool
is_changed(const db_result *before, const db_result *now)
{
	static const int of_time[] = {STAGE_RATE, STAGE_ETA};

	if (before == NULL || db_rows(before) != db_rows(now))
		return true;
	for (int row = 0; row < db_rows(now); row++)
		for (int i = 0; i < BATCH_COLUMNS + STAGE_COLUMNS; i++)
		{
			if (i == BATCH_COLUMNS + of_time[0] || i == BATCH_COLUMNS + of_time[1])
				continue;
			if (strcmp(db_text(before, row, i), db_text(now, row, i)) != 0)
				return true;
		}
	return false;
}

static int
watch(const command_call *call, db *own_db, int64_t id)
{
	bool bars = call->common.format == OUTPUT_TABLE && isatty(STDOUT_FILENO) == 1;
	auto_result *shown = NULL;
	int drawn = 0;

	for (;;)
	{
		auto_result *now = NULL;
		unsigned told = talk_told();
		pawl_error error;
		int code = 0;

		if (batch_read(own_db, id, &now, &error) != PAWL_OK)
			return talk_error(&error);
		if (talk_told() != told)
			drawn = 0; /* it stands below the bars */
		if (bars)
			code = batch_bars_draw(now, &drawn);
		else if (is_changed(shown, now))
			code = show_json(now);
		if (code != 0 || batch_is_done(now))
			return code;
		db_result_free(shown);
		shown = now;
		now = NULL;
		if (session_pause(own_db, WATCH_MS, INT64_MAX, &error) != PAWL_OK)
			return talk_error(&error);
	}
}

static int
run_show(const command_call *call)
{
	const show_options *options = call->options;
	auto_session *own_db = NULL;
	auto_result *batch = NULL;
	auto_free int64_t *ids = NULL;
	pawl_error error;

	if (options->watch && call->common.format != OUTPUT_TABLE &&
	    call->common.format != OUTPUT_JSONL)
		return talk_usage("batch show", "\"--watch\" draws bars or writes jsonl");
	if (input_ids(1, call->args, &ids, &error) != PAWL_OK ||
	    session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	if (options->watch)
		return watch(call, own_db, ids[0]);
	if (batch_read(own_db, ids[0], &batch, &error) != PAWL_OK)
		return talk_error(&error);
	return show(call, batch);
}

const cli_command COMMAND_BATCH_SHOW = {
	.name = "batch show",
	.synopsis = "ID [-w] [-o FORMAT]",
	.summary = "show a batch and its stages",
	.description =
		"Show a batch and, for each of its stages: how many jobs were pushed into it\n"
		"and how they have ended, percent (none of an open batch when it is not known\n"
		"how many will come, or more have come than were expected), rate (ends a\n"
		"second, lately), eta_s (the seconds left at that rate) and what its handlers\n"
		"have counted.  The numbers are exact and of one moment.  CSV has the stages\n"
		"alone.\n"
		"\n"
		"With --watch go on until the batch is done: on a terminal a bar for each\n"
		"stage that is drawn anew, elsewhere a line of JSON for each change.",
	.options = SHOW_OPTIONS,
	.defaults = &SHOW_DEFAULTS,
	.size = sizeof(show_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_show,
};
