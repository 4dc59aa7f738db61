/*
 * lend.c - lend a connection within a transaction, and take it back; see lend.h
 *
 * Runs on the thread that owns the connection, as who borrows it must.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/settings.h"
#include "db/txn.h"
#include "db/wire.h"

/*
 * A statement that was left unfinished is cancelled, again when that has not ended it: a
 * cancel that overtakes its statement is lost.  So long its end is waited for.
 */
#define QUIET_MS 5000
#define CANCEL_MS 100

/* So long the session's settings may take to be forgotten. */
#define FORGET_MS 5000

/*
 * DISCARD ALL but for the plans, which are dear: those of pawl's functions, too.  Statements
 * that the session has prepared are looked at first, because most are ours (db/named.h).
 */
static const char *const FORGET_SQL[] = {
	"CLOSE ALL",
	"SET SESSION AUTHORIZATION DEFAULT",
	"RESET ALL",
	"UNLISTEN *",
	"SELECT pg_catalog.pg_advisory_unlock_all()",
	"DISCARD TEMP",
	"DISCARD SEQUENCES",
	"SELECT pg_catalog.count(*) FILTER (WHERE name LIKE 'pawl\\_%'), "
	"pg_catalog.count(*)"
	" FROM pg_catalog.pg_prepared_statements",
};
#define FORGET_STEPS (sizeof(FORGET_SQL) / sizeof(FORGET_SQL[0]))

/* ------------------------------------------------------------ lending ------------ */

pawl_status
db_lend(db_txn *txn, struct pg_conn **ret_pg, pawl_error *error)
{
	db *conn = txn->db;
	pawl_status status;

	assert(conn != NULL && conn->loan.xid[0] == '\0');
	ASSERT_OWNER(conn);
	status =
		txn_exec(conn, "SELECT pg_catalog.pg_current_xact_id()", NULL, NULL, error);
	if (status == PAWL_OK &&
	    (PQexitPipelineMode(conn->pg) != 1 || PQsetnonblocking(conn->pg, 0) != 0))
	{
		db_close(conn);
		status = error_set(error, PAWL_ERR_CONNECTION, "could not lend a connection");
	}
	if (status != PAWL_OK)
	{
		txn->db = NULL;
		return status;
	}
	assert(conn->mark.xid[0] != '\0');
	memcpy(conn->loan.xid, conn->mark.xid, sizeof(conn->loan.xid));
	conn->state = DB_LENT;
	*ret_pg = conn->pg;
	return PAWL_OK;
}

/* ------------------------------------------------------------ regaining ---------- */

static void
cancel_statement(PGconn *pg)
{
	char why[256];
	PGcancel *cancel = PQgetCancel(pg);

	if (cancel != NULL)
		(void) PQcancel(cancel, why, sizeof(why));
	PQfreeCancel(cancel);
}

/* The next result, whatever it takes; false: there is none to be had. */
static bool
next_result(db *conn, PGresult **ret_result)
{
	int64_t end_ms = clock_ms() + QUIET_MS;

	while (PQconsumeInput(conn->pg) == 1 && clock_ms() < end_ms)
	{
		if (PQisBusy(conn->pg))
			cancel_statement(conn->pg);
		if (wire_next(conn, clock_ms() + CANCEL_MS, ret_result))
			return true;
	}
	return false;
}

/*
 * Read what was left unread.  False: it cannot be brought to rest (a COPY to the client,
 * a pipeline, a server that is silent).
 */
static bool
quiesce(db *conn)
{
	bool copy_ended = false;
	PGresult *result = NULL;

	if (PQpipelineStatus(conn->pg) != PQ_PIPELINE_OFF)
		return false;
	while (next_result(conn, &result) && result != NULL)
	{
		ExecStatusType status = PQresultStatus(result);

		PQclear(result);
		if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
			return false;
		if (status == PGRES_COPY_IN &&
		    (copy_ended || PQputCopyEnd(conn->pg, "left by the handler") != 1))
			return false;
		copy_ended = copy_ended || status == PGRES_COPY_IN;
	}
	return PQtransactionStatus(conn->pg) != PQTRANS_ACTIVE;
}

static db_state
state_of(const db *conn)
{
	switch (PQtransactionStatus(conn->pg))
	{
		case PQTRANS_IDLE:
			return DB_IDLE;
		case PQTRANS_INTRANS:
		case PQTRANS_INERROR:
			return DB_OPEN;
		default:
			return DB_CLOSED;
	}
}

void
lend_regain(db *conn)
{
	assert(conn->state == DB_LENT);
	conn->state = DB_OPEN;
	if (PQstatus(conn->pg) != CONNECTION_OK || PQsetnonblocking(conn->pg, 1) != 0 ||
	    !quiesce(conn) || PQenterPipelineMode(conn->pg) != 1 ||
	    state_of(conn) == DB_CLOSED)
	{
		db_close(conn);
		return;
	}
	settings_ignore_notices(conn->pg);
	connection_drain(conn);
	conn->state = state_of(conn);
	conn->mark.current = false;
	conn->loan.relimit = true;
	conn->loan.disputed = true;
}

static pawl_status
refuse(db_txn *txn, pawl_error *error, const char *why)
{
	db_rollback(txn);
	return error_set(error, PAWL_ERR_REFUSED, "%s", why);
}

#define ENDED "the handler ended the transaction of the connection that it was lent"

pawl_status
db_take_back(db_txn *txn, const db_limits *limits, pawl_error *error)
{
	db *conn = txn->db;
	bool unfinished;

	assert(conn != NULL && conn->state == DB_LENT);
	ASSERT_OWNER(conn);
	unfinished = PQtransactionStatus(conn->pg) == PQTRANS_ACTIVE;
	lend_regain(conn);
	conn->limits = limits != NULL ? *limits : DB_LIMITS_DEFAULT;
	conn->limits.session_path = true; /* of triggers that run at COMMIT */
	if (conn->state == DB_CLOSED)
	{
		txn->db = NULL;
		return error_set(error, PAWL_ERR_CONNECTION,
		                 "the connection was lost while the handler had it");
	}
	if (unfinished)
		return refuse(txn, error,
		              "the handler left a statement unfinished on the connection that "
		              "it was lent");
	if (conn->state == DB_IDLE)
		return refuse(txn, error, ENDED);
	if (PQtransactionStatus(conn->pg) == PQTRANS_INERROR)
		return refuse(txn, error,
		              "a statement failed in the transaction of the connection that "
		              "the handler was lent");
	return PAWL_OK;
}

pawl_status
lend_check(db *conn, pawl_error *error)
{
	conn->loan.relimit = false;
	if (!conn->loan.disputed)
		return PAWL_OK;
	conn->loan.disputed = false;
	if (strcmp(conn->loan.xid, conn->mark.xid) == 0)
		return PAWL_OK;
	txn_rollback(conn);
	return error_set(error, PAWL_ERR_REFUSED, "%s", ENDED);
}

/* ------------------------------------------------------------ forgetting --------- */

/* Are the prepared statements those that we know of, and no other? */
static bool
names_are_ours(const db *conn, const db_result *counts)
{
	return db_int(counts, 0, 0) == conn->named.n &&
	       db_int(counts, 0, 1) == conn->named.n;
}

/* Send them all; false: one of them has failed, or the connection is lost. */
static bool
send_all(db *conn, wire_step *steps, size_t n)
{
	bool whole = wire_exchange(conn, steps, n, clock_ms() + FORGET_MS, NULL) == PAWL_OK;

	for (size_t i = 0; i < n && whole; i++)
		whole = wire_succeeded(steps[i].result);
	return whole;
}

/* Behind a pooler the session is another's already. */
void
lend_forget(db *conn)
{
	wire_step steps[FORGET_STEPS];
	wire_step deallocate = {.sql = "DEALLOCATE ALL"};
	bool whole;

	if (conn->state != DB_IDLE || conn->loan.xid[0] == '\0')
		return;
	conn->loan = (db_loan){0};
	if (db_is_pooled(conn))
		return;
	for (size_t i = 0; i < FORGET_STEPS; i++)
		steps[i] = (wire_step){.sql = FORGET_SQL[i]};
	whole = send_all(conn, steps, FORGET_STEPS);
	if (whole &&
	    !names_are_ours(conn, (const db_result *) steps[FORGET_STEPS - 1].result))
	{
		whole = send_all(conn, &deallocate, 1);
		named_forget(&conn->named);
	}
	wire_clear(steps, FORGET_STEPS);
	wire_clear(&deallocate, 1);
	if (!whole && conn->state != DB_CLOSED)
		db_close(conn);
}
