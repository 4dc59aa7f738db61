/*
 * blocker.c - looks who blocks a call, while the call waits; see blocker.h
 *
 * Runs on the thread that owns the connection.
 */
#include "db/blocker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "db/connection.h"
#include "db/embedded.h"

/* A wait is long when it has gone on for so long; and from look to look. */
#define LONG_WAIT_MS 1000
#define SHORTEST_WAIT_MS 50 /* however short the lock_timeout is */

/* A look may take so long, and its statement. */
#define LOOK_MS 500
#define SETTINGS_SQL                                                                   \
	"SELECT pg_catalog.set_config('statement_timeout', '400', true), "                 \
	"pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)"

static int
first_pause(const db *conn)
{
	int half = conn->limits.lock_timeout_ms / 2;

	if (half < SHORTEST_WAIT_MS)
		return SHORTEST_WAIT_MS;
	return half < LONG_WAIT_MS ? half : LONG_WAIT_MS;
}

static void
hang_up(blocker *b)
{
	PQfinish(b->pg);
	b->pg = NULL;
	b->phase = BLOCKER_NONE;
}

void
blocker_begin(db *conn)
{
	blocker *b = &conn->blocker;

	assert(b->phase == BLOCKER_NONE);
	if (b->pooled && conn->state == DB_BEGUN)
		b->pid = 0; /* another backend's, perhaps */
	b->armed = true;
	b->seen = false;
	b->next_ms = clock_ms() + first_pause(conn);

	/* A wait that begins later is still seen before its lock_timeout ends it. */
	b->pause_ms = conn->limits.lock_timeout_ms / 2;
	if (b->pause_ms < LONG_WAIT_MS)
		b->pause_ms = LONG_WAIT_MS;
}

void
blocker_end(db *conn)
{
	conn->blocker.armed = false;
	hang_up(&conn->blocker);
}

bool
blocker_wants_pid(const db *conn)
{
	return conn->blocker.pid == 0;
}

void
blocker_note_pid(db *conn, const PGresult *result)
{
	blocker *b = &conn->blocker;

	b->pid = (int) strtol(PQgetvalue(result, 0, PQnfields(result) - 1), NULL, 10);
	if (conn->pg != NULL && b->pid != PQbackendPID(conn->pg))
		b->pooled = true;
}

/* ---------------------------------------------------------------- one look ------ */

static void
over(blocker *b)
{
	hang_up(b);
	b->next_ms = clock_ms() + (b->seen ? LONG_WAIT_MS : b->pause_ms);
}

static void
start(db *conn)
{
	blocker *b = &conn->blocker;

	if (b->pid != 0)
		b->pg = blocker_connect(conn);
	b->phase = BLOCKER_CONNECTING;
	b->events = POLLOUT;
	b->next_ms = clock_ms() + LOOK_MS;
	if (b->pg == NULL || PQstatus(b->pg) == CONNECTION_BAD)
		over(b);
}

static bool
send_question(const blocker *b)
{
	const embedded_file *query = embedded_find(&EMBEDDED_QUERIES, "blocker");
	char pid[12];
	const char *const values[] = {pid};

	assert(query != NULL);
	snprintf(pid, sizeof(pid), "%d", b->pid);
	return PQsetnonblocking(b->pg, 1) == 0 && PQenterPipelineMode(b->pg) == 1 &&
	       PQsendQueryParams(b->pg, SETTINGS_SQL, 0, NULL, NULL, NULL, NULL, 0) == 1 &&
	       PQsendQueryParams(b->pg, query->text, 1, NULL, values, NULL, NULL, 0) == 1 &&
	       PQpipelineSync(b->pg) == 1;
}

/* What has arrived; false when the look is over. */
static bool
read_answer(blocker *b, short revents)
{
	if (PQflush(b->pg) < 0)
		return false;
	if ((revents & ~POLLOUT) != 0 && PQconsumeInput(b->pg) != 1)
		return false;
	for (int nothing = 0; nothing < 2 && !PQisBusy(b->pg);)
	{
		PGresult *result = PQgetResult(b->pg);
		ExecStatusType status = PQresultStatus(result);

		nothing = result == NULL ? nothing + 1 : 0;
		if (status == PGRES_TUPLES_OK && PQnfields(result) > 2)
			blocker_keep(b, result);
		PQclear(result);
		if (status == PGRES_PIPELINE_SYNC || PQstatus(b->pg) == CONNECTION_BAD)
			return false;
	}
	return true;
}

static void
connect_further(blocker *b)
{
	switch (PQconnectPoll(b->pg))
	{
		case PGRES_POLLING_READING:
			b->events = POLLIN;
			break;
		case PGRES_POLLING_WRITING:
			b->events = POLLOUT;
			break;
		case PGRES_POLLING_OK:
			b->phase = BLOCKER_ASKING;
			if (!send_question(b))
				over(b);
			break;
		default:
			over(b);
			break;
	}
}

void
blocker_prepare(const db *conn, struct pollfd *fd, int64_t *until_ms)
{
	const blocker *b = &conn->blocker;

	*fd = (struct pollfd){.fd = -1};
	if (!b->armed)
		return;
	if (b->next_ms < *until_ms)
		*until_ms = b->next_ms;
	if (b->phase == BLOCKER_CONNECTING)
		*fd = (struct pollfd){.fd = PQsocket(b->pg), .events = b->events};
	else if (b->phase == BLOCKER_ASKING)
		*fd = (struct pollfd){.fd = PQsocket(b->pg), .events = POLLIN};
	if (b->phase == BLOCKER_ASKING && PQflush(b->pg) > 0)
		fd->events |= POLLOUT;
}

void
blocker_advance(db *conn, short revents)
{
	blocker *b = &conn->blocker;

	if (!b->armed)
		return;
	if (revents == 0 && clock_ms() >= b->next_ms)
	{
		if (b->phase == BLOCKER_NONE)
			start(conn);
		else
			over(b);
	}
	else if (revents != 0 && b->phase == BLOCKER_CONNECTING)
		connect_further(b);
	else if (revents != 0 && b->phase == BLOCKER_ASKING && !read_answer(b, revents))
		over(b);
}
