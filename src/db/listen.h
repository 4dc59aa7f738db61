/*
 * listen.h - for the files of src/db alone
 */
#ifndef PAWL_DB_LISTEN_H
#define PAWL_DB_LISTEN_H

#include "db/connection.h"

/* LISTEN to all channels again, on a connection that has just been opened. */
PAWL_CHECK pawl_status listen_renew(db *conn, pawl_error *error);

#endif
