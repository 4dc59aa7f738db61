/*
 * txn.c - the one place that begins a transaction
 *
 * First round trip: BEGIN, the limits, the first statement, the transaction's mark (its
 * id; see db/doubt.h).  Then one for each further statement with the mark again, and one
 * for COMMIT.  So the id is always known before COMMIT is sent, and costs no round trip.
 * Who needs no id, because what is lost is found otherwise, has it all in one, without the
 * mark, and by statements that the session has prepared (db/named.h).
 *
 * Nothing of a role's or a database's settings matters inside: isolation level, access
 * mode, limits and search_path are set for the transaction.  (A transaction that writes
 * to a user's own tables keeps the session's search_path: the table's triggers and
 * defaults are the user's, and so is the table's name.)
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/doubt.h"
#include "db/report.h"
#include "db/txn.h"
#include "db/wire.h"

const db_limits DB_LIMITS_DEFAULT = {
	.lock_timeout_ms = 5000,
	.statement_timeout_ms = 30000,
	.idle_timeout_ms = 10000,
};

/*
 * The server ends a statement at statement_timeout; its answer has this much longer to
 * arrive: a lost packet is sent again within 1 to 3 s.
 */
#define ANSWER_MARGIN_MS 4000

#define BEGIN_SQL "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
#define BEGIN_READ_SQL "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
#define LIMITS_SQL                                                                     \
	"SELECT pg_catalog.set_config('lock_timeout', '%d', true), "                       \
	"pg_catalog.set_config('statement_timeout', '%d', true), "                         \
	"pg_catalog.set_config('idle_in_transaction_session_timeout', '%d', true), "       \
	"pg_catalog.set_config('search_path', %s, true), %s, pg_catalog.pg_backend_pid()"
#define LIMITS_TIMELINE 4 /* its column */
#define OWN_PATH "'pg_catalog, pg_temp'"
#define SESSION_PATH "pg_catalog.current_setting('search_path')"

/* BEGIN, limits, the statement, the mark or COMMIT. */
#define STEPS_MAX 4
#define STEP_LIMITS 1

static int64_t
answer_deadline(const db *conn)
{
	return clock_ms() + conn->limits.statement_timeout_ms + ANSWER_MARGIN_MS;
}

/* ---------------------------------------------------------------- begin --------- */

void
txn_start(db *conn, const db_limits *limits)
{
	assert(conn->state == DB_IDLE);
	assert(limits->lock_timeout_ms > 0);
	assert(limits->statement_timeout_ms > 0);
	assert(limits->idle_timeout_ms > 0);
	conn->limits = *limits;
	conn->mark = (doubt_mark){.begun_ms = clock_ms()};
	conn->state = DB_BEGUN;
}

pawl_status
txn_begin(db *conn, const db_limits *limits, int64_t deadline_ms, pawl_error *error)
{
	pawl_status status;

	ASSERT_OWNER(conn);
	if (limits != NULL && limits->same_session)
		status = connection_same(conn, error);
	else
		status = connection_ready(conn, deadline_ms, error);
	if (status == PAWL_OK)
		txn_start(conn, limits != NULL ? limits : &DB_LIMITS_DEFAULT);
	return status;
}

/* ---------------------------------------------------------------- rollback ------ */

void
txn_rollback(db *conn)
{
	wire_step step = {.sql = "ROLLBACK"};

	ASSERT_OWNER(conn);
	if (conn->state == DB_LENT)
		lend_regain(conn);
	if (conn->state == DB_BEGUN)
		conn->state = DB_IDLE;
	if (conn->state == DB_OPEN &&
	    wire_exchange(conn, &step, 1, answer_deadline(conn), NULL) == PAWL_OK)
	{
		conn->state = DB_IDLE;
		if (PQtransactionStatus(conn->pg) != PQTRANS_IDLE)
			db_close(conn);
	}
	wire_clear(&step, 1);
	lend_forget(conn);
}

/*
 * After a failed step.  A server that has become read-only is left: the next opening
 * may find another one that is not.
 */
static pawl_status
abandon(db *conn, const PGresult *result, pawl_status status)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool read_only = sqlstate != NULL && strcmp(sqlstate, "25006") == 0;

	if (status == PAWL_ERR_CONNECTION || read_only)
		db_close(conn);
	else
		txn_rollback(conn);
	return status;
}

/* ---------------------------------------------------------------- exec ---------- */

typedef struct exchange
{
	wire_step steps[STEPS_MAX];
	size_t count;
	size_t main; /* index of the caller's statement; count: it has none */
	size_t own;  /* how many come before COMMIT, if that is sent, too */
	size_t
		mark; /* own: nothing is in doubt of what cannot write, nor if COMMIT is sent */
	char limits[sizeof(LIMITS_SQL) + 3 * 12 + sizeof(SESSION_PATH) +
	            sizeof(DOUBT_TIMELINE_SQL)];
} exchange;

static void
add_step(exchange *e, const char *sql, const db_params *params)
{
	assert(e->count < STEPS_MAX);
	e->steps[e->count++] = (wire_step){.sql = sql, .params = params};
}

static void
add_limits(exchange *e, const db_limits *limits)
{
	snprintf(e->limits, sizeof(e->limits), LIMITS_SQL, limits->lock_timeout_ms,
	         limits->statement_timeout_ms, limits->idle_timeout_ms,
	         limits->session_path ? SESSION_PATH : OWN_PATH,
	         limits->read_only ? "NULL" : DOUBT_TIMELINE_SQL);
	add_step(e, e->limits, NULL);
	e->steps[e->count - 1].tells_pid = true;
}

/*
 * What one round trip carries; sql may be NULL: only what belongs to it.  last: all of a
 * transaction.
 */
static void
compose(exchange *e, const db *conn, const char *sql, const db_params *params,
        bool last)
{
	if (conn->state == DB_BEGUN)
		add_step(e, conn->limits.read_only ? BEGIN_READ_SQL : BEGIN_SQL, NULL);
	if (conn->state == DB_BEGUN || conn->loan.relimit)
		add_limits(e, &conn->limits);
	e->main = e->count;
	if (sql != NULL)
		add_step(e, sql, params);
	for (size_t i = 0; i < e->count && last; i++)
		e->steps[i].named = true;
	e->mark = e->count;
	if (!conn->limits.read_only && !last)
		add_step(e, DOUBT_MARK_SQL, NULL);
	e->own = e->count;
	if (last)
	{
		add_step(e, "COMMIT", NULL);
		e->steps[e->own].syncs = true;
		e->steps[e->own].named = true;
	}
}

/*
 * Does the error say that the session is not what it was?  BEGIN READ WRITE on a standby
 * says 0A000: that is a failover under way, as 25006 is.  Of a statement that was prepared
 * it says that what it calls has been replaced meanwhile.
 */
static bool
session_is_stale(db *conn, const exchange *e, size_t i, const char *sqlstate)
{
	if (sqlstate == NULL)
		return false;
	if (named_is_stale(sqlstate) && e->steps[i].named)
	{
		conn->named.off = true;
		return true;
	}
	return strcmp(sqlstate, "0A000") == 0 && (i < e->main || e->steps[i].named);
}

/* The first step that failed, as an error. */
static pawl_status
judge(db *conn, const exchange *e, int64_t elapsed_ms, pawl_error *error)
{
	bool timed_out = elapsed_ms >= conn->limits.statement_timeout_ms;

	for (size_t i = 0; i < e->own; i++)
	{
		const PGresult *result = e->steps[i].result;
		const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		pawl_status status;

		if (wire_succeeded(result))
			continue;
		status = report_result(error, result, timed_out || i < e->main);
		blocker_explain(conn, result, elapsed_ms, error);
		if (!session_is_stale(conn, e, i, sqlstate))
			return abandon(conn, result, status);
		if (error != NULL)
			error->status = PAWL_ERR_TRANSIENT;
		db_close(conn);
		return PAWL_ERR_TRANSIENT;
	}
	return PAWL_OK;
}

/* The server has answered COMMIT. */
static pawl_status
judge_commit(db *conn, const PGresult *result, int64_t elapsed_ms, pawl_error *error)
{
	pawl_status status = PAWL_OK;

	conn->state = DB_IDLE;
	if (!wire_succeeded(result))
	{
		status = report_result(error, result, true);
		blocker_explain(conn, result, elapsed_ms, error);
	}
	else if (strcmp(PQcmdStatus((PGresult *) (uintptr_t) result), "COMMIT") != 0)
		status = error_set(error, PAWL_ERR_DATABASE,
		                   "the transaction had failed and was rolled back");
	if (status == PAWL_ERR_CONNECTION || PQtransactionStatus(conn->pg) != PQTRANS_IDLE)
		db_close(conn);
	lend_forget(conn);
	return status;
}

/* One round trip inside the transaction; see compose.  last: with COMMIT. */
static pawl_status
round_trip(db *conn, const char *sql, const db_params *params, bool last,
           PGresult **ret_result, pawl_error *error)
{
	exchange e = {.count = 0};
	int64_t started = clock_ms();
	pawl_status status;

	assert(conn->state == DB_BEGUN || conn->state == DB_OPEN);
	compose(&e, conn, sql, params, last);
	blocker_begin(conn);
	status = wire_exchange(conn, e.steps, e.count, answer_deadline(conn), error);
	blocker_end(conn);
	if (status == PAWL_OK)
	{
		conn->state = last ? DB_IDLE : DB_OPEN; /* COMMIT ends one that failed, too */
		status = judge(conn, &e, clock_ms() - started, error);
	}
	if (status == PAWL_OK && e.mark < e.own)
	{
		doubt_note(&conn->mark, (const db_result *) e.steps[e.mark].result);
		status = lend_check(conn, error);
	}
	if (status == PAWL_OK && last)
	{
		doubt_note_timeline(
			&conn->mark, PQgetvalue(e.steps[STEP_LIMITS].result, 0, LIMITS_TIMELINE));
		status = judge_commit(conn, e.steps[e.own].result, clock_ms() - started, error);
	}
	if (status == PAWL_OK && ret_result != NULL)
	{
		*ret_result = e.steps[e.main].result;
		e.steps[e.main].result = NULL;
	}
	wire_clear(e.steps, e.count);
	return status;
}

pawl_status
txn_exec(db *conn, const char *sql, const db_params *params, db_result **ret_result,
         pawl_error *error)
{
	PGresult *result = NULL;
	pawl_status status;

	ASSERT_OWNER(conn);
	assert(sql != NULL);
	status = round_trip(conn, sql, params, false, &result, error);
	if (status == PAWL_OK && ret_result != NULL)
		*ret_result = (db_result *) result;
	else
		PQclear(result);
	return status;
}

pawl_status
txn_exec_last(db *conn, const char *sql, const db_params *params,
              db_result **ret_result, pawl_error *error)
{
	PGresult *result = NULL;
	pawl_status status;

	ASSERT_OWNER(conn);
	assert(sql != NULL && conn->state == DB_BEGUN);
	status = round_trip(conn, sql, params, true, &result, error);
	if (status == PAWL_ERR_CONNECTION && error != NULL)
		error->status = PAWL_ERR_UNKNOWN;
	*ret_result = (db_result *) result;
	return status != PAWL_ERR_CONNECTION ? status : PAWL_ERR_UNKNOWN;
}

static pawl_status
exec_script(db *conn, const char *sql, pawl_error *error)
{
	PGresult *failed = NULL;
	pawl_status status = PAWL_OK;
	int64_t started;

	if (conn->state == DB_BEGUN)
		status = round_trip(conn, NULL, NULL, false, NULL, error);
	if (status != PAWL_OK)
		return status;

	started = clock_ms();
	conn->mark.current = false;
	blocker_begin(conn);
	status = wire_script(conn, sql, answer_deadline(conn), &failed, error);
	blocker_end(conn);
	if (status == PAWL_OK && failed != NULL)
	{
		int64_t elapsed = clock_ms() - started;
		bool timed_out = elapsed >= conn->limits.statement_timeout_ms;

		status = report_result(error, failed, timed_out);
		blocker_explain(conn, failed, elapsed, error);
		status = abandon(conn, failed, status);
	}
	PQclear(failed);
	return status;
}

/* ---------------------------------------------------------------- commit -------- */

pawl_status
txn_commit(db *conn, int64_t deadline_ms, pawl_error *error)
{
	wire_step step = {.sql = "COMMIT"};
	pawl_status status = PAWL_OK;
	int64_t started;

	ASSERT_OWNER(conn);
	assert(conn->state == DB_BEGUN || conn->state == DB_OPEN);
	if (conn->state == DB_BEGUN)
	{
		conn->state = DB_IDLE;
		return PAWL_OK;
	}
	if (!conn->mark.current && !conn->limits.read_only)
		status = round_trip(conn, NULL, NULL, false, NULL, error);
	if (status != PAWL_OK)
		return status;

	started = clock_ms();
	blocker_begin(conn); /* deferred constraints may wait, too */
	status = wire_exchange(conn, &step, 1, answer_deadline(conn), error);
	blocker_end(conn);
	if (status == PAWL_OK)
		status = judge_commit(conn, step.result, clock_ms() - started, error);
	wire_clear(&step, 1);
	if (status == PAWL_ERR_CONNECTION && !conn->limits.read_only)
	{
		doubt_mark mark = conn->mark; /* asking begins transactions of its own */

		status = doubt_resolve(conn, &mark, deadline_ms, error);
	}
	return status;
}

/* ---------------------------------------------------------------- db.h ---------- */

const char *
db_timeline(const db *conn)
{
	return conn->mark.timeline;
}

pawl_status
db_begin(db *conn, const db_limits *limits, db_txn *ret_txn, pawl_error *error)
{
	pawl_status status = txn_begin(conn, limits, CLOCK_NEVER, error);

	if (status == PAWL_OK)
		ret_txn->db = conn;
	return status;
}

/* What has failed has been rolled back: there is nothing left to roll back. */
static pawl_status
finish_if_failed(db_txn *txn, pawl_status status)
{
	if (status != PAWL_OK)
		txn->db = NULL;
	return status;
}

pawl_status
db_exec(db_txn *txn, const char *sql, const db_params *params, db_result **ret_result,
        pawl_error *error)
{
	assert(txn->db != NULL);
	return finish_if_failed(txn, txn_exec(txn->db, sql, params, ret_result, error));
}

pawl_status
db_exec_script(db_txn *txn, const char *sql, pawl_error *error)
{
	assert(txn->db != NULL);
	ASSERT_OWNER(txn->db);
	return finish_if_failed(txn, exec_script(txn->db, sql, error));
}

pawl_status
db_commit(db_txn *txn, pawl_error *error)
{
	db *conn = txn->db;

	assert(conn != NULL);
	txn->db = NULL;
	return txn_commit(conn, clock_ms() + conn->limits.statement_timeout_ms, error);
}

void
db_rollback(db_txn *txn)
{
	if (txn->db == NULL)
		return;
	txn_rollback(txn->db);
	txn->db = NULL;
}
