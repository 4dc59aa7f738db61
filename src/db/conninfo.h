/*
 * conninfo.h - a connection string as environment variables
 */
#ifndef PAWL_DB_CONNINFO_H
#define PAWL_DB_CONNINFO_H

#include "pawl.h"

/*
 * What conninfo says, as "PGHOST=...", "PGPORT=...", ... by libpq's own names of the
 * variables; what it does not say is left out.  It may hold PGPASSWORD: whoever hands
 * the list to a child takes that out.  *ret_list ends with NULL and is freed by
 * conninfo_free.  ERR_ARGUMENT when libpq cannot parse it.
 */
PAWL_CHECK pawl_status conninfo_environment(const char *conninfo, char ***ret_list,
                                            pawl_error *error);
void conninfo_free(char **list);

#endif
