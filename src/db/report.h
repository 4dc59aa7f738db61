/*
 * report.h - what libpq says, as a pawl_error
 */
#ifndef PAWL_DB_REPORT_H
#define PAWL_DB_REPORT_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "pawl.h"

/* How an embedder of Pawl is told to help himself. */
#define REPORT_SCHEMA_HINT "Run \"pawl migrate up\"."

/*
 * A failed statement: message, detail, hint and SQLSTATE of the server, classed by
 * db/sqlstate.c; FATAL is always a lost connection.  timed_out: the statement's own
 * time was over, so that 57014 is our limit and transient; otherwise somebody
 * cancelled it, and it is not tried again.
 */
pawl_status report_result(pawl_error *error, const PGresult *result, bool timed_out);

/* A connection that could not be made (ERR_CONNECT). */
pawl_status report_connect(pawl_error *error, const PGconn *pg);

/* A connection that was lost; text is libpq's (ERR_CONNECTION). */
pawl_status report_lost(pawl_error *error, const char *text);

#endif
