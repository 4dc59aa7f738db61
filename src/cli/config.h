/*
 * config.h - settings of a worker: the INI file and the flags that win over it
 *
 * The file holds handlers and this worker's own settings, nothing else; settings of
 * queues live in the database.
 *
 *	[worker]            queues executors groups group_jobs group_time lease poll drain
 *						wait_cancel pass_env
 *	[handler KIND]      exec (with shell, jobs) or object
 *
 * Ownership: a config owns every string in it.  Errors are ERR_ARGUMENT and name the
 * file and the line.
 */
#ifndef PAWL_CLI_CONFIG_H
#define PAWL_CLI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

/* Longest line: a command with long arguments fits. */
#define LIMIT_CONFIG_LINE (16 * 1024)

/* Shortest lease: a third of it is a round trip on a slow network. */
#define CONFIG_LEASE_MIN_MS 100
#define CONFIG_LEASE_MAX_MS (24 * 60 * 60 * 1000LL)
#define CONFIG_POLL_MIN_MS 10

typedef struct name_list
{
	char **items; /* ended by NULL, or NULL when empty */
	size_t n;
} name_list;

typedef struct handler_config
{
	char *kind;
	char *exec;   /* a command, or NULL */
	char *object; /* the path of a shared object, or NULL */
	bool shell;   /* run exec by /bin/sh */
	int jobs;     /* of a group that exec gets at once; 0: one, in the form of one */
	int line;     /* of its section; 0: from a flag */
} handler_config;

typedef struct worker_config
{
	char *file;         /* what was read, or NULL */
	name_list queues;   /* empty: default alone */
	name_list pass_env; /* environment variables that handlers get besides */
	int executors;      /* 0: one a processor */
	int groups;         /* at a time; 0: the default, -1: none */
	int group_jobs;     /* 0: the default, as in the next one */
	int64_t group_ms;
	int64_t lease_ms; /* 0: the default, as in the next ones */
	int64_t poll_ms;
	int64_t drain_ms;
	int64_t wait_cancel_ms; /* -1: silent waits are only reported */
	handler_config *handlers;
	size_t n_handlers;
} worker_config;

/*
 * The file to read: path (-c), else $PAWL_CONFIG, else /etc/pawl/pawl.conf if that
 * exists, else NULL.
 */
const char *config_path(const char *path);

/* Read a file into an empty config.  ERR_ARGUMENT also when it cannot be opened. */
PAWL_CHECK pawl_status config_read(const char *path, worker_config *ret_config,
                                   pawl_error *error);

/* -H KIND=COMMAND or -L KIND=FILE.so: replaces what the file says of the kind. */
PAWL_CHECK pawl_status config_add_handler(worker_config *config, const char *flag,
                                          bool object, pawl_error *error);

/* "a, b": replaces the list; shown names the setting in messages. */
PAWL_CHECK pawl_status config_set_queues(worker_config *config, const char *text,
                                         const char *shown, pawl_error *error);

/* Bounds that both the file and the flags must keep. */
PAWL_CHECK pawl_status config_check_times(const worker_config *config,
                                          pawl_error *error);

void config_free(worker_config *config);

#endif
