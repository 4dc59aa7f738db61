/*
 * upsert_probe.h - which row was it?
 *
 * By halves: parts of the rows are inserted in transactions that are rolled back.  In
 * good cases that costs about as much as the chunk itself did, and at the most
 * PROBE_MS; then, and when the cause has gone meanwhile, the error stays as it was.
 * What triggers do outside transactions they do for these too.
 */
#ifndef PAWL_QUEUE_UPSERT_PROBE_H
#define PAWL_QUEUE_UPSERT_PROBE_H

#include "queue/upsert_send.h"

/* After 55P03: the first key, in the order of the upsert, that cannot be had now. */
void upsert_probe_lock(upsert *u, const upsert_rows *rows, pawl_error *error);

/*
 * After an error of what stands in a row: the first row that fails alone.  *ret_row is
 * its place, and error what the server says of it; otherwise both stay as they are.
 */
void upsert_probe_row(upsert *u, const upsert_rows *rows, size_t *ret_row,
                      pawl_error *error);

#endif
