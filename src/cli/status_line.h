/*
 * status_line.h - what a worker does just now, on one line of a terminal
 *
 * Nothing is shown when stderr is no terminal, or with --quiet.
 */
#ifndef PAWL_CLI_STATUS_LINE_H
#define PAWL_CLI_STATUS_LINE_H

#include "pawl.h"

/* Show it each second, on this thread, until the end. */
void status_line_begin(pawl_worker *worker);
void status_line_end(void);

#endif
