/*
 * worker_setup.h - settings of a worker from file and flags, and the worker made of
 * them; for `pawl work` and `pawl up`
 */
#ifndef PAWL_CLI_WORKER_SETUP_H
#define PAWL_CLI_WORKER_SETUP_H

#include "cli/command.h"
#include "cli/config.h"
#include "handler/exec.h"
#include "handler/guard.h"
#include "handler/object.h"

/* The flags that both commands have. */
typedef struct worker_flags
{
	const char *config;   /* -c */
	const char *queues;   /* -q */
	string_list handlers; /* -H */
	string_list objects;  /* -L */
	int executors;        /* 0: not given */
	int groups;           /* -1: not given */
	int64_t lease_ms;     /* -1: not given, as in the next ones */
	int64_t poll_ms;
	int64_t drain_ms;
	int64_t wait_cancel_ms;
} worker_flags;

#define WORKER_FLAGS_DEFAULT                                                           \
	{                                                                                  \
		.groups = -1, .lease_ms = -1, .poll_ms = -1, .drain_ms = -1,                   \
		.wait_cancel_ms = -1                                                           \
	}

/* Their options; base is the offset of the worker_flags in the command's structure. */
#define WORKER_FLAG(base, member) (base) + offsetof(worker_flags, member)
/* clang-format off */
#define WORKER_OPTIONS(base)                                                           \
	{.name = "config", .letter = 'c', .type = OPTION_TEXT,                             \
	 .offset = WORKER_FLAG(base, config), .value = "FILE",                             \
	 .help = "settings ($PAWL_CONFIG, else /etc/pawl/pawl.conf)"},                     \
	{.name = "queues", .letter = 'q', .type = OPTION_TEXT,                             \
	 .offset = WORKER_FLAG(base, queues), .value = "QUEUE,...",                        \
	 .help = "the queues to take from, the first first (default)"},                    \
	{.name = "handler", .letter = 'H', .type = OPTION_LIST,                            \
	 .offset = WORKER_FLAG(base, handlers), .value = "KIND=COMMAND",                   \
	 .help = "run jobs of this kind by a command, split without a shell; may be "      \
			 "given several times"},                                                   \
	{.name = "load", .letter = 'L', .type = OPTION_LIST,                               \
	 .offset = WORKER_FLAG(base, objects), .value = "KIND=FILE.so",                    \
	 .help = "run jobs of this kind by a function of a shared object; may be given "   \
			 "several times"},                                                         \
	{.name = "jobs", .letter = 'j', .type = OPTION_INT,                                \
	 .offset = WORKER_FLAG(base, executors), .value = "N", .min = 1,                   \
	 .max = LIMIT_EXECUTORS, .help = "jobs at a time (one a processor)"},              \
	{.name = "groups", .letter = 'g', .type = OPTION_INT,                              \
	 .offset = WORKER_FLAG(base, groups), .value = "N", .max = LIMIT_GROUPS,           \
	 .help = "groups at a time, besides, each with a connection; 0: none (16)"},       \
	{.name = "lease", .type = OPTION_DURATION,                                         \
	 .offset = WORKER_FLAG(base, lease_ms), .value = "DURATION",                       \
	 .help = "how long what it has claimed stays its own without a sign of life "      \
			 "(30s)"},                                                                 \
	{.name = "poll", .type = OPTION_DURATION,                                          \
	 .offset = WORKER_FLAG(base, poll_ms), .value = "DURATION",                        \
	 .help = "how often to look for jobs when there are none (1s)"},                   \
	{.name = "drain", .type = OPTION_DURATION,                                         \
	 .offset = WORKER_FLAG(base, drain_ms), .value = "DURATION",                       \
	 .help = "how long running jobs may go on after SIGTERM (30s)"},                   \
	{.name = "wait-cancel", .type = OPTION_DURATION,                                   \
	 .offset = WORKER_FLAG(base, wait_cancel_ms), .value = "DURATION",                 \
	 .help = "how long a session may wait for an idle one of its own process before "  \
			 "its statement is cancelled; 0: it is only reported (30s)"}
/* clang-format on */

/*
 * The settings: file, then flags.  ERR_ARGUMENT tells file and line, or the flag.
 * *ret_config must be freed, also when it has no handler.
 */
PAWL_CHECK pawl_status worker_settings(const worker_flags *flags,
                                       worker_config *ret_config, pawl_error *error);

/* What the settings were made into. */
typedef struct worker_setup
{
	pawl_worker *worker;
	exec_spec **execs; /* one a handler; NULL for an object */
	object **objects;  /* likewise */
	size_t n;
	char **connection; /* "PGHOST=...", for the handlers; or NULL */
} worker_setup;

/* The worker and its handlers.  conninfo may be NULL.  The warden must outlive it. */
PAWL_CHECK pawl_status worker_prepare(const worker_config *config, const char *conninfo,
                                      bool once, guard *warden, worker_setup *ret_setup,
                                      pawl_error *error);
void worker_setup_free(worker_setup *setup);

#endif
