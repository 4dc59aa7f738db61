/*
 * help.c - the text of --help, and the man page, from the tables of the commands
 */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/command.h"
#include "cli/talk.h"

/* Where the help of an option begins, and how wide the text is. */
#define HELP_COLUMN 30
#define HELP_WIDTH 79

/* Every page ends with them. */
static const char *const EXIT_CODES =
	"  0      done\n"
	"  1      the operation failed\n"
	"  2      wrong usage or settings\n"
	"  3      not found\n"
	"  4      could not connect; nothing was done\n"
	"  5      conflict, or a fence that is stale\n"
	"  6      the schema is missing, or older or newer than this program\n"
	"  7      unknown: the connection broke during COMMIT, and the server could not\n"
	"         be asked afterwards\n"
	"  124    timed out\n"
	"  128+n  ended by signal n\n";

/* ------------------------------------------------------------ text --------------- */

/* Append text wrapped at HELP_WIDTH, every line but the first indented. */
static void
append_wrapped(buffer *b, const char *text, size_t indent)
{
	size_t column = indent;

	while (*text != '\0')
	{
		size_t word = strcspn(text, " ");

		if (column > indent && column + 1 + word > HELP_WIDTH)
		{
			buffer_appendf(b, "\n%*s", (int) indent, "");
			column = indent;
		}
		else if (column > indent)
		{
			buffer_append_char(b, ' ');
			column++;
		}
		buffer_append_bytes(b, text, word);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
}

/* "-q, --queue QUEUE" */
static void
option_label(buffer *b, const option_spec *spec)
{
	if (spec->letter != 0)
		buffer_appendf(b, "-%c, --%s", spec->letter, spec->name);
	else
		buffer_appendf(b, "    --%s", spec->name);
	if (spec->value == NULL)
		return;
	buffer_appendf(b, spec->type == OPTION_WAIT ? "[=%s]" : " %s", spec->value);
}

static void
append_option(buffer *b, const option_spec *spec)
{
	auto_buffer label = BUFFER_INIT;

	option_label(&label, spec);
	buffer_appendf(b, "  %s", label.data);
	if (label.length + 2 > HELP_COLUMN - 2)
		buffer_appendf(b, "\n%*s", HELP_COLUMN, "");
	else
		buffer_appendf(b, "%*s", (int) (HELP_COLUMN - 2 - label.length), "");
	append_wrapped(b, spec->help, HELP_COLUMN);
	buffer_append_char(b, '\n');
}

static void
append_options(buffer *b, const option_spec *specs)
{
	for (; specs->name != NULL; specs++)
		append_option(b, specs);
}

/* The options that commands share, by the given writer. */
static void
append_common(buffer *b, unsigned accepts,
              void (*append)(buffer *b, const option_spec *specs))
{
	option_group groups[COMMON_GROUPS];
	size_t n = common_groups(accepts, NULL, groups);

	for (size_t i = 0; i < n; i++)
		append(b, groups[i].specs);
}

/* "Usage: pawl push ..." with the alternatives of the synopsis below each other. */
static void
append_usage(buffer *b, const char *prefix, const cli_command *command)
{
	const char *line = command->synopsis;

	for (;;)
	{
		size_t length = strcspn(line, "\n");

		buffer_appendf(b, "%spawl %s%s", prefix, command->name, length > 0 ? " " : "");
		buffer_append_bytes(b, line, length);
		buffer_append_char(b, '\n');
		if (line[length] == '\0')
			break;
		line += length + 1;
		prefix = "       ";
	}
}

static int
print(const buffer *b)
{
	if (buffer_ok(b) && b->data != NULL)
		(void) fputs(b->data, stdout);
	return output_check();
}

int
help_command(const cli_command *command)
{
	auto_buffer b = BUFFER_INIT;

	append_usage(&b, "Usage: ", command);
	buffer_appendf(&b, "\n%s\n\nOptions:\n", command->description);
	append_options(&b, command->options);
	append_common(&b, command->accepts, append_options);
	buffer_appendf(&b, "\nExit codes:\n%s", EXIT_CODES);
	return print(&b);
}

/* The commands whose name begins with prefix, one a line. */
static void
append_commands(buffer *b, const char *prefix)
{
	for (const cli_command *const *c = COMMANDS; *c != NULL; c++)
	{
		if (strncmp((*c)->name, prefix, strlen(prefix)) == 0)
			buffer_appendf(b, "  %-16s %s\n", (*c)->name, (*c)->summary);
	}
}

int
help_noun(const char *noun)
{
	auto_buffer b = BUFFER_INIT;
	auto_buffer prefix = BUFFER_INIT;

	buffer_appendf(&prefix, "%s ", noun);
	buffer_appendf(&b, "Usage: pawl %s COMMAND [ARGUMENT]... [OPTION]...\n\n", noun);
	buffer_append(&b, "Commands:\n");
	if (buffer_ok(&prefix))
		append_commands(&b, prefix.data);
	buffer_append(&b, "\n`pawl COMMAND --help` describes a command.\n");
	return print(&b);
}

int
help_program(void)
{
	auto_buffer b = BUFFER_INIT;

	buffer_append(&b, "Usage: pawl COMMAND [ARGUMENT]... [OPTION]...\n\n"
	                  "Background jobs on PostgreSQL.\n\nCommands:\n");
	append_commands(&b, "");
	buffer_append(&b,
	              "\n`pawl COMMAND --help` describes a command.  The database is the "
	              "one of\n-d CONNINFO, else of the variables PGHOST, PGPORT, "
	              "PGDATABASE, PGUSER, PGSERVICE.\n");
	buffer_appendf(&b, "\nExit codes:\n%s", EXIT_CODES);
	return print(&b);
}

/* ------------------------------------------------------------ man page ----------- */

/* Append text for roff: no line may begin with a control character. */
static void
append_roff(buffer *b, const char *text)
{
	bool fresh = true;

	for (; *text != '\0'; text++)
	{
		if (fresh && (*text == '.' || *text == '\''))
			buffer_append(b, "\\&");
		if (*text == '\\')
			buffer_append(b, "\\e");
		else if (*text == '-')
			buffer_append(b, "\\-");
		else
			buffer_append_char(b, *text);
		fresh = *text == '\n';
	}
}

static void
append_roff_options(buffer *b, const option_spec *specs)
{
	for (; specs->name != NULL; specs++)
	{
		auto_buffer label = BUFFER_INIT;
		const char *start;

		option_label(&label, specs);
		if (!buffer_ok(&label))
			return;
		start = label.data + strspn(label.data, " ");
		buffer_append(b, ".TP\n");
		append_roff(b, start);
		buffer_append_char(b, '\n');
		append_roff(b, specs->help);
		buffer_append(b, ".\n");
	}
}

static void
append_roff_command(buffer *b, const cli_command *command)
{
	auto_buffer usage = BUFFER_INIT;

	append_usage(&usage, "", command);
	if (!buffer_ok(&usage))
		return;
	buffer_appendf(b, ".SS %s\n.nf\n", command->name);
	append_roff(b, usage.data);
	buffer_append(b, ".fi\n.PP\n");
	append_roff(b, command->description);
	buffer_append_char(b, '\n');
	append_roff_options(b, command->options);
}

int
help_man(void)
{
	auto_buffer b = BUFFER_INIT;

	buffer_appendf(&b, ".TH PAWL 1 \"\" \"pawl %s\"\n.SH NAME\n", pawl_version());
	buffer_append(&b, "pawl \\- background jobs on PostgreSQL\n.SH SYNOPSIS\n"
	                  "pawl COMMAND [ARGUMENT]... [OPTION]...\n.SH COMMANDS\n");
	for (const cli_command *const *c = COMMANDS; *c != NULL; c++)
		append_roff_command(&b, *c);
	buffer_append(&b, ".SH COMMON OPTIONS\n");
	append_common(&b, ACCEPTS_DATABASE | ACCEPTS_OUTPUT, append_roff_options);
	buffer_append(&b, ".SH EXIT STATUS\n.nf\n");
	append_roff(&b, EXIT_CODES);
	buffer_append(&b, ".fi\n");
	return print(&b);
}
