/*
 * doubt.c - a COMMIT without an answer
 *
 * "In progress" is no answer either: the old backend may have the COMMIT still to read,
 * or may wait for a standby; so it is asked again until the deadline.  A standby is not
 * believed: it says "aborted" for what it has not replayed yet.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/backoff.h"
#include "db/doubt.h"
#include "db/txn.h"

/* However late the connection broke, the server is given a fair chance to be asked. */
#define SHORTEST_MS 3000

static const db_limits ASK_LIMITS = {
	.lock_timeout_ms = 1000,
	.statement_timeout_ms = 3000,
	.idle_timeout_ms = 3000,
};

#define ASK_SQL                                                                        \
	"SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() "                             \
	"THEN pg_catalog.pg_xact_status($1::pg_catalog.xid8) ELSE 'standby' END"

typedef enum answer
{
	ANSWER_COMMITTED,
	ANSWER_ABORTED,
	ANSWER_LATER, /* in progress, a standby, or nobody there */
	ANSWER_NEVER  /* the server does not know any more */
} answer;

static answer
read_answer(const db_result *result)
{
	const char *text = db_text(result, 0, 0);

	if (strcmp(text, "committed") == 0)
		return ANSWER_COMMITTED;
	if (strcmp(text, "aborted") == 0)
		return ANSWER_ABORTED;
	return db_is_null(result, 0, 0) ? ANSWER_NEVER : ANSWER_LATER;
}

/* Only what says that the server cannot be had just now is worth asking again. */
static answer
answer_of_failure(pawl_status status)
{
	bool passes = status == PAWL_ERR_CONNECT || status == PAWL_ERR_CONNECTION ||
	              status == PAWL_ERR_TRANSIENT;

	return passes ? ANSWER_LATER : ANSWER_NEVER;
}

static answer
ask(db *conn, const char *xid, int64_t deadline_ms, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	db_param_text(params, xid);
	status = txn_begin(conn, &ASK_LIMITS, deadline_ms, error);
	if (status == PAWL_OK)
		status = txn_exec(conn, ASK_SQL, params, &result, error);
	if (status != PAWL_OK)
		return answer_of_failure(status);
	txn_rollback(conn);
	return read_answer(result);
}

static pawl_status
report_unknown(const char *xid, const pawl_error *why, pawl_error *error)
{
	error_set(error, PAWL_ERR_UNKNOWN, "outcome of transaction %s is unknown", xid);
	error_detail(error,
	             "The connection broke during COMMIT, and the server could not "
	             "be asked afterwards%s%s.",
	             why->message[0] != '\0' ? ": " : "", why->message);
	error_hint(error, "Ask it with SELECT pg_xact_status('%s').", xid);
	return PAWL_ERR_UNKNOWN;
}

static pawl_status
report_undone(pawl_error *error)
{
	error_detail(error, "The connection broke during COMMIT; nothing was done.");
	return PAWL_ERR_CONNECTION;
}

pawl_status
doubt_resolve(db *conn, const char *xid, int64_t deadline_ms, pawl_error *error)
{
	int64_t soonest = clock_ms() + SHORTEST_MS;
	int64_t until = deadline_ms > soonest ? deadline_ms : soonest;
	pawl_error why = {.status = PAWL_OK};

	assert(conn->state == DB_CLOSED);
	if (xid[0] == '\0')
		return report_undone(error);
	for (int round = 0;; round++)
	{
		answer said = ask(conn, xid, until, &why);

		if (said == ANSWER_COMMITTED)
		{
			error_clear(error);
			return PAWL_OK;
		}
		if (said == ANSWER_ABORTED)
			return report_undone(error);
		if (said == ANSWER_NEVER || clock_ms() >= until)
			return report_unknown(xid, &why, error);
		backoff_wait(round, until);
	}
}
