/*
 * connection.h - inside of a db: for the files of src/db alone
 *
 * States.  CLOSED: no PGconn.  IDLE: open, no transaction, nothing in flight.  BEGUN:
 * db_begin was called, nothing was sent yet.  OPEN: the server has a transaction of
 * ours.  LENT: the same, and somebody else uses the PGconn (db/lend.c).  A connection
 * whose state is anything else is closed at once.
 */
#ifndef PAWL_DB_CONNECTION_H
#define PAWL_DB_CONNECTION_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "db/blocker.h"
#include "db/db.h"
#include "db/doubt.h"
#include "db/lend.h"
#include "db/named.h"

/* Channels of one connection: the doorbells of its queues, or the cancel bell. */
#define CHANNELS_MAX LIMIT_QUEUES

typedef enum db_state
{
	DB_CLOSED,
	DB_IDLE,
	DB_BEGUN,
	DB_OPEN,
	DB_LENT
} db_state;

struct db
{
	char *conninfo;
	char *application_name;
	char *watch_name;        /* of the second connection; see db/blocker.h */
	_Atomic uintptr_t owner; /* the thread that first used it; 0: none yet */

	PGconn *pg;
	db_state state;
	db_limits limits; /* of the transaction in BEGUN, OPEN and LENT */
	doubt_mark mark;  /* of that transaction; see db/doubt.h */
	db_loan loan;     /* of that transaction; see db/lend.h */

	blocker blocker; /* who blocked the last call; see db/blocker.h */
	named_set named; /* what the session has prepared */

	char *channels[CHANNELS_MAX]; /* LISTENed to at each opening */
	int channel_count;
	bool notified;  /* a notification came that db_wait has not told yet */
	uint64_t heard; /* how many have come in all */
};

/*
 * Each use asserts the owner: prints one line and ends the process.  In release builds
 * too, because libpq is not instrumented and no sanitizer would see two threads in it.
 */
#define ASSERT_OWNER(conn) connection_assert_owner((conn), __func__)
void connection_assert_owner(db *conn, const char *function);

/* Open by deadline_ms (CLOCK_BOOTTIME), though at least one address is tried. */
PAWL_CHECK pawl_status connection_open(db *conn, int64_t deadline_ms,
                                       pawl_error *error);

/*
 * Leave it open and IDLE: opens it when it is closed or the server has hung up since;
 * renews LISTEN after an opening.
 */
PAWL_CHECK pawl_status connection_ready(db *conn, int64_t deadline_ms,
                                        pawl_error *error);

/* IDLE and not hung up; else it is closed, and the error says so. */
PAWL_CHECK pawl_status connection_same(db *conn, pawl_error *error);

/* Note notifications that libpq has read; keeps none. */
void connection_drain(db *conn);

#endif
