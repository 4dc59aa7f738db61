/*
 * doubt.c - a COMMIT without an answer
 *
 * "In progress" is no answer either: the old backend may have the COMMIT still to read,
 * or may wait for a standby; so it is asked again until the deadline.
 *
 * Not every word is believed.  A standby says "aborted" for what it has not replayed
 * yet.  A server that has crashed, or was promoted, since the transaction began may have
 * lost it and given its id to another: "committed" then says nothing, while "aborted"
 * and "in the future" still mean that the transaction is not there.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/backoff.h"
#include "db/connection.h"
#include "db/doubt.h"
#include "db/txn.h"

/* However late the connection broke, the server is given a fair chance to be asked. */
#define SHORTEST_MS 3000

static const db_limits ASK_LIMITS = {
	.lock_timeout_ms = 1000,
	.statement_timeout_ms = 3000,
	.idle_timeout_ms = 3000,
};

const char DOUBT_MARK_SQL[] =
	"SELECT pg_catalog.pg_current_xact_id_if_assigned(), " DOUBT_TIMELINE_SQL;

/*
 * Columns: the word about transaction $1; whether the server is on timeline $2 and has
 * been up for longer than $3 milliseconds.  A crash resets the statistics, even where
 * the postmaster survives it.
 */
static const char ASK_SQL[] =
	"SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' "
	"ELSE pg_xact_status($1::xid8) END, "
	"CASE WHEN NOT pg_is_in_recovery() THEN " DOUBT_TIMELINE_SQL " = $2 AND "
	"clock_timestamp() - greatest(pg_postmaster_start_time(), "
	"(SELECT stats_reset FROM pg_stat_bgwriter)) > "
	"make_interval(secs => $3::float8 / 1000) END";

typedef enum answer
{
	ANSWER_COMMITTED,
	ANSWER_ABORTED,
	ANSWER_LATER,  /* in progress, a standby, or nobody there */
	ANSWER_NEVER,  /* the server does not know any more */
	ANSWER_RESTART /* committed, but perhaps another transaction of that id */
} answer;

void
doubt_note(doubt_mark *mark, const db_result *result)
{
	bool whole = db_rows(result) == 1 && db_columns(result) == 2;

	snprintf(mark->xid, sizeof(mark->xid), "%s", whole ? db_text(result, 0, 0) : "");
	snprintf(mark->timeline, sizeof(mark->timeline), "%s",
	         whole ? db_text(result, 0, 1) : "");
	mark->current = whole;
}

void
doubt_note_timeline(doubt_mark *mark, const char *timeline)
{
	*mark = (doubt_mark){.begun_ms = mark->begun_ms};
	snprintf(mark->timeline, sizeof(mark->timeline), "%s", timeline);
}

static answer
read_answer(const db_result *result)
{
	const char *word = db_text(result, 0, 0);

	if (strcmp(word, "committed") == 0)
		return db_bool(result, 0, 1) ? ANSWER_COMMITTED : ANSWER_RESTART;
	if (strcmp(word, "aborted") == 0)
		return ANSWER_ABORTED;
	return db_is_null(result, 0, 0) ? ANSWER_NEVER : ANSWER_LATER;
}

/*
 * 22023 says that the id is in the future: lost in a crash.  Else only what says that
 * the server cannot be had just now is worth asking again.
 */
static answer
answer_of_failure(pawl_status status)
{
	bool passes = status == PAWL_ERR_CONNECT || status == PAWL_ERR_CONNECTION ||
	              status == PAWL_ERR_TRANSIENT;

	if (status == PAWL_ERR_ARGUMENT)
		return ANSWER_ABORTED;
	return passes ? ANSWER_LATER : ANSWER_NEVER;
}

static answer
ask(db *conn, const doubt_mark *mark, int64_t deadline_ms, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status = txn_begin(conn, &ASK_LIMITS, deadline_ms, error);

	db_param_text(params, mark->xid);
	db_param_text(params, mark->timeline);
	db_param_int(params, clock_ms() - mark->begun_ms);
	if (status == PAWL_OK)
		status = txn_exec(conn, ASK_SQL, params, &result, error);
	if (status != PAWL_OK)
		return answer_of_failure(status);
	txn_rollback(conn);
	return read_answer(result);
}

static pawl_status
report_unknown(const doubt_mark *mark, answer said, const pawl_error *why,
               pawl_error *error)
{
	error_set(error, PAWL_ERR_UNKNOWN, "outcome of transaction %s is unknown",
	          mark->xid);
	if (said == ANSWER_RESTART)
		error_detail(error, "The connection broke during COMMIT, and the server was "
		                    "restarted or replaced: its transaction ids may have been "
		                    "given out again.");
	else
		error_detail(error,
		             "The connection broke during COMMIT, and the server did not say "
		             "afterwards what became of it%s%s.",
		             why->message[0] != '\0' ? ": " : "", why->message);
	error_hint(error, "Look whether what was to be written is there.");
	return PAWL_ERR_UNKNOWN;
}

static pawl_status
report_undone(pawl_error *error)
{
	error_detail(error, "The connection broke during COMMIT; nothing was done.");
	return PAWL_ERR_CONNECTION;
}

pawl_status
doubt_resolve(db *conn, const doubt_mark *mark, int64_t deadline_ms, pawl_error *error)
{
	int64_t soonest = clock_ms() + SHORTEST_MS;
	int64_t until = deadline_ms > soonest ? deadline_ms : soonest;
	pawl_error why = {.status = PAWL_OK};

	assert(!db_is_open(conn));
	if (!mark->current)
		return report_unknown(mark, ANSWER_NEVER, &why, error);
	if (mark->xid[0] == '\0')
		return report_undone(error);
	for (int round = 0;; round++)
	{
		answer said = ask(conn, mark, until, &why);

		if (said == ANSWER_COMMITTED)
		{
			error_clear(error);
			return PAWL_OK;
		}
		if (said == ANSWER_ABORTED)
			return report_undone(error);
		if (said != ANSWER_LATER || clock_ms() >= until)
			return report_unknown(mark, said, &why, error);
		backoff_wait(round, until);
	}
}
