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

/* Lines of one look while following: when there are as many, the next one is at once. */
#define LOOK_LINES 5000

typedef struct logs_options
{
	bool follow;
	int n;
	int level;                  /* -1: all */
	int64_t since_us, until_us; /* 0: at any time */
	int64_t before, after;      /* ids; 0: the newest lines */
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
     .help = "at most so many lines (100)"},
	{.name = "level",
     .type = OPTION_CHOICE,
     .offset = offsetof(logs_options, level),
     .value = "LEVEL",
     .choices = JOB_LEVELS,
     .help = "only lines of this level and above: debug, info, warn or error"},
	{.name = "since",
     .type = OPTION_TIME,
     .offset = offsetof(logs_options, since_us),
     .value = "TIME",
     .help = "only lines that were written since then"},
	{.name = "until",
     .type = OPTION_TIME,
     .offset = offsetof(logs_options, until_us),
     .value = "TIME",
     .help = "only lines that were written before then"},
	{.name = "before",
     .type = OPTION_ID,
     .offset = offsetof(logs_options, before),
     .value = "CURSOR",
     .help = "the newest lines before the one of this id"},
	{.name = "after",
     .type = OPTION_ID,
     .offset = offsetof(logs_options, after),
     .value = "CURSOR",
     .help = "the oldest lines after the one of this id"},
	OPTIONS_END,
};

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

/* What a message says in further lines stands under its first: none looks like another's. */
static void
show_plain(const char *const *values)
{
	auto_buffer b = BUFFER_INIT;
	auto_buffer text = BUFFER_INIT;
	bool superseded = values[JOB_LINE_SUPERSEDED][0] == 't';
	size_t indent;

	buffer_appendf(&b, "%s %-5s ", values[JOB_LINE_AT], values[JOB_LINE_LEVEL]);
	indent = b.length;
	buffer_append(&b, superseded ? "(superseded) " : "");
	output_printable(&text, values[JOB_LINE_MESSAGE]);
	if (values[JOB_LINE_CONTEXT] != NULL)
	{
		buffer_append_char(&text, ' ');
		output_printable(&text, values[JOB_LINE_CONTEXT]);
	}
	for (size_t i = 0; buffer_ok(&text) && i < text.length; i++)
	{
		buffer_append_char(&b, text.data[i]);
		if (text.data[i] == '\n')
			buffer_appendf(&b, "%*s", (int) indent, "");
	}
	if (buffer_ok(&b) && buffer_ok(&text))
		(void) puts(b.data);
}

static void
show_line(logs_view *view, const db_result *result, int row)
{
	const char *values[JOB_LINE_COLUMNS];

	session_row(result, row, values, JOB_LINE_COLUMNS);
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
	shown_line key = {.id = db_int(result, row, JOB_LINE_ID)};
	const shown_line *found = NULL;

	if (view->n_shown > 0)
		found = bsearch(&key, view->shown, view->n_shown, sizeof(key), compare_ids);
	if (found != NULL)
		return found->seen_ms;
	show_line(view, result, row);
	return clock_ms();
}

/*
 * Show what is new of a look from a row on, and move the cursor to the newest line
 * behind which nothing can appear any more; also half way through a look that was full,
 * so that the next one goes on.
 */
static pawl_status
show_look(logs_view *view, const db_result *result, int first, pawl_error *error)
{
	int rows = db_rows(result);
	auto_free shown_line *shown = calloc((size_t) rows + 1, sizeof(*shown));
	size_t n = 0;

	if (shown == NULL)
		return error_memory(error);
	for (int row = first; row < rows; row++)
	{
		int64_t id = db_int(result, row, JOB_LINE_ID);
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

/* At most n lines before, or after, the one with the id. */
static pawl_status
read_lines(db *own_db, const logs_view *view, const char *query, int64_t id, int n,
           db_result **ret_result, pawl_error *error)
{
	const logs_options *options = view->options;
	job_lines wanted = {.job = view->job,
	                    .level = options->level,
	                    .n = n,
	                    .since_us = options->since_us,
	                    .until_us = options->until_us,
	                    .id = id};

	return job_read_logs(own_db, query, &wanted, ret_result, error);
}

/* The newest lines.  If there are more, those before them are never shown. */
static pawl_status
newest_look(db *own_db, logs_view *view, pawl_error *error)
{
	const logs_options *options = view->options;
	auto_result *result = NULL;
	pawl_status status = read_lines(own_db, view, "job_logs", options->before,
	                                options->n + 1, &result, error);
	bool more = status == PAWL_OK && db_rows(result) > options->n;

	if (status != PAWL_OK)
		return status;
	if (more)
		view->cursor = db_int(result, 0, JOB_LINE_ID);
	status = show_look(view, result, more ? 1 : 0, error);
	if (status == PAWL_OK && more)
		talk_hint("There are earlier lines: --before %" PRId64,
		          db_int(result, 1, JOB_LINE_ID));
	return status;
}

/* A page of those after the cursor. */
static pawl_status
page_look(db *own_db, logs_view *view, pawl_error *error)
{
	const logs_options *options = view->options;
	auto_result *result = NULL;
	pawl_status status = read_lines(own_db, view, "job_logs_after", options->after,
	                                options->n + 1, &result, error);
	int row;

	if (status != PAWL_OK)
		return status;
	for (row = 0; row < db_rows(result) && row < options->n; row++)
		show_line(view, result, row);
	if (db_rows(result) > options->n)
		talk_hint("There are more: --after %" PRId64,
		          db_int(result, row - 1, JOB_LINE_ID));
	return PAWL_OK;
}

/* The lines above the cursor, while following; full: there may be more already. */
static pawl_status
next_look(db *own_db, logs_view *view, bool *ret_full, pawl_error *error)
{
	auto_result *result = NULL;
	pawl_status status = read_lines(own_db, view, "job_logs_after", view->cursor,
	                                LOOK_LINES, &result, error);

	if (status == PAWL_OK)
		status = show_look(view, result, 0, error);
	if (status == PAWL_OK)
		*ret_full = db_rows(result) >= LOOK_LINES;
	return status;
}

/* ------------------------------------------------------------ following ---------- */

/*
 * Look until the job has ended and two looks after that have passed: its last lines
 * are stored by another connection than its outcome, within a second.  A look that was
 * full is none of these, and no pause follows it: it has moved the cursor, so that they
 * end, and a log that grows faster than it is shown is shown as fast as can be.
 */
static int
follow(db *own_db, logs_view *view, pawl_error *error)
{
	int looks_left = 2;

	for (;;)
	{
		pawl_state state;
		bool full = false;
		pawl_status status = job_find_state(own_db, view->job, &state, error);
		int code;

		if (status == PAWL_OK)
			status = next_look(own_db, view, &full, error);
		if (status != PAWL_OK)
			return talk_error(error);
		code = output_check();
		if (code != 0)
			return code;
		if (full)
			continue;
		if (state >= PAWL_STATE_SUCCEEDED && --looks_left < 0)
			return 0;
		status = session_pause(own_db, FOLLOW_MS, INT64_MAX, error);
		if (status != PAWL_OK)
			return talk_error(error);
	}
}

/* What there is, and where following goes on. */
static pawl_status
first_look(db *own_db, logs_view *view, pawl_error *error)
{
	if (view->options->after == 0)
		return newest_look(own_db, view, error);
	view->cursor = view->options->after;
	if (view->options->follow)
		return PAWL_OK; /* all that come after it */
	return page_look(own_db, view, error);
}

static int
show_logs(const command_call *call, logs_view *view)
{
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
	if (view->options->follow)
		code = follow(own_db, view, &error);
	return code;
}

/* --before looks back: nothing comes there that could be followed. */
static pawl_status
check_options(const logs_options *options, pawl_error *error)
{
	if (options->before == 0 || (options->after == 0 && !options->follow))
		return PAWL_OK;
	return error_set(error, PAWL_ERR_ARGUMENT,
	                 "--before can be given neither with --after nor with --follow");
}

static int
run_logs(const command_call *call)
{
	logs_view view = {.options = call->options};
	auto_free int64_t *ids = NULL;
	pawl_error error;
	int code;
	int end;

	if (check_options(view.options, &error) != PAWL_OK ||
	    input_ids(1, call->args, &ids, &error) != PAWL_OK)
		return talk_error(&error);
	view.job = ids[0];
	if (call->common.format != OUTPUT_TABLE)
	{
		view.out =
			output_new((output_format) call->common.format, JOB_LINE, JOB_LINE_COLUMNS);
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
	.synopsis = "ID [-f] [-n N] [OPTION]...",
	.summary = "show what a job has logged",
	.description =
		"Show the newest lines of a job's log, oldest first, with their times in UTC.\n"
		"Lines of an earlier attempt than the one that counts are marked as "
		"superseded.\n"
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
