/*
 * sqlstate.h - the one table of SQLSTATE classes (DESIGN.md section 6)
 */
#ifndef PAWL_DB_SQLSTATE_H
#define PAWL_DB_SQLSTATE_H

#include "pawl.h"

/*
 * transient (ERR_TRANSIENT): 40001 40P01 55P03 25006 53xxx 57014; connection
 * (ERR_CONNECTION): 08xxx 57P01-57P05 25P03; PW001 ERR_STALE; PW002 ERR_LEASE; PW003
 * ERR_CONFLICT; PW004 ERR_REFUSED; P0002 ERR_NOT_FOUND; 22023 ERR_ARGUMENT; 3F000,
 * 42883 and 42P01 of the schema pawl ERR_SCHEMA (decided by the caller); the rest
 * ERR_DATABASE.
 */
pawl_status sqlstate_status(const char *sqlstate);

#endif
