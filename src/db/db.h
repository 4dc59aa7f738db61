/*
 * db.h - one connection to PostgreSQL, its transactions, and what it answers
 *
 * Representation.  A db is one connection, with a role ("claim", "settle", "keep", ...)
 * and the thread that opened it, for life: each use asserts that thread, in release
 * builds too, because libpq is not instrumented and no sanitizer would see it.  Inside,
 * the socket is non-blocking; every wait has a deadline on CLOCK_BOOTTIME, so that a
 * silent server costs a bounded time.  client_encoding is UTF8; application_name is
 * "pawl <role> <label>".
 *
 * Transactions.  db_begin is the one place that begins a transaction: READ COMMITTED,
 * READ WRITE, with lock_timeout, statement_timeout and
 * idle_in_transaction_session_timeout local to it, and search_path pg_catalog, sent in
 * one round trip with the first statement.  The transaction's id is known before COMMIT
 * is sent; a COMMIT without an answer is asked for over a new connection by
 * pg_xact_status (db/doubt.h).  Nothing depends on session state: it works through a
 * pooler in transaction mode.
 *
 * Failure.  A statement's failure rolls the transaction back before the call returns.
 * A connection whose state is in doubt is closed at once; the next use opens it anew
 * (db_run does so with backoff).  SQLSTATEs are classed in db/sqlstate.c alone.
 */
#ifndef PAWL_DB_DB_H
#define PAWL_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

typedef struct db db;
typedef struct db_result db_result;

typedef struct db_limits
{
	int lock_timeout_ms;      /* of each wait for a lock */
	int statement_timeout_ms; /* of each statement */
	int idle_timeout_ms;      /* idle in transaction */
	bool session_path;        /* keep the session's search_path: a user's own tables */
	bool at_once;             /* see db_run_once */
	bool read_only;           /* nothing can be written, not even by mistake */

	/* Not on another connection than the last transaction: one that was lost meanwhile
	 * is ERR_CONNECTION, and stays closed. */
	bool same_session;
} db_limits;

/* 5 s, 30 s, 10 s; what NULL means where limits are asked for */
extern const db_limits DB_LIMITS_DEFAULT;

/*
 * Prepare a connection: copies its arguments, checks conninfo, opens nothing yet
 * (ERR_ARGUMENT when libpq cannot parse it).  The thread that first uses it owns it.
 */
PAWL_CHECK pawl_status db_new(const char *conninfo, const char *role, const char *label,
                              db **ret_db, pawl_error *error);
void
db_free(db *conn); /* closes it; by its owner, or by anybody after the owner ended */

/* Open it now unless it is open.  ERR_CONNECT. */
PAWL_CHECK pawl_status db_open(db *conn, pawl_error *error);
void db_close(db *conn);
bool db_is_open(const db *conn);
int db_backend_pid(const db *conn);    /* 0 when closed */
int db_server_version(const db *conn); /* 150018; 0 when closed */

/* Its descriptor, for poll alone (POLLRDHUP: the server has hung up); -1 when closed. */
int db_socket(const db *conn);

/* The server's timeline, which changes with a failover, as its last transaction told
 * it; "" before the first. */
const char *db_timeline(const db *conn);

/*
 * Parameters of one statement, in text format.  Values are appended in order; arrays
 * are built element by element.  db_params_new never answers NULL: memory failure, its
 * own too, shows at db_exec.  Freed by db_params_free or auto_params.
 */
typedef struct db_params db_params;
db_params *db_params_new(void);
void db_params_free(db_params *params);
void db_params_clear(db_params *params);
void db_param_text(db_params *params, const char *text); /* NULL: SQL NULL */
void db_param_int(db_params *params, int64_t value);
void db_param_bool(db_params *params, bool value);
void db_param_null(db_params *params);

/* Arrays: open, add any number, close.  Text is quoted as an array element. */
void db_param_array_begin(db_params *params);
void db_param_array_text(db_params *params, const char *text); /* NULL: SQL NULL */
void db_param_array_int(db_params *params, int64_t value);
void db_param_array_end(db_params *params);

void db_params_cleanup(db_params **params);
#define auto_params __attribute__((cleanup(db_params_cleanup))) db_params

/* ------------------------------------------------------------ transactions ------- */

/*
 * One statement in one transaction, tried again on transient errors and lost
 * connections, with jitter, outside the failed transaction, until deadline_ms
 * (CLOCK_BOOTTIME).  What the verbs use.  A connection that was lost before COMMIT was
 * sent is tried again (nothing was done); an unknown COMMIT never is.  No limit goes on
 * past deadline_ms; one try is always made.  ret_result may be NULL.
 */
PAWL_CHECK pawl_status db_run(db *conn, const db_limits *limits, int64_t deadline_ms,
                              const char *sql, const db_params *params,
                              db_result **ret_result, pawl_error *error);

/*
 * The same, once: no retry.  With limits->at_once COMMIT travels with the statement, in
 * one round trip; if the connection is lost, nobody asks what became of it: ERR_UNKNOWN.
 * For whoever finds out by himself.
 */
PAWL_CHECK pawl_status db_run_once(db *conn, const db_limits *limits, const char *sql,
                                   const db_params *params, db_result **ret_result,
                                   pawl_error *error);

/*
 * Several statements in one transaction.  After a failed db_exec the transaction is
 * rolled back already; auto_txn rolls back what was not committed.
 */
typedef struct db_txn
{
	db *db;
} db_txn;
PAWL_CHECK pawl_status db_begin(db *conn, const db_limits *limits, db_txn *ret_txn,
                                pawl_error *error);
PAWL_CHECK pawl_status db_exec(db_txn *txn, const char *sql, const db_params *params,
                               db_result **ret_result, pawl_error *error);
/* Several statements as one simple query, without parameters: migrations. */
PAWL_CHECK pawl_status db_exec_script(db_txn *txn, const char *sql, pawl_error *error);
PAWL_CHECK pawl_status db_commit(db_txn *txn, pawl_error *error);
void db_rollback(db_txn *txn);
#define auto_txn __attribute__((cleanup(db_rollback))) db_txn

/*
 * Lend the connection to somebody who speaks libpq: blocking, out of pipeline mode, inside
 * the transaction, which has an id from now on.  No other use of it until db_take_back.
 * A failure has rolled the transaction back.
 */
struct pg_conn;
PAWL_CHECK pawl_status db_lend(db_txn *txn, struct pg_conn **ret_pg, pawl_error *error);

/*
 * OK: the transaction goes on, with these limits (NULL: the default ones).  That it is
 * still the one that was lent is known with the next statement or COMMIT, which is
 * ERR_REFUSED when it is not, and has rolled back.
 *
 * ERR_REFUSED		whoever had it has ended the transaction, or a statement of it has
 *					failed, or was left unfinished; it is rolled back
 * ERR_CONNECTION	the connection is lost
 *
 * What was set for the session is forgotten with the end of the transaction.  db_rollback
 * takes back, too.
 */
PAWL_CHECK pawl_status db_take_back(db_txn *txn, const db_limits *limits,
                                    pawl_error *error);

/*
 * After a call that failed waiting for a lock (55P03): its error then names relation and
 * holder, found while it waited (db/blocker.h).  This adds the key, for callers that
 * know how to find it; any other error is left alone.  key as PostgreSQL writes it in
 * its own details: "(aa, nt) = (CA1, CA2)".  The message then reads
 *     could not get a lock on relation "t" within 5 s: key (aa, nt) = (CA1, CA2)
 */
void db_name_key(const db *conn, const char *key, pawl_error *error);

/* ------------------------------------------------------------ results ------------ */

int db_rows(const db_result *result);
bool db_is_null(const db_result *result, int row, int column);
const char *db_text(const db_result *result, int row, int column); /* "" for NULL */
int64_t db_int(const db_result *result, int row, int column);      /* 0 for NULL */
bool db_bool(const db_result *result, int row, int column);
int db_columns(const db_result *result);
const char *db_column_name(const db_result *result, int column);
void db_result_free(db_result *result);
void db_result_cleanup(db_result **result);
#define auto_result __attribute__((cleanup(db_result_cleanup))) db_result

/* ------------------------------------------------------------ notifications ------ */

/* LISTEN on a channel: an accelerator; lost with the connection, renewed at reopening. */
PAWL_CHECK pawl_status db_listen(db *conn, const char *channel, pawl_error *error);

/* How many notifications have come so far, over all openings. */
uint64_t db_heard(const db *conn);

/*
 * Is it another session than libpq was told?  Then a pooler is between, and no
 * notification need ever come.  Known after the first transaction.
 */
bool db_is_pooled(const db *conn);

/*
 * Wait until a notification comes (ret_notified true), wake_fd becomes readable, or
 * deadline_ms.  wake_fd may be -1.  A lost connection ends the wait with OK: the next
 * use reopens it.  On a connection that is closed it waits for wake_fd alone.
 */
PAWL_CHECK pawl_status db_wait(db *conn, int wake_fd, int64_t deadline_ms,
                               bool *ret_notified, pawl_error *error);

#endif
