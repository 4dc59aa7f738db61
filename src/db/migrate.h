/*
 * migrate.h - bring the schema pawl up to this program's version
 *
 * Numbered migrations (sql/migrations), each in one transaction with bounded locks;
 * then views, functions and grants whose text has changed.  Safe when two run at once
 * (an advisory lock of the database, taken in each transaction) and when interrupted.
 */
#ifndef PAWL_DB_MIGRATE_H
#define PAWL_DB_MIGRATE_H

#include "base/buffer.h"
#include "db/db.h"

typedef struct migrate_state
{
	int current;  /* version of the database; 0: no schema */
	int wanted;   /* version of this program */
	bool changed; /* functions, views or grants differ from this program's */
} migrate_state;

/* to: the version to go up to; 0: the newest.  notice tells each step; NULL: nobody. */
PAWL_CHECK pawl_status migrate_up(db *conn, int to,
                                  void (*notice)(const char *text, void *closure),
                                  void *closure, pawl_error *error);
PAWL_CHECK pawl_status migrate_status(db *conn, migrate_state *ret_state,
                                      pawl_error *error);

/* ERR_SCHEMA with a hint unless the schema is of this program's version. */
PAWL_CHECK pawl_status migrate_check(db *conn, pawl_error *error);

/* The whole as one SQL script that psql can run. */
void migrate_script(int to, buffer *out);

#endif
