/*
 * headline.h - the headline figure of the whole system: the age of the oldest runnable job
 */
#ifndef PAWL_CLI_HEADLINE_H
#define PAWL_CLI_HEADLINE_H

#include "cli/command.h"
#include "db/db.h"

/*
 * Read it and show it in a line: above a table on stdout, beside the other formats to
 * people on stderr.  What is in paused queues is told apart.
 */
PAWL_CHECK pawl_status headline_show(const command_call *call, db *own_db,
                                     pawl_error *error);

#endif
