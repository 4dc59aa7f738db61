/*
 * params.h - how src/db hands parameters to libpq
 */
#ifndef PAWL_DB_PARAMS_H
#define PAWL_DB_PARAMS_H

#include <stdbool.h>

#include "db/db.h"

/* The number of parameters; NULL has none. */
int params_count(const db_params *params);

/* False when memory ran out while they were collected. */
bool params_ok(const db_params *params);

/*
 * Their values as libpq wants them: an array of params_count pointers into params,
 * NULL for SQL NULL.  The array is the caller's to free(); NULL when memory ran out
 * or there are none.
 */
const char **params_values(const db_params *params);

#endif
