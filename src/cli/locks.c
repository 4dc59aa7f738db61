/*
 * locks.c - `pawl locks`: who waits for whom, and the waits that never end
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "queue/waits.h"

/* Between two looks. */
#define WATCH_MS 1000

typedef struct locks_options
{
	bool watch;
	int n;
} locks_options;

static const locks_options LOCKS_DEFAULTS = {.n = 1000};

static const option_spec LOCKS_OPTIONS[] = {
	{.name = "watch",
     .letter = 'w',
     .type = OPTION_FLAG,
     .offset = offsetof(locks_options, watch),
     .help = "look again each second, until Ctrl-C"},
	{.name = "number",
     .letter = 'n',
     .type = OPTION_INT,
     .offset = offsetof(locks_options, n),
     .value = "N",
     .min = 1,
     .max = 100000,
     .help = "at most so many (1000)"},
	OPTIONS_END,
};

/* As in sql/queries/waits.sql, up to the statement. */
static const output_column LOCKS_COLUMNS[] = {
	[WAITS_WAITER] = {.name = "waiter", .type = OUTPUT_NUMBER},
	[WAITS_SESSION] = {.name = "session"},
	[WAITS_JOB] = {.name = "job", .type = OUTPUT_NUMBER},
	[WAITS_WORKER] = {.name = "worker", .wide = true},
	[WAITS_ROLE] = {.name = "role", .wide = true},
	[WAITS_SINCE] = {.name = "since"},
	[WAITS_RELATION] = {.name = "relation"},
	[WAITS_KEY] = {.name = "key"},
	[WAITS_LOCK] = {.name = "lock", .wide = true},
	[WAITS_BLOCKER] = {.name = "blocker", .type = OUTPUT_NUMBER},
	[WAITS_BLOCKER_SESSION] = {.name = "blocker_session"},
	[WAITS_BLOCKER_JOB] = {.name = "blocker_job", .type = OUTPUT_NUMBER},
	[WAITS_BLOCKER_ROLE] = {.name = "blocker_role", .wide = true},
	[WAITS_BLOCKER_STATE] = {.name = "blocker_state"},
	[WAITS_BLOCKER_SINCE] = {.name = "blocker_since"},
	[WAITS_SILENT] = {.name = "silent", .type = OUTPUT_BOOL},
	[WAITS_HOLDER] = {.name = "holder", .type = OUTPUT_NUMBER, .wide = true},
	[WAITS_STATEMENT] = {.name = "statement"},
};
#define N_LOCKS_COLUMNS (sizeof(LOCKS_COLUMNS) / sizeof(LOCKS_COLUMNS[0]))
static_assert(N_LOCKS_COLUMNS == WAITS_STATEMENT + 1, "a column of a look, a column");

/* ------------------------------------------------------------ talk --------------- */

/* What this user cannot see, so that an empty cell is not taken for an answer. */
static pawl_status
tell_hidden(db *own_db, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status = session_query(own_db, "waits_hidden", params, &result, error);

	if (status != PAWL_OK || db_int(result, 0, 0) == 0)
		return status;
	talk("%s session%s of other roles cannot be seen in full: silent waits among them "
	     "are not marked",
	     db_text(result, 0, 0), db_int(result, 0, 0) == 1 ? "" : "s");
	talk_hint("Their states and statements need pg_read_all_stats.");
	return PAWL_OK;
}

/* What the watch has found so far. */
static pawl_status
tell_found(db *own_db, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status = session_query(own_db, "waits_found", params, &result, error);

	if (status != PAWL_OK && strcmp(error->sqlstate, "42501") == 0)
	{
		talk("how many silent waits were found is for pawl_reader to read");
		return PAWL_OK;
	}
	if (status != PAWL_OK)
		return status;
	if (db_is_null(result, 0, 2))
		talk("no silent wait was found in the last 30 days");
	else
		talk("silent waits found in the last 30 days: %s, of which %s were cancelled; "
		     "the last at %s",
		     db_text(result, 0, 0), db_text(result, 0, 1), db_text(result, 0, 2));
	return PAWL_OK;
}

/* ------------------------------------------------------------ looks -------------- */

static int
show(const queue_call *at, output *out, const db_result *rows)
{
	const char *values[N_LOCKS_COLUMNS];
	char key[WAITS_KEY_SIZE];

	for (int row = 0; row < db_rows(rows); row++)
	{
		session_row(rows, row, values, N_LOCKS_COLUMNS);
		waits_key(at, rows, row, key);
		values[WAITS_KEY] = key[0] != '\0' ? key : NULL;
		output_row(out, values);
	}
	return output_finish(out);
}

/* One look; -1: not shown, error says why. */
static int
look(const command_call *call, db *own_db, int *ret_rows, pawl_error *error)
{
	const locks_options *options = call->options;
	queue_call at = session_call(own_db);
	auto_result *rows = NULL;
	output *out;

	if (waits_look(&at, false, options->n, &rows, error) != PAWL_OK)
		return -1;
	out =
		output_new((output_format) call->common.format, LOCKS_COLUMNS, N_LOCKS_COLUMNS);
	if (out == NULL)
	{
		(void) error_memory(error);
		return -1;
	}
	if (options->watch && isatty(STDOUT_FILENO) == 1)
		(void) fputs("\033[H\033[2J", stdout); /* a fresh screen */
	*ret_rows = db_rows(rows);
	return show(&at, out, rows);
}

static int
look_once(const command_call *call, db *own_db, pawl_error *error)
{
	const locks_options *options = call->options;
	int rows = 0;
	int code = look(call, own_db, &rows, error);

	if (code != 0)
		return code;
	if (rows == 0)
		talk("nobody waits for a lock");
	if (rows == options->n)
		talk_hint("There may be more: -n %d", options->n * 10);
	if (tell_hidden(own_db, error) != PAWL_OK || tell_found(own_db, error) != PAWL_OK)
		return -1;
	return 0;
}

static int
look_on(const command_call *call, db *own_db, pawl_error *error)
{
	for (;;)
	{
		int rows = 0;
		int code = look(call, own_db, &rows, error);

		if (code != 0)
			return code;
		if (session_pause(own_db, WATCH_MS, INT64_MAX, error) != PAWL_OK)
			return -1;
	}
}

static int
run_locks(const command_call *call)
{
	const locks_options *options = call->options;
	auto_session *own_db = NULL;
	pawl_error error;
	int code;

	if (options->watch && call->common.format != OUTPUT_TABLE &&
	    call->common.format != OUTPUT_JSONL)
		return talk_usage("locks", "\"--watch\" writes tables or jsonl");
	if (session_open(call, &own_db, &error) != PAWL_OK)
		return talk_error(&error);
	if (options->watch)
		code = look_on(call, own_db, &error);
	else
		code = look_once(call, own_db, &error);
	return code == -1 ? talk_error(&error) : code;
}

const cli_command COMMAND_LOCKS = {
	.name = "locks",
	.synopsis = "[-w] [OPTION]...",
	.summary = "show who waits for whose locks",
	.description =
		"Show each session of this database that waits for a lock, and for whom: a "
		"row\n"
		"for each session that it waits for directly; who is waited for may be a "
		"waiter\n"
		"of another row.  Times are UTC.\n"
		"\n"
		"silent: a wait that never ends and that PostgreSQL cannot see, because the\n"
		"session at its end is idle in transaction and belongs to the same process, "
		"which\n"
		"cannot go on: it stands in the call that waits.  It has lasted for a second "
		"or\n"
		"more.  A worker of the fleet watches for it and cancels the statement that\n"
		"waits (pawl work --wait-cancel).  Sessions are told by their names: \"pawl "
		"job\n"
		"JOB\", which handlers have, or \"pawl worker UUID JOB\".\n"
		"\n"
		"key: of the row that is waited for, if it exists, has a primary key and you "
		"may\n"
		"read it.  A row that is being inserted can be seen by nobody but its "
		"inserter;\n"
		"then relation is the table that the statement writes.  States and statements\n"
		"of other roles' sessions need pg_read_all_stats.",
	.options = LOCKS_OPTIONS,
	.defaults = &LOCKS_DEFAULTS,
	.size = sizeof(locks_options),
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.run = run_locks,
};
