/*
 * error.h - filling a pawl_error
 *
 * Reporting never allocates.  Each function returns the status that it set, so that
 * a failing call reads `return error_set(error, PAWL_ERR_..., "...")`.  error may be
 * NULL everywhere.  Text is PostgreSQL's style: primary in lower case and without a
 * full stop, detail and hint as sentences.
 */
#ifndef PAWL_BASE_ERROR_H
#define PAWL_BASE_ERROR_H

#include "pawl.h"

/* Set status and message; clears sqlstate, detail and hint. */
pawl_status error_set(pawl_error *error, pawl_status status, const char *format, ...)
	PAWL_PRINTF(3, 4);

/* Add to what error_set left. */
void error_detail(pawl_error *error, const char *format, ...) PAWL_PRINTF(2, 3);
void error_hint(pawl_error *error, const char *format, ...) PAWL_PRINTF(2, 3);
void error_sqlstate(pawl_error *error, const char *sqlstate);

/* As it is after a call that succeeded: PAWL_OK and no text. */
void error_clear(pawl_error *error);

/* "out of memory" */
pawl_status error_memory(pawl_error *error);

/* The exit code that pawl_status has in the program. */
int error_exit_code(pawl_status status);

#endif
