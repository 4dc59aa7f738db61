/*
 * job_logs.c - `pawl job logs`: what a job has logged, and what it logs
 *
 * Following looks each second.  Ids of log lines are drawn before their transactions
 * commit, so a line can appear behind one with a greater id: each look goes back over
 * the last seconds, and what was shown is remembered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/input.h"
#include "cli/job.h"
#include "cli/session.h"
#include "cli/talk.h"

/* How long behind a line another may still appear, unless its writer is a user's
 * transaction that stays open for longer. */
#define LATE_MS 10000

#define FOLLOW_MS 1000

/* Lines of one look while following: more come at the next. */
#define LOOK_LINES 5000

typedef struct logs_options
{
	bool follow;
	int n;
	int level; /* -1: all */
} logs_options;

static const logs_options LOGS_DEFAULTS = {.n = 100, .level = -1};

static const option_spec LOGS_OPTIONS[] = {
	{.name = "follow",
     .letter = 'f',
     .type = OPTION_FLAG,
     .offset = offsetof(logs_options, follow),
     .help = "go on showing lines until the job has ended"},
	{.name = "number",
     .letter = 'n',
     .type = OPTION_INT,
     .offset = offsetof(logs_options, n),
     .value = "N",
     .min = 1,
     .max = 100000,
     .help = "at most so many of the newest lines (100)"},
	{.name = "level",
     .type = OPTION_CHOICE,
     .offset = offsetof(logs_options, level),
     .value = "LEVEL",
     .choices = JOB_LEVELS,
     .help = "only lines of this level and above: debug, info, warn or error"},
	OPTIONS_END,
};

/* As in sql/queries/job_logs.sql. */
static const output_column LOGS_COLUMNS[] = {
	{.name = "id", .type = OUTPUT_NUMBER, .wide = true},
	{.name = "at"},
	{.name = "level"},
	{.name = "fence", .type = OUTPUT_NUMBER, .wide = true},
	{.name = "message"},
	{.name = "context", .type = OUTPUT_VALUE, .wide = true},
};
#define N_LOGS_COLUMNS 6

typedef struct shown_line
{
	int64_t id;
	int64_t seen_ms; /* when it was first seen, on our own clock */
} shown_line;

/* What was shown above the cursor. */
typedef struct logs_view
{
	int64_t job;
	const logs_options *options;
	output *out;       /* NULL: plain lines */
	int64_t cursor;    /* lines up to this id are done with */
	shown_line *shown; /* those above it that were shown, ascending */
	size_t n_shown;
} logs_view;

/* ------------------------------------------------------------ showing ------------ */

static void
show_plain(const char *const *values)
{
	auto_buffer b = BUFFER_INIT;

	buffer_appendf(&b, "%s %-5s ", values[1], values[2]);
	output_printable(&b, values[4]);
	if (values[5] != NULL)
	{
		buffer_append_char(&b, ' ');
		output_printable(&b, values[5]);
	}
	if (buffer_ok(&b))
		(void) puts(b.data);
}

static void
show_line(logs_view *view, const db_result *result, int row)
{
	const char *values[N_LOGS_COLUMNS];

	session_row(result, row, values, N_LOGS_COLUMNS);
	if (view->out != NULL)
		output_row(view->out, values);
	else
		show_plain(values);
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t x = ((const shown_line *) a)->id;
	int64_t y = ((const shown_line *) b)->id;

	return (x > y) - (x < y);
}

/* When it was first seen; shows it if that is now. */
static int64_t
see_line(logs_view *view, const db_result *result, int row)
{
	shown_line key = {.id = db_int(result, row, 0)};
	const shown_line *found = NULL;

	if (view->n_shown > 0)
		found = bsearch(&key, view->shown, view->n_shown, sizeof(key), compare_ids);
	if (found != NULL)
		return found->seen_ms;
	show_line(view, result, row);
	return clock_ms();
}

/*
 * Show what is new of a look, and move the cursor to the newest line behind which
 * nothing can appear any more; also half way through a look that was full, so that the
 * next one goes on.
 */
static pawl_status
show_look(logs_view *view, const db_result *result, pawl_error *error)
{
	int rows = db_rows(result);
	auto_free shown_line *shown = calloc((size_t) rows + 1, sizeof(*shown));
	size_t n = 0;

	if (shown == NULL)
		return error_memory(error);
	for (int row = 0; row < rows; row++)
	{
		int64_t id = db_int(result, row, 0);
		int64_t seen_ms = see_line(view, result, row);

		if (clock_ms() - seen_ms > LATE_MS || (rows >= LOOK_LINES && row < rows / 2))
		{
			view->cursor = id;
			n = 0;
		}
		else
			shown[n++] = (shown_line){id, seen_ms};
	}
	free(view->shown);
	view->shown = take(shown);
	view->n_shown = n;
	return PAWL_OK;
}

/* The newest lines.  If there are more, those before them are never shown. */
static pawl_status
first_look(db *own_db, logs_view *view, pawl_error *error)
{
	auto_result *result = NULL;
	pawl_status status = job_read_logs(own_db, view->job, view->options->level,
	                                   view->options->n, &result, error);

	if (status == PAWL_OK && db_rows(result) == view->options->n)
		view->cursor = db_int(result, 0, 0) - 1;
	return status == PAWL_OK ? show_look(view, result, error) : status;
}

/* The lines above the cursor. */
static pawl_status
next_look(db *own_db, logs_view *view, pawl_error *error)
{
	auto_result *result = NULL;
	auto_params *params = db_params_new();
	int level = view->options->level;
	pawl_status status;

	if (params == NULL)
		return error_memory(error);
	db_param_int(params, view->job);
	db_param_int(params, view->cursor);
	db_param_text(params, level < 0 ? NULL : JOB_LEVELS[level]);
	db_param_int(params, LOOK_LINES);
	status = session_query(own_db, "job_logs_after", params, &result, error);
	return status == PAWL_OK ? show_look(view, result, error) : status;
}

/* ------------------------------------------------------------ following ---------- */

/*
 * Look until the job has ended and two looks after that have passed: its last lines
 * are stored by another connection than its outcome, within a second.
 */
static int
follow(db *own_db, logs_view *view, pawl_error *error)
{
	int looks_left = 2;

	for (;;)
	{
		pawl_state state;
		pawl_status status = job_find_state(own_db, view->job, &state, error);
		int code;

		if (status == PAWL_OK)
			status = next_look(own_db, view, error);
		if (status != PAWL_OK)
			return talk_error(error);
		code = output_check();
		if (code != 0)
			return code;
		if (state >= PAWL_STATE_SUCCEEDED && --looks_left < 0)
			return 0;
		status = session_pause(own_db, FOLLOW_MS, INT64_MAX, error);
		if (status != PAWL_OK)
			return talk_error(error);
	}
}

static int
show_logs(const command_call *call, logs_view *view)
{
	const logs_options *options = view->options;
	auto_session *own_db = NULL;
	pawl_state state;
	pawl_error error;
	pawl_status status = session_open(call, &own_db, &error);
	int code = 0;

	if (status == PAWL_OK)
		status = job_find_state(own_db, view->job, &state, &error);
	if (status == PAWL_OK)
		status = first_look(own_db, view, &error);
	if (status != PAWL_OK)
		return talk_error(&error);
	if (options->follow)
		code = follow(own_db, view, &error);
	return code;
}

static int
run_logs(const command_call *call)
{
	logs_view view = {.options = call->options};
	auto_free int64_t *ids = NULL;
	pawl_error error;
	int code;
	int end;

	if (input_ids(1, call->args, &ids, &error) != PAWL_OK)
		return talk_error(&error);
	view.job = ids[0];
	if (call->common.format != OUTPUT_TABLE)
	{
		view.out = output_new((output_format) call->common.format, LOGS_COLUMNS,
		                      N_LOGS_COLUMNS);
		if (view.out == NULL)
			return EXIT_OPERATION;
	}
	code = show_logs(call, &view);
	free(view.shown);
	end = view.out != NULL ? output_finish(view.out) : output_check();
	return code != 0 ? code : end;
}

const cli_command COMMAND_JOB_LOGS = {
	.name = "job logs",
	.synopsis = "ID [-f] [-n N] [--level LEVEL]",
	.summary = "show what a job has logged",
	.description =
		"Show the newest lines of a job's log, oldest first, with their times in UTC.\n"
		"With --follow go on until the job has ended and its last lines are shown; "
		"end\n"
		"it earlier with Ctrl-C.",
	.options = LOGS_OPTIONS,
	.defaults = &LOGS_DEFAULTS,
	.size = sizeof(logs_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_logs,
};
