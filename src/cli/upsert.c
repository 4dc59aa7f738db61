/*
 * upsert.c - `pawl upsert`: a CSV file into a table of the user's own
 *
 * The file is read in constant memory; each chunk is a transaction of its own, and the
 * connection holds nothing while more is read.  Only a single transaction has all rows
 * in memory.  No schema of Pawl's is needed in that database.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/csv.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "cli/upsert_chunk.h"
#include "cli/upsert_header.h"
#include "queue/upsert.h"

typedef struct upsert_options
{
	const char *table;
	const char *key;
	const char *update;
	bool single_transaction;
	int64_t lock_timeout_ms;
	int64_t timeout_ms;
} upsert_options;

static const upsert_options UPSERT_DEFAULTS = {
	.lock_timeout_ms = UPSERT_LOCK_TIMEOUT_MS,
	.timeout_ms = UPSERT_TIMEOUT_MS,
};

static const option_spec UPSERT_OPTIONS[] = {
	{.name = "table",
     .type = OPTION_TEXT,
     .offset = offsetof(upsert_options, table),
     .value = "TABLE",
     .help = "the table, written as in SQL: with its schema or without"},
	{.name = "key",
     .type = OPTION_TEXT,
     .offset = offsetof(upsert_options, key),
     .value = "COLUMN,...",
     .help = "the columns of a unique index or primary key of the table"},
	{.name = "update",
     .type = OPTION_TEXT,
     .offset = offsetof(upsert_options, update),
     .value = "COLUMN,...",
     .help = "where the key exists, overwrite these columns (nothing)"},
	{.name = "single-transaction",
     .type = OPTION_FLAG,
     .offset = offsetof(upsert_options, single_transaction),
     .help = "all rows or none; at most 256 MiB"},
	{.name = "lock-timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(upsert_options, lock_timeout_ms),
     .value = "DURATION",
     .help = "how long to wait for each lock (5s)"},
	{.name = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(upsert_options, timeout_ms),
     .value = "DURATION",
     .help = "how long a transaction may last, with its tries (30s)"},
	OPTIONS_END,
};

/* One run of the command. */
typedef struct storing
{
	const command_call *call;
	const upsert_options *options;
	const char *file; /* as messages name it */
	int64_t size;     /* of the file; 0: unknown */
	csv_reader *reader;
	upsert_header header;
	pawl_upsert_spec spec;
	db *db;
	upsert *upsert;
	upsert_chunk chunk;
	progress progress;
	pawl_upsert_result sums;
	int64_t last; /* line of the last row that is stored */
} storing;

/* ------------------------------------------------------------ errors ------------- */

/* "pawl: error: pairs.csv: line 17: ..." */
static int
bad_line(const storing *s, int64_t line, const pawl_error *error)
{
	char place[512];

	(void) snprintf(place, sizeof(place), "%s: line %" PRId64, s->file, line);
	return talk_error_at(place, error);
}

/* Is the row as long as the header?  0, or the exit code. */
static int
check_count(const storing *s, const csv_row *row)
{
	pawl_error error;

	if (row->count == s->header.n_columns)
		return 0;
	(void) error_set(&error, PAWL_ERR_ARGUMENT, "it has %zu fields, the header has %zu",
	                 row->count, s->header.n_columns);
	return bad_line(s, row->line, &error);
}

/* Has the row a whole key?  0, or the exit code. */
static int
check_key(const storing *s, const csv_row *row)
{
	pawl_error error;

	for (size_t i = 0; i < s->header.n_keys; i++)
	{
		if (row->fields[s->header.places[i]] != NULL)
			continue;
		(void) error_set(&error, PAWL_ERR_ARGUMENT, "key column \"%s\" is NULL",
		                 s->header.keys[i]);
		error_hint(&error, "A field that is empty and not quoted is NULL; \"\" is an "
		                   "empty text.");
		return bad_line(s, row->line, &error);
	}
	return 0;
}

/* ------------------------------------------------------------ sending ------------ */

static pawl_status
open_target(storing *s, pawl_error *error)
{
	pawl_status status = session_connect(s->call, &s->db, error);

	s->spec = (pawl_upsert_spec){
		.table = s->options->table,
		.keys = (const char *const *) s->header.keys,
		.values = s->header.values,
		.update = (const char *const *) s->header.update,
		.lock_timeout_ms = s->options->lock_timeout_ms,
		.timeout_ms = s->options->timeout_ms,
	};
	if (status == PAWL_OK)
		status = upsert_new(s->db, &s->spec, &s->upsert, error);
	return status;
}

/* Store the chunk: 0, or the exit code. */
static int
flush_chunk(storing *s)
{
	auto_free const char **cells = upsert_chunk_cells(&s->chunk);
	int64_t rows = (int64_t) s->chunk.rows;
	int64_t created;
	char text[64];
	size_t bad;
	pawl_error error;

	if (cells == NULL)
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	if (upsert_send(s->upsert, cells, s->chunk.rows, &created, &bad, &error) != PAWL_OK)
	{
		if (error.status == PAWL_ERR_UNKNOWN)
			error_detail(&error,
			             "Whether lines %" PRId64 " to %" PRId64
			             " were stored is not known.",
			             s->chunk.lines[0], s->chunk.lines[rows - 1]);
		return bad != UPSERT_NO_ROW ? bad_line(s, s->chunk.lines[bad], &error)
		                            : talk_error(&error);
	}
	s->sums.rows += rows;
	s->sums.created += created;
	s->sums.existing += rows - created;
	s->last = s->chunk.lines[rows - 1];
	upsert_chunk_clear(&s->chunk);
	(void) snprintf(text, sizeof(text), "stored %" PRId64 " rows", s->sums.rows);
	progress_show(&s->progress, csv_bytes(s->reader), s->size, text);
	return 0;
}

static bool
is_full(const storing *s)
{
	return s->chunk.rows >= UPSERT_CHUNK_ROWS ||
	       s->chunk.text.length >= LIMIT_UPSERT_CHUNK;
}

/* ------------------------------------------------------------ rows --------------- */

static int
take_row(storing *s, const csv_row *row)
{
	pawl_error error;
	int code = check_count(s, row);

	if (code == 0)
		code = check_key(s, row);
	if (code != 0)
		return code;
	if (upsert_chunk_add(&s->chunk, row, s->header.places, &error) != PAWL_OK)
		return talk_error(&error);
	if (!s->options->single_transaction)
		return is_full(s) ? flush_chunk(s) : 0;
	if (s->chunk.text.length <= LIMIT_UPSERT_SINGLE)
		return 0;
	(void) error_set(&error, PAWL_ERR_ARGUMENT,
	                 "so far there are more than 256 MiB, the limit of a single "
	                 "transaction");
	return bad_line(s, row->line, &error);
}

/* Rows up to the end of the file: 0, or the exit code. */
static int
take_rows(storing *s)
{
	for (;;)
	{
		csv_row row = {0};
		bool end;
		pawl_error error;
		int code;

		if (csv_next(s->reader, &row, &end, &error) != PAWL_OK)
			return bad_line(s, row.line, &error);
		if (end)
			return s->chunk.rows > 0 ? flush_chunk(s) : 0;
		if (s->upsert == NULL && open_target(s, &error) != PAWL_OK)
			return talk_error(&error);
		code = take_row(s, &row);
		if (code != 0)
			return code;
	}
}

static int
take_header(storing *s)
{
	csv_row row = {0};
	bool end;
	pawl_error error;
	pawl_status status = csv_next(s->reader, &row, &end, &error);

	if (status == PAWL_OK && end)
	{
		(void) error_set(&error, PAWL_ERR_ARGUMENT, "there is no header");
		error_hint(&error, "The first line names the columns.");
		row.line = 1;
		return bad_line(s, row.line, &error);
	}
	if (status == PAWL_OK)
		status = upsert_header_read(&s->header, &row, &error);
	if (status != PAWL_OK)
		return bad_line(s, row.line, &error);
	s->chunk.columns = s->header.n_columns;
	return 0;
}

/* ------------------------------------------------------------ the command -------- */

static int
show_sums(const storing *s)
{
	static const output_column columns[] = {
		{.name = "rows", .type = OUTPUT_NUMBER},
		{.name = "created", .type = OUTPUT_NUMBER},
		{.name = "existing", .type = OUTPUT_NUMBER},
	};
	char rows[24], created[24], existing[24];
	const char *values[] = {rows, created, existing};
	output *out = output_new((output_format) s->call->common.format, columns, 3);

	if (out == NULL)
		return EXIT_OPERATION;
	(void) snprintf(rows, sizeof(rows), "%" PRId64, s->sums.rows);
	(void) snprintf(created, sizeof(created), "%" PRId64, s->sums.created);
	(void) snprintf(existing, sizeof(existing), "%" PRId64, s->sums.existing);
	output_row(out, values);
	return output_finish(out);
}

static int
store(storing *s)
{
	int code;

	progress_begin(&s->progress);
	code = take_header(s);
	if (code == 0)
		code = take_rows(s);
	progress_end(&s->progress);
	if (code == 0)
		return show_sums(s);
	if (s->sums.rows == 0)
		talk("stopped; nothing was stored");
	else
		talk("stopped; stored %" PRId64 " rows, up to line %" PRId64 ": %" PRId64
		     " created, %" PRId64 " existing",
		     s->sums.rows, s->last, s->sums.created, s->sums.existing);
	return code;
}

static int
store_file(storing *s, const char *path)
{
	pawl_error error;
	int fd;
	int code;

	if (input_open(path, &fd, &s->size, &error) != PAWL_OK)
		return talk_error(&error);
	s->file = fd == STDIN_FILENO ? "standard input" : path;
	s->reader = csv_new(fd);
	if (s->reader != NULL)
		code = store(s);
	else
	{
		(void) error_memory(&error);
		code = talk_error(&error);
	}
	csv_reader_free(s->reader);
	input_close(fd);
	return code;
}

static int
run_upsert(const command_call *call)
{
	const upsert_options *options = call->options;
	storing s = {.call = call, .options = options};
	pawl_error error;
	int code;

	if (options->table == NULL)
		return talk_usage("upsert", "option \"--table\" is missing");
	if (options->key == NULL)
		return talk_usage("upsert", "option \"--key\" is missing");
	if (options->lock_timeout_ms == 0 || options->timeout_ms == 0)
		return talk_usage("upsert", "a timeout of 0 would wait for ever");
	if (upsert_header_begin(&s.header, options->key, options->update, &error) !=
	    PAWL_OK)
		code = talk_error(&error);
	else
		code = store_file(&s, call->args[0]);
	upsert_chunk_free(&s.chunk);
	upsert_free(s.upsert);
	upsert_header_free(&s.header);
	db_free(s.db);
	return code;
}

const cli_command COMMAND_UPSERT = {
	.name = "upsert",
	.synopsis = "--table T --key A,B [--update C,D] FILE.csv|- [OPTION]...",
	.summary = "store a CSV file in a table of your own",
	.description =
		"Insert the rows whose key is new to the table; leave the others alone, or\n"
		"overwrite their columns with --update.  The first line of the file names its\n"
		"columns, exactly as the table has them.  CSV is that of PostgreSQL's COPY: a\n"
		"field that is empty and not quoted is NULL, which a key cannot be.  Of rows\n"
		"with one key the first counts, with --update the last.\n"
		"\n"
		"Any number of these commands may run side by side, on the same keys in any\n"
		"order: each takes its rows in the order of the key, text in COLLATE \"C\", "
		"and\n"
		"so can your own statements.  Only a second unique index of the table, or a\n"
		"trigger, can still make a deadlock, which is then tried again.\n"
		"\n"
		"The file is read in constant memory and stored in transactions of 10,000\n"
		"rows.  A command that has failed can be repeated: it stores what is missing.\n"
		"It shows how many rows there were, how many of them are new, and for how\n"
		"many the key existed.\n"
		"\n"
		"A malformed file ends with exit code 2 and a table or column that is not\n"
		"there with 3; a row that the table refuses, and a lock that is not had in\n"
		"time, with 1; a transaction that lasts too long with 124.",
	.options = UPSERT_OPTIONS,
	.defaults = &UPSERT_DEFAULTS,
	.size = sizeof(upsert_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.min_args = 1,
	.max_args = 1,
	.run = run_upsert,
};
