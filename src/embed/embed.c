/*
 * embed.c - the private PostgreSQL of `pawl up`: start, tend, stop
 *
 * Owned by the thread that calls embed_start.  Each wait is a poll on the server's
 * pidfd and the caller's stop_fd, with a deadline.
 */
#include "embed/embed.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "db/db.h"
#include "embed/cluster.h"
#include "embed/former.h"

#define ATTEMPTS 5            /* starts in a row that may end before it is ready */
#define BACKOFF_MS 250        /* before the second; doubled each time */
#define READY_MS (15 * 60000) /* recovery reads the WAL since the last checkpoint */
#define ASK_MS 50             /* between two attempts to connect */
#define SAY_MS 10000          /* after this it tells people that it waits */
#define FAST_MS 10000         /* of a fast shutdown */
#define IMMEDIATE_MS 5000     /* of an immediate one */
#define LOG_TAIL 800

struct embed
{
	embed_options options;
	identity who;
	home home;
	programs programs;
	cluster cluster; /* points to the above */
	process server;
	int64_t log_offset; /* of the log when the server was started */
	char conninfo[LIMIT_SOCKET_DIRECTORY + 64];
};

/* ------------------------------------------------------------ ready -------------- */

static pawl_status
stopped(pawl_error *error)
{
	return error_set(error, PAWL_ERR_TIMEOUT, "stopped before the server was ready");
}

/* Errors of a server that is up but will not let us in, now or later. */
static bool
is_final(const pawl_error *error)
{
	return strncmp(error->sqlstate, "28", 2) == 0 ||
	       strncmp(error->sqlstate, "3D", 2) == 0;
}

/*
 * Until it accepts a connection.  ERR_CONNECTION: it ended; ERR_TIMEOUT: stop_fd;
 * anything else is final.
 */
static pawl_status
wait_ready(embed *e, db *probe, pawl_error *error)
{
	int64_t deadline_ms = clock_ms() + READY_MS;
	int64_t say_ms = clock_ms() + SAY_MS;

	while (clock_ms() < deadline_ms)
	{
		process_event event;

		if (db_open(probe, error) == PAWL_OK)
			return PAWL_OK;
		if (is_final(error))
			return error->status;
		event = process_wait(&e->server, clock_ms() + ASK_MS, e->options.stop_fd);
		if (event == PROCESS_STOP)
			return stopped(error);
		if (event == PROCESS_ENDED)
			return error_set(error, PAWL_ERR_CONNECTION, "the server ended");
		if (clock_ms() < say_ms)
			continue;
		cluster_notice(&e->cluster, PAWL_WARN, "waiting for the server: %s",
		               error->message);
		say_ms = clock_ms() + SAY_MS;
	}
	return error_set(error, PAWL_ERR_SYSTEM,
	                 "the server did not accept a connection for %d minutes",
	                 READY_MS / 60000);
}

static pawl_status
probe(embed *e, pawl_error *error)
{
	db *connection = NULL;
	pawl_status status = db_new(e->conninfo, "embed", "up", &connection, error);

	if (status == PAWL_OK)
		status = wait_ready(e, connection, error);
	db_free(connection);
	return status;
}

/* ------------------------------------------------------------ start -------------- */

static pawl_status
launch_server(embed *e, pawl_error *error)
{
	char postgres[PATH_MAX];
	char data[PATH_MAX];
	char log[PATH_MAX];
	char sockets[sizeof(e->home.socket) + 32];
	char *const argv[] = {
		postgres,
		(char *) "-D",
		data,
		(char *) "-clisten_addresses=",
		(char *) "-cport=5432",
		sockets,
		(char *) "-cunix_socket_permissions=0700",
		(char *) "-cmax_connections=200",
		(char *) "-clogging_collector=off",
		(char *) "-clog_destination=stderr",
		(char *) "-clog_line_prefix=%m [%p] %q%a ",
		(char *) "-ccluster_name=pawl",
		NULL,
	};
	launch order = {.argv = argv, .log = log, .who = &e->who, .options = &e->options};

	snprintf(postgres, sizeof(postgres), "%.*s/postgres", PATH_MAX - 32,
	         e->programs.directory);
	snprintf(data, sizeof(data), "%.*s/data", PATH_MAX - 32, e->home.path);
	snprintf(log, sizeof(log), "%.*s/log", PATH_MAX - 32, e->home.path);
	snprintf(sockets, sizeof(sockets), "-cunix_socket_directories=%s", e->home.socket);
	home_rotate_log(&e->home);
	e->log_offset = home_log_size(&e->home);
	return process_start(&order, &e->server, error);
}

/* Ever more firmly, until it has ended. */
static void
end_server(embed *e)
{
	static const struct
	{
		int number;
		int patience_ms;
	} steps[] = {{SIGINT, FAST_MS}, {SIGQUIT, IMMEDIATE_MS}, {SIGKILL, -1}};
	char how[64];

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		int64_t deadline_ms =
			steps[i].patience_ms < 0 ? CLOCK_NEVER : clock_ms() + steps[i].patience_ms;

		process_signal(&e->server, steps[i].number);
		if (process_wait(&e->server, deadline_ms, -1) == PROCESS_ENDED)
			break;
	}
	(void) process_reap(&e->server, &e->options, how, sizeof(how));
}

/*
 * One start.  ERR_CONNECTION: it ended before it was ready (worth another one: after
 * a kill -9 the old server's last processes may still be there).  After any failure
 * nothing runs.
 */
static pawl_status
start_once(embed *e, pawl_error *error)
{
	auto_buffer tail = BUFFER_INIT;
	char how[64];
	pawl_status status = former_end_server(&e->cluster, error);

	if (status == PAWL_OK)
		status = launch_server(e, error);
	if (status != PAWL_OK)
		return status;
	status = probe(e, error);
	if (status == PAWL_OK)
		return PAWL_OK;
	if (status != PAWL_ERR_CONNECTION)
	{
		end_server(e);
		return status;
	}
	(void) process_reap(&e->server, &e->options, how, sizeof(how));
	error_set(error, PAWL_ERR_CONNECTION, "the server ended at its start: %s", how);
	home_log_tail(&e->home, e->log_offset, LOG_TAIL, &tail);
	if (buffer_ok(&tail) && tail.length > 0)
		error_detail(error, "%s", tail.data);
	return PAWL_ERR_CONNECTION;
}

static pawl_status
start_server(embed *e, pawl_error *error)
{
	const process nothing = PROCESS_INIT;
	pawl_error own;

	if (error == NULL)
		error = &own;
	for (int i = 0; i < ATTEMPTS; i++)
	{
		int64_t pause_ms = random_jitter((int64_t) BACKOFF_MS << i, 20);
		pawl_status status = start_once(e, error);

		if (status == PAWL_OK)
			cluster_notice(&e->cluster, PAWL_INFO,
			               "PostgreSQL runs in \"%s\", process %d", e->home.path,
			               (int) e->server.pid);
		if (status != PAWL_ERR_CONNECTION)
			return status;
		if (i + 1 < ATTEMPTS && process_wait(&nothing, clock_ms() + pause_ms,
		                                     e->options.stop_fd) == PROCESS_STOP)
			return stopped(error);
	}
	if (error->status == PAWL_ERR_CONNECTION)
		error->status = PAWL_ERR_SYSTEM;
	return error->status;
}

static pawl_status
prepare(embed *e, pawl_error *error)
{
	pawl_status status = identity_find(&e->who, error);

	if (status == PAWL_OK)
		status = home_open(e->options.directory, &e->who, &e->home, error);
	if (status == PAWL_OK)
		status = programs_find(home_cluster_version(&e->home), &e->programs, error);
	if (status != PAWL_OK)
		return status;
	snprintf(e->conninfo, sizeof(e->conninfo),
	         "host=%s port=5432 dbname=pawl user=pawl", e->home.socket);
	if (home_cluster_version(&e->home) == 0)
		status = cluster_make(&e->cluster, error);
	return status;
}

/* What of libpq's environment leads elsewhere, or asks more than a socket has. */
static void
forget_environment(void)
{
	static const char *const names[] = {
		"PGHOSTADDR",       "PGSERVICE",       "PGSERVICEFILE", "PGTARGETSESSIONATTRS",
		"PGCHANNELBINDING", "PGGSSENCMODE",    "PGREQUIREPEER", "PGREQUIREAUTH",
		"PGREQUIRESSL",     "PGSSLNEGOTIATION"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void) unsetenv(names[i]);
}

pawl_status
embed_start(const embed_options *options, embed **ret_embed, pawl_error *error)
{
	embed *e = calloc(1, sizeof(*e));
	pawl_status status;

	if (e == NULL)
		return error_memory(error);
	forget_environment();
	e->options = *options;
	e->home = (home) HOME_INIT;
	e->server = (process) PROCESS_INIT;
	e->cluster = (cluster){
		.home = &e->home,
		.programs = &e->programs,
		.who = &e->who,
		.options = &e->options,
	};
	status = prepare(e, error);
	if (status == PAWL_OK)
		status = start_server(e, error);
	e->options.directory = NULL; /* the caller's string */
	if (status != PAWL_OK)
	{
		embed_stop(e);
		return status;
	}
	*ret_embed = e;
	return PAWL_OK;
}

/* ------------------------------------------------------------ running ------------ */

const char *
embed_conninfo(const embed *e)
{
	return e->conninfo;
}

const char *
embed_directory(const embed *e)
{
	return e->home.path;
}

int
embed_fd(const embed *e)
{
	return e->server.fd;
}

pawl_status
embed_tend(embed *e, pawl_error *error)
{
	char how[64];

	if (e->server.pid > 0)
	{
		if (process_wait(&e->server, clock_ms(), -1) != PROCESS_ENDED)
			return PAWL_OK;
		(void) process_reap(&e->server, &e->options, how, sizeof(how));
		cluster_notice(&e->cluster, PAWL_WARN,
		               "the server ended by itself (%s); it is started again", how);
	}
	return start_server(e, error);
}

void
embed_stop(embed *e)
{
	if (e == NULL)
		return;
	if (e->server.pid > 0)
		end_server(e);
	home_close(&e->home);
	free(e);
}
