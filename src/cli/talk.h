/*
 * talk.h - what the program tells people, on stderr
 *
 * Data go to stdout (output.h) and nothing else does.  Errors are always told; the
 * rest is left out with --quiet.
 */
#ifndef PAWL_CLI_TALK_H
#define PAWL_CLI_TALK_H

#include <stdbool.h>

#include "pawl.h"

/* --quiet: only errors from now on. */
void talk_quiet(bool quiet);

/*
 * "pawl: error: message" with the SQLSTATE if the server said one, and DETAIL: and
 * HINT: lines.  Answers the exit code of the error's status.
 */
int talk_error(const pawl_error *error);

/* The same for an error that concerns a place: "pawl: error: line 17: message". */
int talk_error_at(const char *place, const pawl_error *error);

/* A usage error with a hint to the command's help: answers EXIT_USAGE. */
int talk_usage(const char *name, const char *format, ...) PAWL_PRINTF(2, 3);

/* A line for people; left out with --quiet. */
void talk(const char *format, ...) PAWL_PRINTF(1, 2);

/* "pawl: hint: ..." */
void talk_hint(const char *format, ...) PAWL_PRINTF(1, 2);

/*
 * A line of a worker's life, with its time in UTC and its level: for
 * pawl_worker_options.notice and embed_options.notice; from any thread.
 */
void talk_notice(pawl_level level, const char *message, void *closure);

/* How many messages were told so far. */
unsigned talk_told(void);

/* Is stderr a terminal, and talking wanted? */
bool talk_terminal(void);

#endif
