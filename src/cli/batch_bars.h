/*
 * batch_bars.h - a bar for each stage of a batch, drawn over on a terminal
 */
#ifndef PAWL_CLI_BATCH_BARS_H
#define PAWL_CLI_BATCH_BARS_H

#include "db/db.h"

/*
 * Draw what batch_read has read, over the *drawn lines of the last time (0 at first).
 * Answers 0, or the exit code when it cannot be written.
 */
int batch_bars_draw(const db_result *batch, int *drawn);

#endif
