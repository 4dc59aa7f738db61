/*
 * migrate_step.c - one step of a migration: a transaction that may be tried again
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/backoff.h"
#include "db/migration.h"

/*
 * Tables are locked shortly, and rather given up than waited for: whoever queues behind
 * a waiting ALTER TABLE waits as long as it does.  Building an index may take minutes.
 */
static const db_limits STEP_LIMITS = {
	.lock_timeout_ms = 5000,
	.statement_timeout_ms = 10 * 60 * 1000,
	.idle_timeout_ms = 60 * 1000,
};

/* With the lock timeout that is over a minute of waiting for another migration. */
#define STEP_TRIES 12

#define LONGEST_NOTICE 2048

void
migration_tell(const migration_run *run, const char *format, ...)
{
	char text[LONGEST_NOTICE];
	va_list arguments;

	if (run->notice == NULL)
		return;
	va_start(arguments, format);
	(void) vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	run->notice(text, run->closure);
}

const char *
migration_step_text(const char *step)
{
	const embedded_file *file = embedded_find(&EMBEDDED_STEPS, step);

	assert(file != NULL);
	return file->text;
}

pawl_status
migration_query(db_txn *txn, const char *step, db_result **ret_result,
                pawl_error *error)
{
	return db_exec(txn, migration_step_text(step), NULL, ret_result, error);
}

pawl_status
migration_script(db_txn *txn, const char *step, pawl_error *error)
{
	return db_exec_script(txn, migration_step_text(step), error);
}

pawl_status
migration_become(db_txn *txn, pawl_error *error)
{
	pawl_status status = migration_query(txn, "settings", NULL, error);

	if (status == PAWL_OK)
		status = migration_query(txn, "become", NULL, error);
	return status;
}

static pawl_status
try_step(migration_run *run, migration_body body, int version, pawl_error *error)
{
	auto_txn txn = {0};
	pawl_status status = db_begin(run->conn, &STEP_LIMITS, &txn, error);

	if (status == PAWL_OK)
		status = migration_query(&txn, "lock", NULL, error);
	if (status == PAWL_OK)
		status = body(run, &txn, version, error);
	if (status == PAWL_OK)
		status = db_commit(&txn, error);
	return status;
}

/*
 * The roles belong to the whole cluster, while the lock is one database's: two
 * databases that are migrated at once meet here.
 */
static bool
met_another(const pawl_error *error)
{
	static const char *const RACES[] = {
		"23505", /* unique violation */
		"42710", /* duplicate object */
		"42P06", /* duplicate schema */
		"42P07", /* duplicate table */
		"XX000", /* tuple concurrently updated */
	};

	for (size_t i = 0; i < sizeof(RACES) / sizeof(RACES[0]); i++)
	{
		if (strcmp(error->sqlstate, RACES[i]) == 0)
			return true;
	}
	return false;
}

/* A step looks first what has been done, so an unknown outcome may be tried again too. */
static bool
worth_another_try(pawl_status status, const pawl_error *error)
{
	return status == PAWL_ERR_TRANSIENT || status == PAWL_ERR_CONNECT ||
	       status == PAWL_ERR_CONNECTION || status == PAWL_ERR_UNKNOWN ||
	       (status == PAWL_ERR_DATABASE && met_another(error));
}

pawl_status
migration_step(migration_run *run, migration_body body, int version, pawl_error *error)
{
	pawl_error own = {.status = PAWL_OK};
	pawl_status status = PAWL_OK;

	for (int round = 0; round < STEP_TRIES; round++)
	{
		if (round > 0)
			backoff_wait(round, CLOCK_NEVER);
		status = try_step(run, body, version, &own);
		if (status == PAWL_OK || !worth_another_try(status, &own))
			break;
	}
	if (status != PAWL_OK && error != NULL)
		*error = own;
	return status;
}
