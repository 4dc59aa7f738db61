/*
 * job_show.c - `pawl job show`: one job, its life, the end of its log
 *
 * And why it does not run, if it is ready: no worker is alive, none handles its kind,
 * none takes from its queue, or the queue is paused; if it waits, what its group waits for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/group.h"
#include "cli/input.h"
#include "cli/job.h"
#include "cli/session.h"
#include "cli/talk.h"

#define SHOWN_ATTEMPTS 50
#define SHOWN_LINES 10

/* As in sql/queries/job_show.sql. */
static const output_column JOB_COLUMNS[] = {
	{.name = "id", .type = OUTPUT_NUMBER},
	{.name = "state", .state = true},
	{.name = "kind"},
	{.name = "queue"},
	{.name = "priority", .type = OUTPUT_NUMBER},
	{.name = "attempt", .type = OUTPUT_NUMBER},
	{.name = "failures", .type = OUTPUT_NUMBER},
	{.name = "crashes", .type = OUTPUT_NUMBER},
	{.name = "unique_key"},
	{.name = "unique_until"},
	{.name = "group_key"},
	{.name = "run_key", .type = OUTPUT_NUMBER},
	{.name = "batch", .type = OUTPUT_NUMBER},
	{.name = "stage"},
	{.name = "epoch", .type = OUTPUT_NUMBER},
	{.name = "max_attempts", .type = OUTPUT_NUMBER},
	{.name = "timeout_ms", .type = OUTPUT_NUMBER},
	{.name = "pushed_at"},
	{.name = "run_at"},
	{.name = "started_at"},
	{.name = "deadline_at"},
	{.name = "finished_at"},
	{.name = "worker"},
	{.name = "worker_name"},
	{.name = "fence", .type = OUTPUT_NUMBER},
	{.name = "args", .type = OUTPUT_VALUE},
	{.name = "meta", .type = OUTPUT_VALUE},
	{.name = "result", .type = OUTPUT_VALUE},
	{.name = "error"},
};
#define N_JOB_COLUMNS (sizeof(JOB_COLUMNS) / sizeof(JOB_COLUMNS[0]))
enum
{
	JOB_STATE = 1,
	JOB_KIND = 2,
	JOB_QUEUE = 3,
	JOB_GROUP = 10
};

/* As in sql/queries/job_attempts.sql. */
static const output_column ATTEMPT_COLUMNS[] = {
	{.name = "attempt", .type = OUTPUT_NUMBER},
	{.name = "category"},
	{.name = "started_at"},
	{.name = "ended_at"},
	{.name = "fence", .type = OUTPUT_NUMBER, .wide = true},
	{.name = "worker", .wide = true},
	{.name = "error"},
	{.name = "detail", .type = OUTPUT_VALUE, .wide = true},
};
#define N_ATTEMPT_COLUMNS (sizeof(ATTEMPT_COLUMNS) / sizeof(ATTEMPT_COLUMNS[0]))

/* As in sql/queries/job_life.sql. */
static const output_column LIFE_COLUMNS[] = {
	{.name = "at"},
	{.name = "state", .state = true},
	{.name = "attempt", .type = OUTPUT_NUMBER},
	{.name = "worker"},
	{.name = "error"},
};
#define N_LIFE_COLUMNS (sizeof(LIFE_COLUMNS) / sizeof(LIFE_COLUMNS[0]))

/* What was read of one job. */
typedef struct shown_job
{
	db_result *job;
	db_result *life;
	db_result *attempts;
	db_result *lines;
	char note[600]; /* why it does not run, or "" */
} shown_job;

/* ------------------------------------------------------------ reading ------------ */

static pawl_status
read_job(db *own_db, int64_t id, shown_job *shown, pawl_error *error)
{
	auto_params *params = db_params_new();
	pawl_status status;

	if (params == NULL)
		return error_memory(error);
	db_param_int(params, id);
	status = session_query(own_db, "job_show", params, &shown->job, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(shown->job) == 0)
		return error_set(error, PAWL_ERR_NOT_FOUND, "job %" PRId64 " does not exist",
		                 id);
	db_param_int(params, SHOWN_ATTEMPTS);
	status = session_query(own_db, "job_life", params, &shown->life, error);
	if (status == PAWL_OK)
		status = session_query(own_db, "job_attempts", params, &shown->attempts, error);
	if (status == PAWL_OK)
		status = job_read_logs(own_db, "job_logs", &JOB_LINES_OF(id, SHOWN_LINES),
		                       &shown->lines, error);
	return status;
}

/* Why a job of a group does not run: what the group does. */
static pawl_status
read_group_note(db *own_db, shown_job *shown, pawl_error *error)
{
	const char *id = db_text(shown->job, 0, 0);
	auto_result *group = NULL;
	size_t size = sizeof(shown->note);
	pawl_status status =
		group_read(own_db, db_text(shown->job, 0, JOB_GROUP), &group, error);

	if (status != PAWL_OK) /* it may have ended meanwhile */
		return status == PAWL_ERR_NOT_FOUND ? PAWL_OK : status;
	if (!db_is_null(group, 0, GROUP_BLOCKED_BY))
		(void) snprintf(shown->note, size,
		                "its group is blocked by job %s, which failed",
		                db_text(group, 0, GROUP_BLOCKED_BY));
	else if (!db_is_null(group, 0, GROUP_HEAD) &&
	         strcmp(db_text(group, 0, GROUP_HEAD), id) != 0)
		(void) snprintf(shown->note, size, "job %s of its group comes before it",
		                db_text(group, 0, GROUP_HEAD));
	else if (!db_is_null(group, 0, GROUP_WORKER_NAME))
		(void) snprintf(shown->note, size, "worker \"%.255s\" holds its group",
		                db_text(group, 0, GROUP_WORKER_NAME));
	return PAWL_OK;
}

/* Why a ready job does not run, or one that heads its group. */
static pawl_status
read_queue_note(db *own_db, shown_job *shown, pawl_error *error)
{
	const char *kind = db_text(shown->job, 0, JOB_KIND);
	const char *queue = db_text(shown->job, 0, JOB_QUEUE);
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;
	size_t size = sizeof(shown->note);

	if (params == NULL)
		return error_memory(error);
	db_param_text(params, kind);
	db_param_text(params, queue);
	status = session_query(own_db, "job_handled", params, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_bool(result, 0, 3))
		(void) snprintf(shown->note, size, "queue \"%s\" is paused", queue);
	else if (!db_bool(result, 0, 0))
		(void) snprintf(shown->note, size,
		                "no worker handles kind \"%s\": none is alive", kind);
	else if (!db_bool(result, 0, 1))
		(void) snprintf(shown->note, size, "no worker handles kind \"%s\"", kind);
	else if (!db_bool(result, 0, 2))
		(void) snprintf(shown->note, size,
		                "no worker that handles kind \"%s\" takes from queue \"%s\"",
		                kind, queue);
	return PAWL_OK;
}

static pawl_status
read_note(db *own_db, shown_job *shown, pawl_error *error)
{
	const char *state = db_text(shown->job, 0, JOB_STATE);
	bool waits = strcmp(state, "waiting") == 0;
	pawl_status status = PAWL_OK;

	if (waits)
		status = read_group_note(own_db, shown, error);
	if (status == PAWL_OK && shown->note[0] == '\0' &&
	    (waits || strcmp(state, "ready") == 0))
		status = read_queue_note(own_db, shown, error);
	return status;
}

/* ------------------------------------------------------------ JSON --------------- */

static void
append_rows(buffer *b, const char *name, const db_result *result,
            const output_column *columns, size_t n)
{
	const char *values[OUTPUT_COLUMNS_MAX];

	buffer_appendf(b, ", \"%s\": [", name);
	for (int row = 0; row < db_rows(result); row++)
	{
		if (row > 0)
			buffer_append(b, ", ");
		session_row(result, row, values, n);
		output_object(b, columns, n, values);
	}
	buffer_append_char(b, ']');
}

static void
show_json(const shown_job *shown)
{
	auto_buffer b = BUFFER_INIT;
	const char *values[N_JOB_COLUMNS];

	session_row(shown->job, 0, values, N_JOB_COLUMNS);
	output_object(&b, JOB_COLUMNS, N_JOB_COLUMNS, values);
	if (!buffer_ok(&b))
		return;
	b.length--; /* the brace is closed at the end */
	buffer_append(&b, ", \"note\": ");
	if (shown->note[0] == '\0')
		buffer_append(&b, "null");
	else
		text_quote_json(&b, shown->note, strlen(shown->note));
	append_rows(&b, "life", shown->life, LIFE_COLUMNS, N_LIFE_COLUMNS);
	append_rows(&b, "attempts", shown->attempts, ATTEMPT_COLUMNS, N_ATTEMPT_COLUMNS);
	append_rows(&b, "log", shown->lines, JOB_LINE, JOB_LINE_COLUMNS);
	buffer_append_char(&b, '}');
	if (buffer_ok(&b))
		(void) puts(b.data);
}

/* ------------------------------------------------------------ people ------------- */

static void
append_member(buffer *b, const char *name, const char *value)
{
	buffer_appendf(b, "%-13s ", name);
	/* further lines of a value stand below its first */
	for (const char *line = value;; line++)
	{
		auto_buffer part = BUFFER_INIT;
		size_t length = strcspn(line, "\n");

		buffer_append_bytes(&part, line, length);
		buffer_append_char(&part, '\0');
		if (buffer_ok(&part))
			output_printable(b, part.data);
		buffer_append_char(b, '\n');
		line += length;
		if (*line == '\0')
			return;
		buffer_appendf(b, "%14s", "");
	}
}

static int
show_rows(const char *heading, const db_result *result, const output_column *columns,
          size_t n)
{
	const char *values[OUTPUT_COLUMNS_MAX];
	output *out;

	if (db_rows(result) == 0)
		return 0;
	(void) printf("\n%s:\n", heading);
	out = output_new(OUTPUT_TABLE, columns, n);
	if (out == NULL)
		return EXIT_OPERATION;
	for (int row = 0; row < db_rows(result); row++)
	{
		session_row(result, row, values, n);
		output_row(out, values);
	}
	return output_finish(out);
}

static int
show_text(const shown_job *shown)
{
	auto_buffer b = BUFFER_INIT;
	int code;

	for (size_t i = 0; i < N_JOB_COLUMNS; i++)
	{
		if (!db_is_null(shown->job, 0, (int) i))
			append_member(&b, JOB_COLUMNS[i].name, db_text(shown->job, 0, (int) i));
	}
	if (shown->note[0] != '\0')
		append_member(&b, "note", shown->note);
	if (buffer_ok(&b))
		(void) fputs(b.data, stdout);
	code = show_rows("its life", shown->life, LIFE_COLUMNS, N_LIFE_COLUMNS);
	if (code != 0)
		return code;
	return show_rows("last log lines", shown->lines, JOB_LINE, JOB_LINE_COLUMNS);
}

static int
show_csv(const shown_job *shown)
{
	output *out = output_new(OUTPUT_CSV, JOB_COLUMNS, N_JOB_COLUMNS);
	const char *values[N_JOB_COLUMNS];

	if (out == NULL)
		return EXIT_OPERATION;
	session_row(shown->job, 0, values, N_JOB_COLUMNS);
	output_row(out, values);
	return output_finish(out);
}

/* ------------------------------------------------------------ the command -------- */

static int
show(const command_call *call, const shown_job *shown)
{
	if (call->common.format == OUTPUT_TABLE)
	{
		int code = show_text(shown);

		return code != 0 ? code : output_check();
	}
	if (call->common.format == OUTPUT_CSV)
		return show_csv(shown);
	show_json(shown);
	return output_check();
}

static int
run_show(const command_call *call)
{
	shown_job shown = {0};
	auto_session *own_db = NULL;
	auto_free int64_t *ids = NULL;
	pawl_error error;
	pawl_status status = input_ids(1, call->args, &ids, &error);
	int code;

	if (status == PAWL_OK)
		status = session_open(call, &own_db, &error);
	if (status == PAWL_OK)
		status = read_job(own_db, ids[0], &shown, &error);
	if (status == PAWL_OK)
		status = read_note(own_db, &shown, &error);
	code = status == PAWL_OK ? show(call, &shown) : talk_error(&error);
	db_result_free(shown.job);
	db_result_free(shown.life);
	db_result_free(shown.attempts);
	db_result_free(shown.lines);
	return code;
}

static const option_spec SHOW_OPTIONS[] = {OPTIONS_END};

const cli_command COMMAND_JOB_SHOW = {
	.name = "job show",
	.synopsis = "ID [-o FORMAT]",
	.summary = "show a job, its life and the end of its log",
	.description =
		"Show a job: what it is, each state that it was in, since when, by which\n"
		"worker and with which error, and the last lines of its log.  Attempts that\n"
		"were snoozed or released leave no record: their numbers are told, without\n"
		"a time.  For a ready job a note says why it does not run, if no worker\n"
		"handles its kind or its queue is paused.\n"
		"JSON has its unsuccessful attempts besides, CSV the job alone.",
	.options = SHOW_OPTIONS,
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_show,
};
