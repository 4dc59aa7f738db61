/*
 * migrate.c - bring the schema pawl up to a version, step by step
 *
 * Bootstrap (roles, schema, the table pawl.migration), each migration, the functions
 * and views, the partitions: each step is one transaction that looks first what is left
 * to do, so that one that was interrupted, or another at the same time, does no harm.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "db/migration.h"

/* Partitions that a new schema has ahead of need: a thousand million jobs. */
#define PARTITIONS_SQL "SELECT pawl.extend_partitions(100)"

migration_set
migration_set_embedded(void)
{
	return (migration_set){.migrations = EMBEDDED_MIGRATIONS,
	                       .views = EMBEDDED_VIEWS,
	                       .functions = EMBEDDED_FUNCTIONS,
	                       .grants = &EMBEDDED_GRANTS};
}

/* ---------------------------------------------------------------- bootstrap ----- */

static pawl_status
bootstrap(migration_run *run, db_txn *txn, int version, pawl_error *error)
{
	migration_state state = {0};
	pawl_status status = migration_read_state(txn, &state, error);

	(void) run;
	(void) version;
	if (status == PAWL_OK && state.missing[0] != '\0')
		status = migration_script(txn, "roles", error);
	if (status == PAWL_OK)
		status = migration_script(txn, "schema", error);
	if (status == PAWL_OK && !state.has_table)
		status = migration_become(txn, error);
	if (status == PAWL_OK && !state.has_table)
		status = migration_script(txn, "table", error);
	return status;
}

/* Roles that this user could not create are an administrator's business. */
static pawl_status
tell_missing(migration_run *run, db_txn *txn, int version, pawl_error *error)
{
	migration_state state = {0};
	pawl_status status = migration_read_state(txn, &state, error);

	(void) version;
	if (status == PAWL_OK && state.missing[0] != '\0')
		migration_tell(run,
		               "not all roles of the schema are there for this user, so it has "
		               "no owner or grants of its own; let an administrator run: %s  "
		               "Then run \"pawl migrate up\" again.",
		               state.missing);
	return status;
}

/* ---------------------------------------------------------------- migrations ---- */

static pawl_status
refuse_newer(int current, int newest, pawl_error *error)
{
	error_set(error, PAWL_ERR_SCHEMA,
	          "the schema is at version %d, this program knows only %d", current,
	          newest);
	error_hint(error, "Install the version of Pawl that made it.");
	return PAWL_ERR_SCHEMA;
}

static void
warn_if_altered(const migration_run *run, const db_result *applied, int row)
{
	int64_t version = db_int(applied, row, 0);
	const embedded_file *file = &run->set->migrations.files[version - 1];

	if (strcmp(db_text(applied, row, 2), file->checksum) != 0)
		migration_tell(run,
		               "warning: migration %s was applied with another text than this "
		               "program's",
		               file->name);
}

/* Compare what has been applied with what the program has. */
static pawl_status
check_applied(migration_run *run, db_txn *txn, int version, pawl_error *error)
{
	auto_result *applied = NULL;
	pawl_status status = migration_query(txn, "applied", &applied, error);
	int newest = (int) run->set->migrations.count;

	(void) version;
	if (status != PAWL_OK)
		return status;
	for (int row = 0; row < db_rows(applied); row++)
	{
		int64_t number = db_int(applied, row, 0);

		if (number > newest)
			return refuse_newer((int) number, newest, error);
		if (number >= 1)
			warn_if_altered(run, applied, row);
	}
	return PAWL_OK;
}

static pawl_status
record(db_txn *txn, int version, const embedded_file *file, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_int(params, version);
	db_param_text(params, file->name);
	db_param_text(params, file->checksum);
	return db_exec(txn,
	               "INSERT INTO pawl.migration (version, name, checksum, applied_at) "
	               "VALUES ($1::int, $2, $3, clock_timestamp())",
	               params, NULL, error);
}

static pawl_status
apply(migration_run *run, db_txn *txn, int version, pawl_error *error)
{
	const embedded_file *file = &run->set->migrations.files[version - 1];
	int current = 0;
	pawl_status status = migration_become(txn, error);

	if (status == PAWL_OK)
		status = migration_version(txn, &current, error);
	if (status != PAWL_OK || current >= version)
		return status;
	if (current != version - 1)
		return error_set(error, PAWL_ERR_SCHEMA,
		                 "migration %d has been applied, but not %d", current,
		                 version - 1);
	status = db_exec_script(txn, file->text, error);
	if (status == PAWL_OK)
		status = record(txn, version, file, error);
	if (status == PAWL_OK)
		migration_tell(run, "applying migration %s", file->name);
	return status;
}

static pawl_status
apply_all(migration_run *run, pawl_error *error)
{
	pawl_status status = PAWL_OK;

	for (int version = 1; version <= run->to && status == PAWL_OK; version++)
		status = migration_step(run, apply, version, error);
	return status;
}

/* ---------------------------------------------------------------- the rest ------ */

/* A type of a result, or the columns of a view, cannot be replaced: drop and create. */
static pawl_status
apply_objects(migration_run *run, pawl_error *error)
{
	pawl_error own = {.status = PAWL_OK};
	pawl_status status = migration_step(run, objects_apply, run->to, &own);

	if (status != PAWL_OK && !run->rebuild &&
	    (strcmp(own.sqlstate, "42P13") == 0 || strcmp(own.sqlstate, "42P16") == 0))
	{
		run->rebuild = true;
		status = migration_step(run, objects_apply, run->to, &own);
	}
	if (status != PAWL_OK && error != NULL)
		*error = own;
	return status;
}

static pawl_status
extend_partitions(migration_run *run, db_txn *txn, int version, pawl_error *error)
{
	pawl_status status = migration_become(txn, error);

	(void) run;
	(void) version;
	if (status == PAWL_OK)
		status = db_exec(txn, PARTITIONS_SQL, NULL, NULL, error);
	return status;
}

static pawl_status
finish(migration_run *run, pawl_error *error)
{
	pawl_status status = apply_objects(run, error);

	if (status == PAWL_OK &&
	    embedded_find(&run->set->functions, "extend_partitions") != NULL)
		status = migration_step(run, extend_partitions, run->to, error);
	if (status == PAWL_OK)
		status = migration_step(run, tell_missing, run->to, error);
	if (status == PAWL_OK)
		migration_tell(run, "the schema is at version %d", run->to);
	return status;
}

static pawl_status
choose_version(migration_run *run, int to, pawl_error *error)
{
	int newest = (int) run->set->migrations.count;

	if (to < 0 || to > newest)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "there is no version %d; the newest is %d", to, newest);
	run->to = to > 0 ? to : newest;
	return PAWL_OK;
}

pawl_status
migrate_up_with(db *conn, const migration_set *set, int to, migration_notice notice,
                void *closure, pawl_error *error)
{
	migration_run run = {
		.conn = conn, .set = set, .notice = notice, .closure = closure};
	pawl_status status = choose_version(&run, to, error);

	if (status == PAWL_OK)
		status = db_open(conn, error);
	if (status == PAWL_OK)
		status = migration_step(&run, bootstrap, 0, error);
	if (status == PAWL_OK)
		status = migration_step(&run, check_applied, 0, error);
	if (status == PAWL_OK)
		status = apply_all(&run, error);
	if (status == PAWL_OK && run.to == (int) set->migrations.count)
		status = finish(&run, error);
	else if (status == PAWL_OK)
		migration_tell(&run,
		               "the schema is at version %d or above; its functions are left "
		               "as they are until the newest",
		               run.to);
	return status;
}

pawl_status
migrate_up(db *conn, int to, migration_notice notice, void *closure, pawl_error *error)
{
	migration_set set = migration_set_embedded();

	return migrate_up_with(conn, &set, to, notice, closure, error);
}
