/*
 * signals.h - SIGTERM and SIGINT, and what else a long-running command does with
 * signals
 */
#ifndef PAWL_CLI_SIGNALS_H
#define PAWL_CLI_SIGNALS_H

#include "pawl.h"

/* From now on SIGTERM and SIGINT ask this worker to stop; SIGHUP is ignored. */
PAWL_CHECK pawl_status signals_to_worker(pawl_worker *worker, pawl_error *error);

/*
 * From now on SIGTERM and SIGINT make *ret_fd readable; signals_taken reads it empty.
 * SIGHUP is ignored.
 */
PAWL_CHECK pawl_status signals_to_fd(int *ret_fd, pawl_error *error);
void signals_taken(int fd);

/* Which one came last; 0: none. */
int signals_last(void);

/* Back to the defaults, before what they point to goes. */
void signals_default(void);

#endif
