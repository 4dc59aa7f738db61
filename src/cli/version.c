/*
 * version.c - `pawl version` and `pawl help`
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/talk.h"
#include "db/embedded.h"

static const option_spec NO_OPTIONS[] = {OPTIONS_END};

/* ------------------------------------------------------------ version ------------ */

static const output_column VERSION_COLUMNS[] = {
	{.name = "program"},
	{.name = "schema", .type = OUTPUT_NUMBER},
};

/* The number that the newest migration begins with. */
static long
schema_version(void)
{
	size_t n = EMBEDDED_MIGRATIONS.count;

	return n == 0 ? 0 : strtol(EMBEDDED_MIGRATIONS.files[n - 1].name, NULL, 10);
}

static int
run_version(const command_call *call)
{
	char schema[16];
	const char *values[] = {pawl_version(), schema};
	output *out;

	(void) snprintf(schema, sizeof(schema), "%ld", schema_version());
	if (call->common.format == OUTPUT_TABLE)
	{
		(void) printf("pawl %s (schema %s)\n", pawl_version(), schema);
		return output_check();
	}
	out = output_new((output_format) call->common.format, VERSION_COLUMNS, 2);
	if (out == NULL)
		return EXIT_OPERATION;
	output_row(out, values);
	return output_finish(out);
}

const cli_command COMMAND_VERSION = {
	.name = "version",
	.synopsis = "[-o FORMAT]",
	.summary = "show the version of the program and of its schema",
	.description = "Show the version of the program, and the version of the schema "
				   "that it needs.\n"
				   "Asks no database; see `pawl migrate status` for that.",
	.options = NO_OPTIONS,
	.accepts = ACCEPTS_OUTPUT,
	.run = run_version,
};

/* ------------------------------------------------------------ help --------------- */

typedef struct help_options
{
	bool man;
} help_options;

static const help_options HELP_DEFAULTS = {0};

static const option_spec HELP_OPTIONS[] = {
	{.name = "man",
     .type = OPTION_FLAG,
     .offset = offsetof(help_options, man),
     .help = "the whole as the source of a man page"},
	OPTIONS_END,
};

static int
run_help(const command_call *call)
{
	const help_options *options = call->options;
	const char *second = call->n_args > 1 ? call->args[1] : NULL;
	const cli_command *command;

	if (options->man)
		return help_man();
	if (call->n_args == 0)
		return help_program();
	command = command_find(call->args[0], second);
	if (command != NULL)
		return help_command(command);
	if (second == NULL && command_is_noun(call->args[0]))
		return help_noun(call->args[0]);
	return talk_usage(NULL, "unknown command \"%s%s%s\"", call->args[0],
	                  second == NULL ? "" : " ", second == NULL ? "" : second);
}

const cli_command COMMAND_HELP = {
	.name = "help",
	.synopsis = "[COMMAND]\n--man",
	.summary = "show the help of the program or of a command",
	.description = "Show the commands, or describe one of them.",
	.options = HELP_OPTIONS,
	.defaults = &HELP_DEFAULTS,
	.size = sizeof(help_options),
	.max_args = 2,
	.run = run_help,
};
