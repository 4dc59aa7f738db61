/*
 * migrate_state.c - what is there: server, schema, version
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "db/connection.h"
#include "db/migration.h"
#include "db/report.h"

#define OLDEST_SERVER 130000

enum
{
	COLUMN_ENCODING,
	COLUMN_VERSION_NUM,
	COLUMN_PRESENT,
	COLUMN_HAS_TABLE,
	COLUMN_HAS_ROLES,
	COLUMN_GRANTS,
	COLUMN_MISSING
};

static pawl_status
check_server(const db_result *row, pawl_error *error)
{
	const char *encoding = db_text(row, 0, COLUMN_ENCODING);
	int64_t version = db_int(row, 0, COLUMN_VERSION_NUM);

	if (version < OLDEST_SERVER)
	{
		error_set(error, PAWL_ERR_SCHEMA, "PostgreSQL %d is too old",
		          (int) (version / 10000));
		error_hint(error, "PostgreSQL 13 is the oldest that will do.");
		return PAWL_ERR_SCHEMA;
	}
	if (strcmp(encoding, "UTF8") != 0)
	{
		error_set(error, PAWL_ERR_SCHEMA, "the database's encoding is %s, not UTF8",
		          encoding);
		error_hint(error, "Create one with CREATE DATABASE ... TEMPLATE template0 "
		                  "ENCODING 'UTF8'.");
		return PAWL_ERR_SCHEMA;
	}
	return PAWL_OK;
}

/* Before anything of the schema's is read: see sql/migrate/stranger.sql. */
static pawl_status
refuse_stranger(db_txn *txn, pawl_error *error)
{
	auto_result *row = NULL;
	pawl_status status = migration_query(txn, "stranger", &row, error);

	if (status != PAWL_OK || db_rows(row) == 0)
		return status;
	error_set(error, PAWL_ERR_SCHEMA, "schema pawl belongs to role \"%s\"",
	          db_text(row, 0, 0));
	error_detail(error, "What is in it would run with the rights of a superuser.");
	error_hint(error, "Connect as that role, or drop the schema.");
	return PAWL_ERR_SCHEMA;
}

pawl_status
migration_read_state(db_txn *txn, migration_state *ret_state, pawl_error *error)
{
	auto_result *row = NULL;
	pawl_status status = refuse_stranger(txn, error);

	if (status == PAWL_OK)
		status = migration_query(txn, "state", &row, error);
	if (status == PAWL_OK)
		status = check_server(row, error);
	if (status != PAWL_OK)
		return status;
	ret_state->has_schema = !db_is_null(row, 0, COLUMN_PRESENT);
	ret_state->has_table = db_bool(row, 0, COLUMN_HAS_TABLE);
	ret_state->has_roles = db_bool(row, 0, COLUMN_HAS_ROLES);
	(void) snprintf(ret_state->grants, sizeof(ret_state->grants), "%s",
	                db_text(row, 0, COLUMN_GRANTS));
	(void) snprintf(ret_state->missing, sizeof(ret_state->missing), "%s",
	                db_text(row, 0, COLUMN_MISSING));
	return PAWL_OK;
}

#define VERSION_SQL "SELECT coalesce(max(m.version), 0) FROM pawl.migration m"

pawl_status
migration_version(db_txn *txn, int *ret_version, pawl_error *error)
{
	auto_result *row = NULL;
	pawl_status status = db_exec(txn, VERSION_SQL, NULL, &row, error);

	if (status == PAWL_OK)
		*ret_version = (int) db_int(row, 0, 0);
	return status;
}

/* ---------------------------------------------------------------- status -------- */

static pawl_status
read_status(const migration_set *set, db_txn *txn, migrate_state *state,
            pawl_error *error)
{
	migration_state found = {0};
	pawl_status status = migration_read_state(txn, &found, error);

	if (status != PAWL_OK)
		return status;
	state->wanted = (int) set->migrations.count;
	state->changed = true;
	state->current = 0;
	if (!found.has_table)
		return PAWL_OK;
	status = migration_version(txn, &state->current, error);
	if (status == PAWL_OK)
		status = objects_changed(set, txn, &found, &state->changed, error);
	return status;
}

pawl_status
migrate_status_with(db *conn, const migration_set *set, migrate_state *ret_state,
                    pawl_error *error)
{
	auto_txn txn = {0};
	migrate_state state;
	pawl_status status = db_begin(conn, NULL, &txn, error);

	if (status == PAWL_OK)
		status = read_status(set, &txn, &state, error);
	if (status == PAWL_OK)
		*ret_state = state;
	return status;
}

pawl_status
migrate_status(db *conn, migrate_state *ret_state, pawl_error *error)
{
	migration_set set = migration_set_embedded();

	return migrate_status_with(conn, &set, ret_state, error);
}

/* ---------------------------------------------------------------- check --------- */

static pawl_status
judge_version(int current, pawl_error *error)
{
	int wanted = (int) EMBEDDED_MIGRATIONS.count;

	if (current == wanted)
		return PAWL_OK;
	if (current == 0)
		error_set(error, PAWL_ERR_SCHEMA, "the schema pawl is empty");
	else
		error_set(error, PAWL_ERR_SCHEMA,
		          "the schema is at version %d, this program needs version %d", current,
		          wanted);
	error_hint(error, "%s",
	           current < wanted ? REPORT_SCHEMA_HINT
	                            : "Install the version of Pawl that made it.");
	return PAWL_ERR_SCHEMA;
}

/* In words of ours, with the place: often it is the wrong database. */
static void
tell_absent(const db *conn, pawl_error *error)
{
	error_set(error, PAWL_ERR_SCHEMA, "there is no schema pawl in database \"%s\"",
	          conn->pg != NULL ? PQdb(conn->pg) : "");
	error_sqlstate(error, "42P01");
	error_hint(error, "%s", REPORT_SCHEMA_HINT);
}

pawl_status
migrate_check(db *conn, pawl_error *error)
{
	auto_txn txn = {0}; /* reads alone: nothing to commit */
	int current = 0;
	pawl_error own = {.status = PAWL_OK};
	pawl_status status = db_begin(conn, NULL, &txn, &own);

	if (status == PAWL_OK)
		status = refuse_stranger(&txn, &own);
	if (status == PAWL_OK)
		status = migration_version(&txn, &current, &own);
	if (status == PAWL_OK)
		return judge_version(current, error);
	if (strcmp(own.sqlstate, "42P01") == 0)
		tell_absent(conn, &own);
	else if (strcmp(own.sqlstate, "42501") == 0)
		error_hint(&own, "Grant this user pawl_producer, pawl_worker or pawl_reader.");
	if (error != NULL)
		*error = own;
	return status;
}
