/*
 * command.h - what a command of the program is
 *
 * A command is one constant structure in the file of its noun: its name, its texts
 * (which --help prints and the man page is made of), its options as a table, and the
 * function that runs it.  main.c has the table of all of them and does what they have
 * in common: finding the command, parsing, help.
 *
 * run answers the exit code of the program; it has told the user what went wrong
 * (talk.h).  It runs on the main thread, once.
 */
#ifndef PAWL_CLI_COMMAND_H
#define PAWL_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/options.h"
#include "cli/output.h"

/* Exit codes that are no pawl_status: see error_exit_code for the others. */
enum
{
	EXIT_OPERATION = 1, /* the operation failed */
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_CONFLICT = 5,
	EXIT_SCHEMA = 6,
	EXIT_TIMEOUT = 124,
	EXIT_SIGNAL = 128 /* + the signal's number */
};

/* Options that several commands have; which ones, a command's accepts says. */
typedef struct common_options
{
	const char *conninfo; /* -d; NULL: the PG* variables */
	int format;           /* -o: an output_format */
	bool quiet;
	bool help;
} common_options;

typedef enum command_accepts
{
	ACCEPTS_DATABASE = 1, /* -d */
	ACCEPTS_OUTPUT = 2    /* -o */
} command_accepts;

struct cli_command;

/* One call of a command. */
typedef struct command_call
{
	const struct cli_command *command;
	common_options common;
	void *options; /* the command's own structure */
	int n_args;    /* what is no option */
	char **args;
} command_call;

typedef struct cli_command
{
	const char *name;        /* "push", "job list" */
	const char *synopsis;    /* what follows the name; alternatives one a line */
	const char *summary;     /* a few words, for the list of commands */
	const char *description; /* paragraphs for --help and the man page */
	const option_spec *options;
	const void *defaults; /* copied before parsing; NULL with size 0 */
	size_t size;
	unsigned accepts; /* command_accepts */
	int min_args;
	int max_args; /* -1: any number */
	int (*run)(const command_call *call);
} cli_command;

/* Ends every table of options. */
#define OPTIONS_END                                                                    \
	{                                                                                  \
		.name = NULL                                                                   \
	}

/* Every command, in the order of the help. */
extern const cli_command COMMAND_UP, COMMAND_MIGRATE_UP, COMMAND_MIGRATE_STATUS,
	COMMAND_MIGRATE_SQL, COMMAND_WORK, COMMAND_PUSH, COMMAND_JOB_LIST, COMMAND_JOB_SHOW,
	COMMAND_JOB_LOGS, COMMAND_JOB_WAIT, COMMAND_JOB_CANCEL, COMMAND_JOB_RETRY,
	COMMAND_BATCH_OPEN, COMMAND_BATCH_SEAL, COMMAND_BATCH_LIST, COMMAND_BATCH_SHOW,
	COMMAND_BATCH_WAIT, COMMAND_BATCH_CANCEL, COMMAND_BATCH_RERUN, COMMAND_QUEUE_LIST,
	COMMAND_QUEUE_SHOW, COMMAND_QUEUE_PAUSE, COMMAND_QUEUE_RESUME, COMMAND_QUEUE_SET,
	COMMAND_GROUP_LIST, COMMAND_GROUP_SHOW, COMMAND_GROUP_RELEASE, COMMAND_GROUP_FAIL,
	COMMAND_WORKER_LIST, COMMAND_LOCKS, COMMAND_UPSERT, COMMAND_BENCH, COMMAND_VERSION,
	COMMAND_HELP;

/* The table of them; ended by NULL. */
extern const cli_command *const COMMANDS[];

/* The groups of options that commands share, as accepts says. */
#define COMMON_GROUPS 3
size_t common_groups(unsigned accepts, common_options *target,
                     option_group ret_groups[COMMON_GROUPS]);

/* The command of one or two words; second may be NULL.  NULL: there is none. */
const cli_command *command_find(const char *first, const char *second);

/* Does a command of two words begin with this one? */
bool command_is_noun(const char *word);

/* ------------------------------------------------------------ help.c ------------- */

/* `pawl COMMAND --help` and `pawl help`, to stdout; answer the exit code. */
int help_command(const cli_command *command);
int help_program(void);
int help_noun(const char *noun); /* the commands that begin with it */

/* The same as the source of a man page (roff). */
int help_man(void);

#endif
