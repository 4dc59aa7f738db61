/*
 * migrate.c - `pawl migrate up`, `status` and `sql`: the schema of a database
 */
#include <stdio.h>

#include "base/error.h"
#include "cli/session.h"
#include "cli/talk.h"
#include "db/migrate.h"

static const option_spec NO_OPTIONS[] = {OPTIONS_END};

typedef struct migrate_options
{
	int to;
} migrate_options;

static const migrate_options MIGRATE_DEFAULTS = {0};

static const option_spec MIGRATE_OPTIONS[] = {
	{.name = "to",
     .type = OPTION_INT,
     .offset = offsetof(migrate_options, to),
     .value = "N",
     .min = 1,
     .max = 9999,
     .help = "up to this version (the newest)"},
	OPTIONS_END,
};

/* ------------------------------------------------------------ up ----------------- */

static void
tell_step(const char *text, void *closure)
{
	(void) closure;
	talk("%s", text);
}

static int
run_up(const command_call *call)
{
	const migrate_options *options = call->options;
	auto_session *own_db = NULL;
	pawl_error error;

	if (session_connect(call, &own_db, &error) != PAWL_OK ||
	    migrate_up(own_db, options->to, tell_step, NULL, &error) != PAWL_OK)
		return talk_error(&error);
	return 0;
}

const cli_command COMMAND_MIGRATE_UP = {
	.name = "migrate up",
	.synopsis = "[--to N]",
	.summary = "bring the schema of a database up to date",
	.description =
		"Bring the schema pawl of a database up to this program's version: "
		"migrations,\n"
		"then views, functions and grants whose text has changed.  Each migration is "
		"one\n"
		"transaction; two that run at once do not get into each other's way; one that "
		"is\n"
		"interrupted is taken up again.  Does nothing when there is nothing to do.",
	.options = MIGRATE_OPTIONS,
	.defaults = &MIGRATE_DEFAULTS,
	.size = sizeof(migrate_options),
	.accepts = ACCEPTS_DATABASE,
	.run = run_up,
};

/* ------------------------------------------------------------ status ------------- */

static const output_column STATUS_COLUMNS[] = {
	{.name = "current", .type = OUTPUT_NUMBER},
	{.name = "wanted", .type = OUTPUT_NUMBER},
	{.name = "changed", .type = OUTPUT_BOOL},
	{.name = "status"},
};

static const char *
status_word(const migrate_state *state)
{
	if (state->current == 0)
		return "missing";
	if (state->current < state->wanted)
		return "behind";
	if (state->current > state->wanted)
		return "newer";
	return state->changed ? "changed" : "up to date";
}

static int
show_status(const command_call *call, const migrate_state *state)
{
	char current[16];
	char wanted[16];
	const char *values[] = {current, wanted, state->changed ? "t" : "f",
	                        status_word(state)};
	output *out = output_new((output_format) call->common.format, STATUS_COLUMNS, 4);
	int code;

	if (out == NULL)
		return EXIT_OPERATION;
	(void) snprintf(current, sizeof(current), "%d", state->current);
	(void) snprintf(wanted, sizeof(wanted), "%d", state->wanted);
	output_row(out, values);
	code = output_finish(out);
	if (code != 0)
		return code;
	if (state->current < state->wanted ||
	    (state->changed && state->current == state->wanted))
		talk_hint("Run \"pawl migrate up\".");
	else if (state->current > state->wanted)
		talk_hint("The schema is newer than this program: install the program's newer "
		          "version.");
	return state->current == state->wanted && !state->changed ? 0 : EXIT_SCHEMA;
}

static int
run_status(const command_call *call)
{
	auto_session *own_db = NULL;
	migrate_state state;
	pawl_error error;

	if (session_connect(call, &own_db, &error) != PAWL_OK ||
	    migrate_status(own_db, &state, &error) != PAWL_OK)
		return talk_error(&error);
	return show_status(call, &state);
}

const cli_command COMMAND_MIGRATE_STATUS = {
	.name = "migrate status",
	.synopsis = "[-o FORMAT]",
	.summary = "show the version of a database's schema",
	.description = "Show the version of the database's schema (0: there is none), the "
				   "version that\n"
				   "this program needs, and whether the text of functions, views or "
				   "grants differs\n"
				   "from this program's.  Exit code 6 unless everything is up to date.",
	.options = NO_OPTIONS,
	.accepts = ACCEPTS_DATABASE | ACCEPTS_OUTPUT,
	.run = run_status,
};

/* ------------------------------------------------------------ sql ---------------- */

static int
run_sql(const command_call *call)
{
	const migrate_options *options = call->options;
	auto_buffer script = BUFFER_INIT;
	pawl_error error;

	migrate_script(options->to, &script);
	if (!buffer_ok(&script))
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	(void) fwrite(script.data, 1, script.length, stdout);
	return output_check();
}

const cli_command COMMAND_MIGRATE_SQL = {
	.name = "migrate sql",
	.synopsis = "[--to N]",
	.summary = "write the schema as a script for psql",
	.description = "Write the whole schema as one SQL script to standard output, for "
				   "psql and for\n"
				   "reading before it is run.  Asks no database.",
	.options = MIGRATE_OPTIONS,
	.defaults = &MIGRATE_DEFAULTS,
	.size = sizeof(migrate_options),
	.run = run_sql,
};
