/*
 * migration.h - the parts of migrate, and the entry for sets of a test's own
 */
#ifndef PAWL_DB_MIGRATION_H
#define PAWL_DB_MIGRATION_H

#include "db/embedded.h"
#include "db/migrate.h"

/* What a database is brought up to. */
typedef struct migration_set
{
	embedded_list migrations; /* numbered from 1 without a gap */
	embedded_list views;      /* created in this order */
	embedded_list functions;
	const embedded_file *grants; /* applied when all roles exist; NULL: none */
} migration_set;

/* The program's own. */
migration_set migration_set_embedded(void);

typedef void (*migration_notice)(const char *text, void *closure);

/* migrate_up and migrate_status of db/migrate.h with another set. */
PAWL_CHECK pawl_status migrate_up_with(db *conn, const migration_set *set, int to,
                                       migration_notice notice, void *closure,
                                       pawl_error *error);
PAWL_CHECK pawl_status migrate_status_with(db *conn, const migration_set *set,
                                           migrate_state *ret_state, pawl_error *error);

/* ------------------------------------------------------------ one run ----------- */

typedef struct migration_run
{
	db *conn;
	const migration_set *set;
	int to; /* version to go up to */
	migration_notice notice;
	void *closure;
	bool rebuild; /* functions and views are to be dropped and created anew */
} migration_run;

/* What sql/migrate/state.sql found. */
typedef struct migration_state
{
	bool has_schema;
	bool has_table;
	bool has_roles;
	char grants[65];    /* checksum of those applied last; "" */
	char missing[1024]; /* what an administrator would have to run; "" */
} migration_state;

void
migration_tell(const migration_run *run, const char *format, ...) PAWL_PRINTF(2, 3);

/*
 * One step: body runs in a transaction of its own which holds the lock of migrations;
 * tried again, from its beginning, when it was in another's way or lost its connection.
 */
typedef pawl_status (*migration_body)(migration_run *run, db_txn *txn, int version,
                                      pawl_error *error);
PAWL_CHECK pawl_status migration_step(migration_run *run, migration_body body,
                                      int version, pawl_error *error);

/* A file of sql/migrate as a statement (one that answers rows), or as a script. */
PAWL_CHECK pawl_status migration_query(db_txn *txn, const char *step,
                                       db_result **ret_result, pawl_error *error);
PAWL_CHECK pawl_status migration_script(db_txn *txn, const char *step,
                                        pawl_error *error);
const char *migration_step_text(const char *step);

/* Settings, then the owner's role: what each step after the first begins with. */
PAWL_CHECK pawl_status migration_become(db_txn *txn, pawl_error *error);

/* ERR_SCHEMA for a server or database that cannot hold the schema. */
PAWL_CHECK pawl_status migration_read_state(db_txn *txn, migration_state *ret_state,
                                            pawl_error *error);

/* The highest version applied; 0: none.  The table must be there. */
PAWL_CHECK pawl_status migration_version(db_txn *txn, int *ret_version,
                                         pawl_error *error);

/* ------------------------------------------------------------ functions, views -- */

/* A step's body: create what has changed, drop what is gone, grant. */
PAWL_CHECK pawl_status objects_apply(migration_run *run, db_txn *txn, int version,
                                     pawl_error *error);

/* Whether that would do anything. */
PAWL_CHECK pawl_status objects_changed(const migration_set *set, db_txn *txn,
                                       const migration_state *state, bool *ret_changed,
                                       pawl_error *error);

/* The statement of sql/migrate/mark.sql for one file. */
void objects_mark_query(buffer *out, const embedded_file *file);

#endif
