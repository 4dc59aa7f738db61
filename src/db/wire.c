/*
 * wire.c - statements to the server and results back, each wait with a deadline
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "db/blocker.h"
#include "db/params.h"
#include "db/report.h"
#include "db/wire.h"

typedef enum wire_state
{
	WIRE_OK,
	WIRE_LOST,  /* libpq says why */
	WIRE_SILENT /* the deadline has passed */
} wire_state;

bool
wire_succeeded(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

void
wire_clear(wire_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		PQclear(steps[i].result);
		steps[i].result = NULL;
	}
}

/* ---------------------------------------------------------------- reading ------- */

/*
 * Write what is left to write and wait for the server to say something.  The one place
 * where a call waits; while it does, db/blocker.h may look who blocks it.
 */
static wire_state
pump(db *conn, int64_t deadline_ms)
{
	int unsent = PQflush(conn->pg);
	struct pollfd fds[2] = {{.fd = PQsocket(conn->pg), .events = POLLIN}};
	int64_t until_ms = deadline_ms;
	int ready;

	if (unsent < 0 || fds[0].fd < 0)
		return WIRE_LOST;
	if (unsent > 0)
		fds[0].events |= POLLOUT;
	blocker_prepare(conn, &fds[1], &until_ms);
	ready = poll(fds, 2, clock_poll_ms(until_ms));
	if (ready < 0)
		return errno == EINTR ? WIRE_OK : WIRE_LOST;
	if ((fds[0].revents & ~POLLOUT) != 0)
		return PQconsumeInput(conn->pg) == 1 ? WIRE_OK : WIRE_LOST;
	if (fds[0].revents != 0)
		return WIRE_OK;
	if (clock_ms() >= deadline_ms)
		return WIRE_SILENT;
	blocker_advance(conn, fds[1].revents);
	return WIRE_OK;
}

static wire_state
next_result(db *conn, int64_t deadline_ms, PGresult **ret_result)
{
	while (PQisBusy(conn->pg))
	{
		wire_state state = pump(conn, deadline_ms);

		if (state != WIRE_OK)
			return state;
	}
	*ret_result = PQgetResult(conn->pg);
	return WIRE_OK;
}

bool
wire_next(db *conn, int64_t deadline_ms, PGresult **ret_result)
{
	return next_result(conn, deadline_ms, ret_result) == WIRE_OK;
}

/*
 * Read results up to the NULL that ends a statement's; the first is kept.  A connection
 * that has broken ends the list early: what came before it is kept too.
 */
static wire_state
read_statement(db *conn, int64_t deadline_ms, PGresult **ret_first)
{
	for (;;)
	{
		PGresult *result = NULL;
		wire_state state = next_result(conn, deadline_ms, &result);

		if (state != WIRE_OK)
			return state;
		if (*ret_first == NULL)
			*ret_first = result;
		else
			PQclear(result);
		if (PQstatus(conn->pg) == CONNECTION_BAD)
			return WIRE_LOST;
		if (result == NULL)
			return *ret_first != NULL ? WIRE_OK : WIRE_LOST;
	}
}

static wire_state
read_sync(db *conn, int64_t deadline_ms)
{
	PGresult *result = NULL;
	wire_state state = next_result(conn, deadline_ms, &result);
	ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	if (state != WIRE_OK)
		return state;
	return status == PGRES_PIPELINE_SYNC ? WIRE_OK : WIRE_LOST;
}

/* ---------------------------------------------------------------- giving up ----- */

/* Close, and say why: the server's last words are better than libpq's. */
static pawl_status
give_up(db *conn, wire_state state, const wire_step *steps, size_t n, pawl_error *error)
{
	const PGresult *words = NULL;

	for (size_t i = 0; i < n && words == NULL; i++)
	{
		if (PQresultErrorField(steps[i].result, PG_DIAG_SQLSTATE) != NULL)
			words = steps[i].result;
	}
	if (state == WIRE_SILENT)
		error_set(error, PAWL_ERR_CONNECTION,
		          "the server did not answer in time; the connection was closed");
	else if (words != NULL)
		report_result(error, words, false);
	else
		report_lost(error, PQerrorMessage(conn->pg));
	if (error != NULL)
		error->status = PAWL_ERR_CONNECTION;
	db_close(conn);
	return PAWL_ERR_CONNECTION;
}

/* ---------------------------------------------------------------- exchange ------ */

/* By its name, which is prepared first if need be, or as it stands; false: lost. */
static bool
send_query(db *conn, wire_step *step, int count, const char *const *values)
{
	bool by_name = step->named && conn->blocker.pid != 0 && !conn->blocker.pooled &&
	               !conn->named.off &&
	               named_look_up(&conn->named, step->sql, &step->statement);

	if (!by_name)
		return PQsendQueryParams(conn->pg, step->sql, count, NULL, values, NULL, NULL,
		                         0) == 1;
	step->prepares = !step->statement.known;
	if (step->prepares &&
	    PQsendPrepare(conn->pg, step->statement.name, step->sql, 0, NULL) != 1)
		return false;
	return PQsendQueryPrepared(conn->pg, step->statement.name, count, values, NULL,
	                           NULL, 0) == 1;
}

static pawl_status
send_step(db *conn, wire_step *step, pawl_error *error)
{
	int count = params_count(step->params);
	auto_free const char **values = params_values(step->params);

	if (!params_ok(step->params) || (count > 0 && values == NULL))
	{
		db_close(conn);
		return error_memory(error);
	}
	if (step->syncs && PQpipelineSync(conn->pg) != 1)
		return give_up(conn, WIRE_LOST, NULL, 0, error);
	if (!send_query(conn, step, count, values))
		return give_up(conn, WIRE_LOST, NULL, 0, error);
	if (step->tells_pid && blocker_wants_pid(conn) && PQsendFlushRequest(conn->pg) != 1)
		return give_up(conn, WIRE_LOST, NULL, 0, error);
	return PAWL_OK;
}

/* A step whose statement could not be prepared has that for its result. */
static wire_state
read_step(db *conn, wire_step *step, int64_t deadline_ms)
{
	wire_state state = step->syncs ? read_sync(conn, deadline_ms) : WIRE_OK;

	if (state == WIRE_OK && step->prepares)
		state = read_statement(conn, deadline_ms, &step->result);
	if (state == WIRE_OK && wire_succeeded(step->result))
	{
		named_add(&conn->named, &step->statement);
		wire_clear(step, 1);
	}
	return state == WIRE_OK ? read_statement(conn, deadline_ms, &step->result) : state;
}

pawl_status
wire_exchange(db *conn, wire_step *steps, size_t n, int64_t deadline_ms,
              pawl_error *error)
{
	wire_state state = WIRE_OK;

	assert(conn->pg != NULL);
	assert(n > 0);
	for (size_t i = 0; i < n; i++)
	{
		pawl_status status = send_step(conn, &steps[i], error);

		if (status != PAWL_OK)
			return status;
	}
	if (PQpipelineSync(conn->pg) != 1)
		return give_up(conn, WIRE_LOST, steps, n, error);

	for (size_t i = 0; i < n && state == WIRE_OK; i++)
	{
		state = read_step(conn, &steps[i], deadline_ms);
		if (steps[i].tells_pid && PQntuples(steps[i].result) == 1)
			blocker_note_pid(conn, steps[i].result);
	}
	if (state == WIRE_OK)
		state = read_sync(conn, deadline_ms);
	if (state != WIRE_OK)
		return give_up(conn, state, steps, n, error);
	connection_drain(conn);
	return PAWL_OK;
}

/* ---------------------------------------------------------------- script -------- */

/* Read to the end; keep the first result that is an error. */
static wire_state
read_script(db *conn, int64_t deadline_ms, PGresult **ret_failed)
{
	for (;;)
	{
		PGresult *result = NULL;
		wire_state state = next_result(conn, deadline_ms, &result);

		if (state != WIRE_OK)
			return state;
		if (result == NULL)
			return PQstatus(conn->pg) == CONNECTION_OK ? WIRE_OK : WIRE_LOST;
		if (!wire_succeeded(result) && *ret_failed == NULL)
			*ret_failed = result;
		else
			PQclear(result);
		if (PQstatus(conn->pg) == CONNECTION_BAD)
			return WIRE_LOST;
	}
}

pawl_status
wire_script(db *conn, const char *sql, int64_t deadline_ms, PGresult **ret_failed,
            pawl_error *error)
{
	wire_step last = {.sql = sql};
	wire_state state;

	assert(conn->pg != NULL);
	if (PQexitPipelineMode(conn->pg) != 1 || PQsendQuery(conn->pg, sql) != 1)
		return give_up(conn, WIRE_LOST, NULL, 0, error);
	state = read_script(conn, deadline_ms, &last.result);
	if (state == WIRE_OK && PQenterPipelineMode(conn->pg) != 1)
		state = WIRE_LOST;
	if (state != WIRE_OK)
	{
		pawl_status status = give_up(conn, state, &last, 1, error);

		wire_clear(&last, 1);
		return status;
	}
	connection_drain(conn);
	*ret_failed = last.result;
	return PAWL_OK;
}
