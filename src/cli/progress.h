/*
 * progress.h - one line on stderr that is written over, on a terminal alone
 *
 * On a pipe, with --quiet, or when stdout is a terminal as well and shows the data,
 * nothing is shown.
 */
#ifndef PAWL_CLI_PROGRESS_H
#define PAWL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "pawl.h"

typedef struct progress
{
	bool shown;
	int64_t next_ms; /* not before: ten times a second are enough */
	int64_t start_ms;
} progress;

void progress_begin(progress *p);

/*
 * done of total, in the same unit (bytes); total 0: unknown.  text goes before the bar.
 */
void progress_show(progress *p, int64_t done, int64_t total, const char *text);

/* Clear the line. */
void progress_end(progress *p);

#endif
