/*
 * duration.h - durations and times as a user writes them
 */
#ifndef PAWL_BASE_DURATION_H
#define PAWL_BASE_DURATION_H

#include <stdint.h>

#include "pawl.h"

/*
 * "250ms", "30s", "5min", "2h", "7d", "0"; one number, one unit, nothing else.
 * ERR_ARGUMENT names the text and an example.
 */
PAWL_CHECK pawl_status duration_parse(const char *text, int64_t *ret_ms,
                                      pawl_error *error);

/* RFC 3339: "2026-11-21T08:00:00Z", "2026-11-21T08:00:00.5+01:00". */
PAWL_CHECK pawl_status duration_parse_time(const char *text, int64_t *ret_us,
                                           pawl_error *error);

#endif
