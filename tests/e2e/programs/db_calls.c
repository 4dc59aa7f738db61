/*
 * db_calls.c - calls of the db layer with limits of a test's own, for test_waits.py and
 * test_classes.py
 *
 *	db_calls run CONNINFO LOCK_MS STATEMENT_MS DEADLINE_MS SQL [KEY]
 *		db_run, or db_run_once when DEADLINE_MS is 0; KEY: db_name_key
 *	db_calls steps CONNINFO LOCK_MS STATEMENT_MS SQL...
 *		one transaction of several statements, committed at the end
 *	db_calls script CONNINFO LOCK_MS STATEMENT_MS SQL
 *		db_exec_script, then COMMIT
 *
 * Writes one JSON object: what the call answered, and how long it took.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "db/db.h"

static void
must(pawl_status status, const pawl_error *error)
{
	if (status == PAWL_OK)
		return;
	fprintf(stderr, "%s: %s\n", pawl_status_name(status), error->message);
	exit(1);
}

static void
add_text(buffer *b, const char *name, const char *text)
{
	buffer_appendf(b, "\"%s\": ", name);
	text_quote_json(b, text, strlen(text));
	buffer_append(b, ", ");
}

static void
tell(pawl_status status, const pawl_error *error, const db_result *result,
     int64_t started)
{
	auto_buffer b = BUFFER_INIT;

	buffer_append(&b, "{");
	add_text(&b, "status", pawl_status_name(status));
	add_text(&b, "sqlstate", status == PAWL_OK ? "" : error->sqlstate);
	add_text(&b, "message", status == PAWL_OK ? "" : error->message);
	add_text(&b, "detail", status == PAWL_OK ? "" : error->detail);
	add_text(&b, "hint", status == PAWL_OK ? "" : error->hint);
	if (result != NULL && db_rows(result) > 0)
		add_text(&b, "value", db_text(result, 0, 0));
	buffer_appendf(&b, "\"exit_code\": %d, \"elapsed_ms\": %" PRId64 "}",
	               error_exit_code(status), clock_ms() - started);
	puts(b.data);
}

static pawl_status
run_steps(db *conn, const db_limits *limits, char **statements, pawl_error *error)
{
	auto_txn txn = {0};
	pawl_status status = db_begin(conn, limits, &txn, error);

	for (; status == PAWL_OK && *statements != NULL; statements++)
		status = db_exec(&txn, *statements, NULL, NULL, error);
	return status == PAWL_OK ? db_commit(&txn, error) : status;
}

static pawl_status
run_script(db *conn, const db_limits *limits, const char *script, pawl_error *error)
{
	auto_txn txn = {0};
	pawl_status status = db_begin(conn, limits, &txn, error);

	if (status == PAWL_OK)
		status = db_exec_script(&txn, script, error);
	return status == PAWL_OK ? db_commit(&txn, error) : status;
}

int
main(int argc, char **argv)
{
	pawl_error error = {.status = PAWL_OK};
	db_limits limits = DB_LIMITS_DEFAULT;
	auto_result *result = NULL;
	pawl_status status;
	int64_t started;
	db *conn = NULL;

	if (argc < 6)
		return 2;
	limits.lock_timeout_ms = atoi(argv[3]);
	limits.statement_timeout_ms = atoi(argv[4]);
	must(db_new(argv[2], "test", "calls", &conn, &error), &error);
	started = clock_ms();
	if (strcmp(argv[1], "steps") == 0)
		status = run_steps(conn, &limits, argv + 5, &error);
	else if (strcmp(argv[1], "script") == 0)
		status = run_script(conn, &limits, argv[5], &error);
	else if (strcmp(argv[1], "run") == 0 && argc >= 7 && atoi(argv[5]) == 0)
		status = db_run_once(conn, &limits, argv[6], NULL, &result, &error);
	else if (strcmp(argv[1], "run") == 0 && argc >= 7)
		status = db_run(conn, &limits, started + atoi(argv[5]), argv[6], NULL, &result,
		                &error);
	else
		return 2;
	if (argc == 8 && strcmp(argv[1], "run") == 0)
		db_name_key(conn, argv[7], &error);
	tell(status, &error, result, started);
	db_free(conn);
	return 0;
}
