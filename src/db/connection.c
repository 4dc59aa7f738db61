/*
 * connection.c - opening and closing; the owner of a connection
 *
 * PQconnectdbParams is used rather than its asynchronous sister, because it tries the
 * addresses of several hosts each with a time of its own.  Every setting goes as a
 * startup parameter that poolers know; none as "options".
 */
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/listen.h"
#include "db/report.h"
#include "db/settings.h"

/*
 * Seconds for each address of a host unless conninfo says otherwise: a SYN is sent
 * again after 1, 3 and 7 s.
 */
#define CONNECT_TIMEOUT_S 10
#define CONNECT_TIMEOUT_MIN_S 2 /* libpq rounds up to that */

/* ---------------------------------------------------------------- owner --------- */

void
connection_assert_owner(db *conn, const char *function)
{
	uintptr_t self = (uintptr_t) pthread_self();
	uintptr_t nobody = 0;

	if (atomic_load_explicit(&conn->owner, memory_order_relaxed) == self)
		return;
	if (atomic_compare_exchange_strong(&conn->owner, &nobody, self))
		return;
	fprintf(stderr,
	        "pawl: connection \"%s\" used by another thread than its owner: %s\n",
	        conn->application_name, function);
	abort();
}

/* ---------------------------------------------------------------- new, free ----- */

/* Free what PQconninfoParse allocated. */
static void
free_options(PQconninfoOption **options)
{
	PQconninfoFree(*options);
}
#define auto_options __attribute__((cleanup(free_options)))

static pawl_status
check_conninfo(const char *conninfo, pawl_error *error)
{
	char *message = NULL;
	auto_options PQconninfoOption *options = PQconninfoParse(conninfo, &message);

	if (options == NULL && message == NULL)
		return error_memory(error);
	if (options == NULL)
	{
		size_t length = strcspn(message, "\n");

		error_set(error, PAWL_ERR_ARGUMENT, "invalid connection string: %.*s",
		          (int) length, message);
		PQfreemem(message);
		return PAWL_ERR_ARGUMENT;
	}
	return PAWL_OK;
}

static char *
application_name(const char *role, const char *label)
{
	char *name = NULL;
	bool labelled = label != NULL && label[0] != '\0';

	if (asprintf(&name, "pawl %s%s%s", role, labelled ? " " : "",
	             labelled ? label : "") < 0)
		return NULL;
	return name;
}

pawl_status
db_new(const char *conninfo, const char *role, const char *label, db **ret_db,
       pawl_error *error)
{
	pawl_status status;
	db *made;

	assert(role != NULL);
	if (conninfo == NULL)
		conninfo = "";
	status = check_conninfo(conninfo, error);
	if (status != PAWL_OK)
		return status;

	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return error_memory(error);
	made->conninfo = strdup(conninfo);
	made->application_name = application_name(role, label);
	made->watch_name = application_name("watch", label);
	if (made->conninfo == NULL || made->application_name == NULL ||
	    made->watch_name == NULL)
	{
		db_free(made);
		return error_memory(error);
	}
	*ret_db = made;
	return PAWL_OK;
}

static void
close_connection(db *conn)
{
	PQfinish(conn->blocker.pg);
	conn->blocker = (blocker){.pooled = conn->blocker.pooled};
	named_forget(&conn->named);
	PQfinish(conn->pg);
	conn->pg = NULL;
	conn->state = DB_CLOSED;
	conn->loan = (db_loan){0};
}

void
db_free(db *conn)
{
	if (conn == NULL)
		return;
	close_connection(conn);
	for (int i = 0; i < conn->channel_count; i++)
		free(conn->channels[i]);
	free(conn->watch_name);
	free(conn->application_name);
	free(conn->conninfo);
	free(conn);
}

void
db_close(db *conn)
{
	ASSERT_OWNER(conn);
	close_connection(conn);
}

/* ---------------------------------------------------------------- opening ------- */

/* What conninfo does not say: see connect_with. */
static const char *const OURS[] = {
	"client_encoding",
	"connect_timeout",
	"fallback_application_name",
	NULL,
};

/* Seconds for an address: the user's or ours, no longer than until deadline_ms. */
static long
choose_timeout(const char *wanted, int64_t deadline_ms)
{
	long seconds = wanted != NULL ? strtol(wanted, NULL, 10) : 0;
	int64_t left =
		deadline_ms == CLOCK_NEVER ? INT64_MAX : (deadline_ms - clock_ms()) / 1000;

	if (seconds <= 0)
		seconds = CONNECT_TIMEOUT_S;
	if (left < seconds)
		seconds = (long) left;
	return seconds < CONNECT_TIMEOUT_MIN_S ? CONNECT_TIMEOUT_MIN_S : seconds;
}

/* NULL: out of memory. */
static PGconn *
connect_with(const db *conn, int64_t deadline_ms)
{
	auto_settings s = SETTINGS_INIT;
	const char *wanted;
	char timeout[24];

	if (!settings_begin(&s, conn->conninfo, OURS))
		return NULL;
	wanted = settings_value(&s, "connect_timeout");
	if (wanted == NULL)
		wanted = getenv("PGCONNECT_TIMEOUT");
	snprintf(timeout, sizeof(timeout), "%ld", choose_timeout(wanted, deadline_ms));
	settings_add(&s, "connect_timeout", timeout);
	settings_add(&s, "client_encoding", "UTF8");
	settings_add(&s, "fallback_application_name", conn->application_name);
	return PQconnectdbParams(s.keywords, s.values, 0);
}

pawl_status
connection_open(db *conn, int64_t deadline_ms, pawl_error *error)
{
	assert(conn->state == DB_CLOSED && conn->pg == NULL);
	conn->pg = connect_with(conn, deadline_ms);
	if (conn->pg == NULL)
		return error_memory(error);
	if (PQstatus(conn->pg) != CONNECTION_OK || PQsetnonblocking(conn->pg, 1) != 0 ||
	    PQenterPipelineMode(conn->pg) != 1)
	{
		report_connect(error, conn->pg);
		close_connection(conn);
		return PAWL_ERR_CONNECT;
	}
	settings_ignore_notices(conn->pg);
	conn->state = DB_IDLE;
	return PAWL_OK;
}

/* The server may have hung up on an idle connection: all that it sent is read. */
static bool
still_there(db *conn)
{
	struct pollfd fd = {.fd = PQsocket(conn->pg), .events = POLLIN};

	while (poll(&fd, 1, 0) > 0)
	{
		if (PQconsumeInput(conn->pg) != 1)
			return false;
		connection_drain(conn);
	}
	return PQstatus(conn->pg) == CONNECTION_OK;
}

pawl_status
connection_ready(db *conn, int64_t deadline_ms, pawl_error *error)
{
	pawl_status status;

	assert(conn->state == DB_IDLE || conn->state == DB_CLOSED);
	if (conn->state == DB_IDLE && still_there(conn))
		return PAWL_OK;
	close_connection(conn);
	status = connection_open(conn, deadline_ms, error);
	if (status == PAWL_OK)
		status = listen_renew(conn, error);
	return status;
}

pawl_status
connection_same(db *conn, pawl_error *error)
{
	assert(conn->state == DB_IDLE || conn->state == DB_CLOSED);
	if (conn->state == DB_IDLE && still_there(conn))
		return PAWL_OK;
	close_connection(conn);
	return error_set(error, PAWL_ERR_CONNECTION, "the connection was lost");
}

pawl_status
db_open(db *conn, pawl_error *error)
{
	ASSERT_OWNER(conn);
	assert(conn->state != DB_LENT);
	if (conn->state == DB_BEGUN || conn->state == DB_OPEN)
		return PAWL_OK;
	return connection_ready(conn, CLOCK_NEVER, error);
}

/* ---------------------------------------------------------------- questions ----- */

bool
db_is_open(const db *conn)
{
	return conn->pg != NULL;
}

int
db_backend_pid(const db *conn)
{
	return conn->pg != NULL ? PQbackendPID(conn->pg) : 0;
}

int
db_socket(const db *conn)
{
	return conn->pg != NULL ? PQsocket(conn->pg) : -1;
}

int
db_server_version(const db *conn)
{
	return conn->pg != NULL ? PQserverVersion(conn->pg) : 0;
}

bool
db_is_pooled(const db *conn)
{
	return conn->blocker.pooled;
}

uint64_t
db_heard(const db *conn)
{
	return conn->heard;
}

void
connection_drain(db *conn)
{
	PGnotify *notify;

	while ((notify = PQnotifies(conn->pg)) != NULL)
	{
		conn->notified = true;
		conn->heard++;
		PQfreemem(notify);
	}
}
