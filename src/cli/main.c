/*
 * main.c - the program pawl: finds the command, parses its options, runs it
 *
 * The table COMMANDS is all that there is; the help is made from it.  Everything here
 * is on the main thread.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/talk.h"

#define COMMAND_COUNT 34

const cli_command *const COMMANDS[] = {
	&COMMAND_UP,
	&COMMAND_MIGRATE_UP,
	&COMMAND_MIGRATE_STATUS,
	&COMMAND_MIGRATE_SQL,
	&COMMAND_WORK,
	&COMMAND_PUSH,
	&COMMAND_JOB_LIST,
	&COMMAND_JOB_SHOW,
	&COMMAND_JOB_LOGS,
	&COMMAND_JOB_WAIT,
	&COMMAND_JOB_CANCEL,
	&COMMAND_JOB_RETRY,
	&COMMAND_BATCH_OPEN,
	&COMMAND_BATCH_SEAL,
	&COMMAND_BATCH_LIST,
	&COMMAND_BATCH_SHOW,
	&COMMAND_BATCH_WAIT,
	&COMMAND_BATCH_CANCEL,
	&COMMAND_BATCH_RERUN,
	&COMMAND_QUEUE_LIST,
	&COMMAND_QUEUE_SHOW,
	&COMMAND_QUEUE_PAUSE,
	&COMMAND_QUEUE_RESUME,
	&COMMAND_QUEUE_SET,
	&COMMAND_GROUP_LIST,
	&COMMAND_GROUP_SHOW,
	&COMMAND_GROUP_RELEASE,
	&COMMAND_GROUP_FAIL,
	&COMMAND_WORKER_LIST,
	&COMMAND_LOCKS,
	&COMMAND_UPSERT,
	&COMMAND_BENCH,
	&COMMAND_VERSION,
	&COMMAND_HELP,
	NULL,
};
static_assert(sizeof(COMMANDS) / sizeof(COMMANDS[0]) == COMMAND_COUNT + 1,
              "a command for each line of the interface, and the end");

/* ------------------------------------------------------------ common options ----- */

static const option_spec COMMON_DATABASE[] = {
	{.name = "database",
     .letter = 'd',
     .type = OPTION_TEXT,
     .offset = offsetof(common_options, conninfo),
     .value = "CONNINFO",
     .help = "the database: a connection string or URI of PostgreSQL; without it the "
             "variables PGHOST, PGPORT, PGDATABASE, PGUSER, PGSERVICE"},
	OPTIONS_END,
};

static const option_spec COMMON_OUTPUT[] = {
	{.name = "output",
     .letter = 'o',
     .type = OPTION_CHOICE,
     .offset = offsetof(common_options, format),
     .value = "FORMAT",
     .help = "table, json, jsonl or csv (table)",
     .choices = OUTPUT_FORMAT_NAMES},
	OPTIONS_END,
};

static const option_spec COMMON_ALWAYS[] = {
	{.name = "quiet",
     .type = OPTION_FLAG,
     .offset = offsetof(common_options, quiet),
     .help = "tell nothing but errors on stderr"},
	{.name = "help",
     .type = OPTION_FLAG,
     .offset = offsetof(common_options, help),
     .help = "show this help and end"},
	OPTIONS_END,
};

size_t
common_groups(unsigned accepts, common_options *target,
              option_group ret_groups[COMMON_GROUPS])
{
	size_t n = 0;

	if (accepts & ACCEPTS_DATABASE)
		ret_groups[n++] = (option_group){COMMON_DATABASE, target};
	if (accepts & ACCEPTS_OUTPUT)
		ret_groups[n++] = (option_group){COMMON_OUTPUT, target};
	ret_groups[n++] = (option_group){COMMON_ALWAYS, target};
	return n;
}

/* ------------------------------------------------------------ which command ------ */

/* "job list" is made of these two words; "push" of the first alone. */
static bool
name_is(const char *name, const char *first, const char *second)
{
	size_t length = strcspn(name, " ");

	if (strlen(first) != length || strncmp(name, first, length) != 0)
		return false;
	if (name[length] == '\0')
		return true;
	return second != NULL && strcmp(name + length + 1, second) == 0;
}

const cli_command *
command_find(const char *first, const char *second)
{
	for (const cli_command *const *c = COMMANDS; *c != NULL; c++)
	{
		if (name_is((*c)->name, first, second))
			return *c;
	}
	return NULL;
}

bool
command_is_noun(const char *word)
{
	size_t length = strlen(word);

	for (const cli_command *const *c = COMMANDS; *c != NULL; c++)
	{
		if (strncmp((*c)->name, word, length) == 0 && (*c)->name[length] == ' ')
			return true;
	}
	return false;
}

/* No command has these words: help for a noun, or an error. */
static int
no_command(int argc, char **argv)
{
	const char *second = argc > 2 ? argv[2] : NULL;

	if (argc < 2)
		return talk_usage(NULL, "no command given");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help_program();
	if (!command_is_noun(argv[1]))
		return talk_usage(NULL, "unknown %s \"%s\"",
		                  argv[1][0] == '-' ? "option" : "command", argv[1]);
	if (second == NULL)
		return talk_usage(argv[1], "\"%s\" needs one of its commands", argv[1]);
	if (strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0)
		return help_noun(argv[1]);
	return talk_usage(argv[1], "unknown command \"%s %s\"", argv[1], second);
}

/* ------------------------------------------------------------ one call ----------- */

static int
check_arguments(const command_call *call)
{
	const cli_command *command = call->command;

	if (call->n_args < command->min_args)
		return talk_usage(command->name, "\"pawl %s\" needs %s argument", command->name,
		                  command->min_args - call->n_args > 1 ? "more than one"
		                                                       : "one more");
	if (command->max_args >= 0 && call->n_args > command->max_args)
		return talk_usage(command->name, "unexpected argument \"%s\"",
		                  call->args[command->max_args]);
	return 0;
}

/* Parse, and do what the options say: help, or the command. */
static int
run_parsed(command_call *call, int argc, char **argv, const option_group *groups,
           size_t n)
{
	pawl_error error;
	int first;

	if (options_parse(argc, argv, groups, n, &first, &error) != PAWL_OK)
	{
		if (error.hint[0] == '\0')
			error_hint(&error, "Try \"pawl %s --help\".", call->command->name);
		return talk_error(&error);
	}
	if (call->common.help)
		return help_command(call->command);
	call->n_args = argc - first;
	call->args = argv + first;
	talk_quiet(call->common.quiet);
	if (check_arguments(call) != 0)
		return EXIT_USAGE;
	return call->command->run(call);
}

/* argv[0] is the last word of the command's name. */
static int
call_command(const cli_command *command, int argc, char **argv)
{
	command_call call = {.command = command};
	auto_free void *options = calloc(1, command->size > 0 ? command->size : 1);
	option_group groups[1 + COMMON_GROUPS];
	pawl_error error;
	size_t n;
	int code;

	if (options == NULL)
	{
		(void) error_memory(&error);
		return talk_error(&error);
	}
	if (command->size > 0)
		memcpy(options, command->defaults, command->size);
	call.options = options;
	groups[0] = (option_group){command->options, options};
	n = 1 + common_groups(command->accepts, &call.common, groups + 1);
	code = run_parsed(&call, argc, argv, groups, n);
	options_free(groups, n);
	return code;
}

/*
 * A standard descriptor that was closed would become the next thing that is opened: a
 * table or a warning would be written into the connection to the server.  What stands
 * in for stdin and stdout is open the other way round, so that using it is an error
 * and told; nobody can be told about stderr.
 */
static bool
fill_standard_descriptors(void)
{
	static const int modes[] = {[STDIN_FILENO] = O_WRONLY,
	                            [STDOUT_FILENO] = O_RDONLY,
	                            [STDERR_FILENO] = O_RDWR};

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
	{
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", modes[fd]) != fd)
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	const cli_command *command;
	int words;

	if (!fill_standard_descriptors())
		return EXIT_OPERATION;       /* there may be nowhere to say why */
	(void) setlocale(LC_CTYPE, "");  /* the widths of characters in tables */
	(void) signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write */
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		command = &COMMAND_VERSION, argc = 1;
	else
		command = argc < 2 ? NULL : command_find(argv[1], argc > 2 ? argv[2] : NULL);
	if (command == NULL)
		return no_command(argc, argv);
	words = strchr(command->name, ' ') != NULL ? 2 : argc > 1 ? 1 : 0;
	return call_command(command, argc - words, argv + words);
}
