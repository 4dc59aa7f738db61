/*
 * push_ndjson.c - `pawl push --ndjson`: a file of jobs in constant memory
 *
 * Lines are checked as they come and gathered to a batch; a batch is one transaction.
 * When the server refuses a batch for what stands in it, its halves are pushed in
 * order, and so on down to the bad lines: a bad line takes no other with it, and what
 * was pushed is always told exactly.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/input.h"
#include "cli/ndjson.h"
#include "cli/progress.h"
#include "cli/push.h"
#include "cli/session.h"
#include "cli/talk.h"

/* Text of a batch: with the copies on the way still a small part of any memory. */
#define BATCH_BYTES (8 * 1024 * 1024)

typedef struct batch_line
{
	char *text;
	int64_t number;
} batch_line;

/* One run of the command. */
typedef struct loading
{
	const push_options *options;
	db *db;
	output *out;
	ndjson_reader *reader;
	int64_t size; /* of the file; 0: unknown */
	progress progress;
	batch_line lines[LIMIT_PUSH];
	size_t n;
	size_t bytes;
	int64_t pushed;
	int64_t there; /* lines whose key had a live job */
	int64_t skipped;
	int64_t last; /* number of the last line that has a job */
	int exit_code;
	bool stopped;
} loading;

/* ------------------------------------------------------------ bad lines ---------- */

/* A bad line: told; ends the loading unless it is to be skipped. */
static void
bad_line(loading *l, int64_t number, const pawl_error *error)
{
	char place[32];

	(void) snprintf(place, sizeof(place), "line %" PRId64, number);
	(void) talk_error_at(place, error);
	l->exit_code = EXIT_OPERATION;
	if (l->options->on_error == PUSH_SKIP)
		l->skipped++;
	else
		l->stopped = true;
}

/* Is it the data's fault, so that other lines may pass? */
static bool
is_lines_fault(const pawl_error *error)
{
	static const char *const classes[] = {"22", "23", "54", "P0"};

	if (error->status == PAWL_ERR_ARGUMENT && error->sqlstate[0] == '\0')
		return true;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (strncmp(error->sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------ batches ------------ */

static const output_column LINE_COLUMNS[] = {
	{.name = "line", .type = OUTPUT_NUMBER},
	{.name = "job", .type = OUTPUT_NUMBER},
	{.name = "created", .type = OUTPUT_BOOL},
};
#define N_LINE_COLUMNS (sizeof(LINE_COLUMNS) / sizeof(LINE_COLUMNS[0]))

static void
take_answers(loading *l, const batch_line *lines, const db_result *result)
{
	for (int row = 0; row < db_rows(result); row++)
	{
		char number[24];
		bool created = db_bool(result, row, 1);
		const char *values[] = {number, db_text(result, row, 0), created ? "t" : "f"};

		l->pushed += created;
		l->there += !created;
		(void) snprintf(number, sizeof(number), "%" PRId64, lines[row].number);
		if (l->out != NULL)
			output_row(l->out, values);
		else
			(void) puts(values[1]);
	}
}

/* In a handler: its job is the parent of what is pushed into its own batch. */
static void
param_parent(db_params *params)
{
	pawl_job parent;
	char members[96];

	if (!push_parent(&parent))
	{
		db_param_null(params);
		db_param_null(params);
		return;
	}
	(void) snprintf(members, sizeof(members),
	                "{\"parent\": %" PRId64 ", \"parent_fence\": %" PRId64 "}",
	                parent.id, parent.fence);
	db_param_int(params, parent.batch);
	db_param_text(params, members);
}

static pawl_status
push_lines(loading *l, const batch_line *lines, size_t n, pawl_error *error)
{
	static const char sql[] =
		"SELECT p.job, p.created FROM pawl.push_many((SELECT jsonb_agg("
		"CASE WHEN j.value->'batch' = to_jsonb($2::bigint) THEN j.value || $3::jsonb"
		" ELSE j.value END ORDER BY u.o)"
		" FROM unnest($1::text[]) WITH ORDINALITY u (line, o),"
		" LATERAL (SELECT u.line::jsonb AS value OFFSET 0) j)) p ORDER BY p.ordinal";
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	queue_call verb = session_call(l->db);
	pawl_status status;

	if (params == NULL)
		return error_memory(error);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, lines[i].text);
	db_param_array_end(params);
	param_parent(params);
	status = call_run(&verb, sql, params, &result, error);
	if (status != PAWL_OK)
		return status;
	if ((size_t) db_rows(result) != n)
		return error_set(error, PAWL_ERR_DATABASE, "%d answers for %zu jobs",
		                 db_rows(result), n);
	take_answers(l, lines, result);
	l->last = lines[n - 1].number;
	return PAWL_OK;
}

/* The server is the reason, not a line: tell it and end. */
static void
give_up(loading *l, const batch_line *lines, size_t n, pawl_error *error)
{
	if (error->status == PAWL_ERR_UNKNOWN)
		error_detail(
			error, "Whether lines %" PRId64 " to %" PRId64 " were pushed is not known.",
			lines[0].number, lines[n - 1].number);
	l->exit_code = talk_error(error);
	l->stopped = true;
}

/*
 * Push a range of the batch, in halves where the server refuses it.  Ten levels at the
 * most: LIMIT_PUSH is a thousand.
 */
static void
push_range(loading *l, const batch_line *lines, size_t n)
{
	pawl_error error;

	if (n == 0 || l->stopped)
		return;
	if (push_lines(l, lines, n, &error) == PAWL_OK)
		return;
	if (!is_lines_fault(&error))
		give_up(l, lines, n, &error);
	else if (n == 1)
		bad_line(l, lines[0].number, &error);
	else
	{
		push_range(l, lines, n / 2);
		push_range(l, lines + n / 2, n - n / 2);
	}
}

static void
push_batch(loading *l)
{
	char text[64];

	push_range(l, l->lines, l->n);
	for (size_t i = 0; i < l->n; i++)
		free(l->lines[i].text);
	l->n = 0;
	l->bytes = 0;
	(void) snprintf(text, sizeof(text), "pushed %" PRId64, l->pushed);
	progress_show(&l->progress, ndjson_bytes(l->reader), l->size, text);
	if (!l->stopped)
	{
		int code = output_check();

		l->stopped = code != 0;
		l->exit_code = code != 0 ? code : l->exit_code;
	}
}

/* ------------------------------------------------------------ reading ------------ */

static void
gather(loading *l, const char *text, size_t length, int64_t number)
{
	pawl_error error;
	char *copy;

	if (ndjson_check(text, length, &error) != PAWL_OK)
	{
		if (l->options->on_error != PUSH_SKIP)
			push_batch(l); /* what stands before it */
		if (!l->stopped)
			bad_line(l, number, &error);
		return;
	}
	copy = strndup(text, length);
	if (copy == NULL)
	{
		(void) error_memory(&error);
		l->exit_code = talk_error(&error);
		l->stopped = true;
		return;
	}
	l->lines[l->n++] = (batch_line){copy, number};
	l->bytes += length;
	if (l->n == LIMIT_PUSH || l->bytes >= BATCH_BYTES)
		push_batch(l);
}

static void
too_long(loading *l, int64_t number)
{
	pawl_error error;

	if (l->options->on_error != PUSH_SKIP)
		push_batch(l);
	if (l->stopped)
		return;
	(void) error_set(&error, PAWL_ERR_ARGUMENT,
	                 "it is longer than the limit of %d bytes", LIMIT_NDJSON_LINE);
	error_hint(&error, "Store the data elsewhere and push a reference to it.");
	bad_line(l, number, &error);
}

static void
load(loading *l)
{
	while (!l->stopped)
	{
		const char *text;
		size_t length;
		int64_t number;
		pawl_error error;

		switch (ndjson_next(l->reader, &text, &length, &number))
		{
			case NDJSON_LINE:
				gather(l, text, length, number);
				break;
			case NDJSON_TOO_LONG:
				too_long(l, number);
				break;
			case NDJSON_END:
				push_batch(l);
				return;
			case NDJSON_FAILED:
				(void) error_set(&error, PAWL_ERR_SYSTEM, "could not read \"%s\": %s",
				                 l->options->ndjson, strerror(errno));
				push_batch(l);
				if (!l->stopped)
					l->exit_code = talk_error(&error);
				return;
		}
	}
}

/* ------------------------------------------------------------ the command -------- */

static int
finish(loading *l)
{
	int code = l->out != NULL ? output_finish(l->out) : output_check();

	progress_end(&l->progress);
	for (size_t i = 0; i < l->n; i++)
		free(l->lines[i].text);
	if (l->there > 0)
		talk("%" PRId64 " lines have a key that a live job has already", l->there);
	if (l->stopped && l->last > 0)
		talk("stopped; pushed %" PRId64 " jobs, up to line %" PRId64, l->pushed,
		     l->last);
	else if (l->stopped)
		talk("stopped; nothing was pushed");
	else if (l->skipped > 0)
		talk("pushed %" PRId64 " jobs, skipped %" PRId64 " lines", l->pushed,
		     l->skipped);
	else
		talk("pushed %" PRId64 " jobs", l->pushed);
	return l->exit_code != 0 ? l->exit_code : code;
}

static int
load_file(loading *l, const command_call *call, int fd)
{
	auto_session *own_db = NULL;
	pawl_error error;

	if (session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	l->db = own_db;
	l->reader = ndjson_new(fd);
	if (call->common.format != OUTPUT_TABLE)
		l->out = output_new((output_format) call->common.format, LINE_COLUMNS,
		                    N_LINE_COLUMNS);
	if (l->reader == NULL || (l->out == NULL && call->common.format != OUTPUT_TABLE))
	{
		(void) error_memory(&error);
		ndjson_free(l->reader);
		return talk_error(&error);
	}
	progress_begin(&l->progress);
	load(l);
	ndjson_free(l->reader);
	return finish(l);
}

int
push_ndjson(const command_call *call)
{
	const push_options *options = call->options;
	auto_free loading *l = calloc(1, sizeof(*l));
	pawl_error error;
	int fd;
	int code;

	if (l == NULL)
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	l->options = options;
	if (input_open(options->ndjson, &fd, &l->size, &error) != PAWL_OK)
		return talk_error(&error);
	code = load_file(l, call, fd);
	input_close(fd);
	return code;
}
