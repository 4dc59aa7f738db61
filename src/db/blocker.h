/*
 * blocker.h - whom a call waits for, found while it waits; for the files of src/db alone
 *
 * Afterwards nobody knows it any more.  So a call that has waited for its answer longer
 * than min(lock_timeout / 2, 1 s) looks once a second, over a second, short-lived
 * connection (application_name "pawl watch <label>"), who blocks its backend, and keeps
 * what it saw until the next call.
 *
 * No harm.  The look is driven by the poll(2) of the waiting call itself, without
 * blocking: an answer that comes meanwhile is read at once, and the look is given up.
 * It goes to the very server of the first connection, has half a second in all, changes
 * nothing, and a failure of it is silent.  A call that is answered soon never makes one.
 */
#ifndef PAWL_DB_BLOCKER_H
#define PAWL_DB_BLOCKER_H

#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

typedef enum blocker_phase
{
	BLOCKER_NONE,       /* no second connection */
	BLOCKER_CONNECTING, /* it is being made */
	BLOCKER_ASKING      /* its answer is being read */
} blocker_phase;

typedef struct blocker
{
	bool armed;      /* a call waits that may be looked after */
	int64_t next_ms; /* when to look; when the look is given up */
	int pause_ms;    /* from a look that found no wait to the next */

	int pid;     /* of the backend, as the server says; 0: not known */
	bool pooled; /* it is another one than libpq was told */

	blocker_phase phase;
	PGconn *pg;
	short events; /* that the second connection waits for */

	bool seen;         /* at the last look the backend waited for a lock */
	char relation[64]; /* "": not known */
	char holder[320];  /* a sentence about who holds it; "": nobody knows */
} blocker;

/* Around each exchange inside a transaction. */
void blocker_begin(db *conn);
void blocker_end(db *conn);

/*
 * For the loop that waits.  prepare: fills *fd (fd -1: none) and moves *until_ms closer
 * when something is due before; advance: after that poll.
 */
void blocker_prepare(const db *conn, struct pollfd *fd, int64_t *until_ms);
void blocker_advance(db *conn, short revents);

/*
 * Whether the backend's pid is wanted before the exchange ends: it is not known yet, or
 * a pooler may have changed it.
 */
bool blocker_wants_pid(const db *conn);

/*
 * What the server calls the backend, in the last column of a row: another pid than
 * libpq's behind a pooler.
 */
void blocker_note_pid(db *conn, const PGresult *result);

/* A second connection to the server of the first, being made; NULL: out of memory. */
PGconn *blocker_connect(const db *conn);

/* Keep what the look answered (sql/queries/blocker.sql). */
void blocker_keep(blocker *b, const PGresult *result);

/*
 * A statement that waited too long for a lock: rewrites what report_result made of it,
 * so that it names relation and holder; any other error is left as it is.
 */
void blocker_explain(const db *conn, const PGresult *result, int64_t elapsed_ms,
                     pawl_error *error);

/*
 * Of several tries of one statement: *best is the last error that knew the holder, which
 * a later one that does not know it, or took too long, is replaced by: the last try is
 * often too short.
 */
void blocker_prefer_seen(const db *conn, pawl_error *best, pawl_error *error);

#endif
