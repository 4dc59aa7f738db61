/*
 * blocker_report.c - what a look saw, in words; see blocker.h
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "db/blocker.h"
#include "db/connection.h"

/* Columns of sql/queries/blocker.sql. */
enum
{
	COLUMN_RELATION,
	COLUMN_FIRST,
	COLUMN_PID,
	COLUMN_APPLICATION,
	COLUMN_ROLE,
	COLUMN_STATE,
	COLUMN_STATE_S,
	COLUMN_TRANSACTION_S
};

/* A name may be as long as 63 bytes of four-byte characters never are. */
#define NAME_MAX_BYTES 63

/* ---------------------------------------------------------------- keeping ------- */

typedef struct span
{
	char text[32];
} span;

/* "12 s", "3 min", "2 h" */
static span
in_words(const char *seconds)
{
	long long s = strtoll(seconds, NULL, 10);
	span words;

	if (s < 0)
		s = 0;
	if (s < 120)
		snprintf(words.text, sizeof(words.text), "%lld s", s);
	else if (s < 7200)
		snprintf(words.text, sizeof(words.text), "%lld min", s / 60);
	else
		snprintf(words.text, sizeof(words.text), "%lld h", s / 3600);
	return words;
}

static const char *
value(const PGresult *result, int column)
{
	return PQgetvalue(result, 0, column);
}

/* "idle in transaction for 12 s, its transaction open for 40 s" */
static void
describe_state(char *text, size_t size, const PGresult *result)
{
	const char *state_s = value(result, COLUMN_STATE_S);
	const char *transaction_s = value(result, COLUMN_TRANSACTION_S);

	if (PQgetisnull(result, 0, COLUMN_STATE))
		snprintf(text, size, "a session of another role, \"%s\"",
		         value(result, COLUMN_ROLE));
	else if (strtoll(transaction_s, NULL, 10) <= strtoll(state_s, NULL, 10))
		snprintf(text, size, "%s for %s", value(result, COLUMN_STATE),
		         in_words(state_s).text);
	else
		snprintf(text, size, "%s for %s, its transaction open for %s",
		         value(result, COLUMN_STATE), in_words(state_s).text,
		         in_words(transaction_s).text);
}

static void
describe_holder(char *text, size_t size, const PGresult *result)
{
	const char *name = value(result, COLUMN_APPLICATION);
	const char *last = value(result, COLUMN_PID);
	const char *first = value(result, COLUMN_FIRST);
	char state[160];
	char who[sizeof(state) + 80];

	describe_state(state, sizeof(state), result);
	if (strcmp(last, "0") == 0)
		snprintf(who, sizeof(who),
		         "prepared transaction \"%.*s\" (of role \"%s\", %s old)",
		         NAME_MAX_BYTES, name, value(result, COLUMN_ROLE),
		         in_words(value(result, COLUMN_TRANSACTION_S)).text);
	else
		snprintf(who, sizeof(who), "process %s (\"%.*s\", %s)", last, NAME_MAX_BYTES,
		         name, state);
	if (strcmp(first, last) == 0)
		snprintf(text, size, "%c%s holds it.", toupper((unsigned char) who[0]),
		         who + 1);
	else
		snprintf(text, size, "Process %s holds it or is before it, and waits for %s.",
		         first, who);
}

void
blocker_keep(blocker *b, const PGresult *result)
{
	b->seen = PQntuples(result) == 1 && PQnfields(result) > COLUMN_TRANSACTION_S;
	if (!b->seen)
		return;
	snprintf(b->relation, sizeof(b->relation), "%s", value(result, COLUMN_RELATION));
	if (PQgetisnull(result, 0, COLUMN_PID))
		b->holder[0] = '\0';
	else
		describe_holder(b->holder, sizeof(b->holder), result);
}

/* ---------------------------------------------------------------- explaining ---- */

/* It waited too shortly for a look, or nobody could be asked. */
#define UNSEEN "It was not seen who holds it."

/* Opening and closing quotation marks of the server's languages. */
static const char *const QUOTES[][2] = {
	{"\"", "\""},
	{"\xc2\xbb", "\xc2\xab"},         /* German */
	{"\xc2\xab", "\xc2\xbb"},         /* French, Russian, Spanish */
	{"\xe2\x80\x9e", "\xe2\x80\x9d"}, /* Polish */
	{"\xe2\x80\x9c", "\xe2\x80\x9d"}, /* Chinese */
};

/*
 * The relation of "while inserting index tuple (0,5) in relation "t"": where a lock of a
 * row was waited for, the innermost line of the error's context names it, in some
 * language.  False when it does not.
 */
static bool
read_context(const char *context, char *relation, size_t size)
{
	char line[256];
	int block;
	int offset;
	const char *tuple;

	snprintf(line, sizeof(line), "%.*s", (int) strcspn(context, "\n"), context);
	tuple = strchr(line, '(');
	if (tuple == NULL || sscanf(tuple, "(%d,%d)", &block, &offset) != 2)
		return false;
	for (size_t i = 0; i < sizeof(QUOTES) / sizeof(QUOTES[0]); i++)
	{
		const char *from = strstr(line, QUOTES[i][0]);
		const char *to = NULL;

		if (from != NULL)
			to = strstr(from + strlen(QUOTES[i][0]), QUOTES[i][1]);
		if (to == NULL)
			continue;
		from += strlen(QUOTES[i][0]);
		snprintf(relation, size, "%.*s", (int) (to - from), from);
		return true;
	}
	return false;
}

/* The lock_timeout itself, not a function's own words, nor NOWAIT. */
static bool
is_lock_timeout(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

	return sqlstate != NULL && strcmp(sqlstate, "55P03") == 0 && function != NULL &&
	       strcmp(function, "ProcessInterrupts") == 0;
}

static bool
is_our_limit(const PGresult *result, const pawl_error *error)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return error->status == PAWL_ERR_TRANSIENT && sqlstate != NULL &&
	       (strcmp(sqlstate, "55P03") == 0 || strcmp(sqlstate, "57014") == 0);
}

/* "5 s", "1.3 s", "200 ms" */
static span
how_long(int64_t ms)
{
	span words;

	if (ms < 1000)
		snprintf(words.text, sizeof(words.text), "%d ms", (int) ms);
	else if (ms % 1000 < 100)
		snprintf(words.text, sizeof(words.text), "%lld s", (long long) ms / 1000);
	else
		snprintf(words.text, sizeof(words.text), "%lld.%d s", (long long) ms / 1000,
		         (int) (ms % 1000 / 100));
	return words;
}

void
blocker_explain(const db *conn, const PGresult *result, int64_t elapsed_ms,
                pawl_error *error)
{
	const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
	const char *holder = conn->blocker.seen ? conn->blocker.holder : "";
	char relation[64] = "";
	char target[96] = "";

	if (error == NULL || !is_our_limit(result, error))
		return;
	if (!read_context(context != NULL ? context : "", relation, sizeof(relation)) &&
	    conn->blocker.seen)
		memcpy(relation, conn->blocker.relation, sizeof(relation));
	if (relation[0] != '\0')
		snprintf(target, sizeof(target), " on relation \"%s\"", relation);

	if (is_lock_timeout(result))
	{
		error_set(error, PAWL_ERR_TRANSIENT, "could not get a lock%s within %s", target,
		          how_long(elapsed_ms).text);
		error_sqlstate(error, "55P03");
		error_detail(error, "%s", holder[0] != '\0' ? holder : UNSEEN);
	}
	else if (holder[0] != '\0' && error->detail[0] == '\0')
		error_detail(error, "It waited for a lock%s. %s", target, holder);
	else if (holder[0] != '\0')
		error_detail(error, "%s %s", error->detail, holder);
}

void
blocker_prefer_seen(const db *conn, pawl_error *best, pawl_error *error)
{
	bool waited = error != NULL && strcmp(error->sqlstate, "55P03") == 0;
	bool cut_short = error != NULL && error->status == PAWL_ERR_TRANSIENT &&
	                 strcmp(error->sqlstate, "57014") == 0;

	if (waited && conn->blocker.seen)
		*best = *error;
	else if ((waited || cut_short) && best->status != PAWL_OK)
		*error = *best;
}

void
db_name_key(const db *conn, const char *key, pawl_error *error)
{
	pawl_error named;

	(void) conn; /* what was seen is in the error: probing for the key comes after it */
	if (error == NULL || strcmp(error->sqlstate, "55P03") != 0)
		return;
	error_set(&named, error->status, "%s: key %s", error->message, key);
	memcpy(error->message, named.message, sizeof(error->message));
}
