/*
 * up.c - `pawl up`: a private PostgreSQL, the schema, a worker
 *
 * This process tends the server and the worker's process, and has no threads: it waits
 * in poll for a signal, the server's end, the worker's end and the guard's end.  The
 * server outlives a worker that dies; nothing outlives this process, whichever way it
 * ends.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/talk.h"
#include "cli/up_worker.h"
#include "db/migrate.h"
#include "embed/embed.h"

/* A worker that dies is started again after this time. */
#define RESTART_MS 1000

typedef struct up_options
{
	worker_flags flags;
	const char *directory;
	bool no_work;
} up_options;

static const up_options UP_DEFAULTS = {.flags = WORKER_FLAGS_DEFAULT};

static const option_spec UP_OPTIONS[] = {
	{.name = "directory",
     .letter = 'D',
     .type = OPTION_TEXT,
     .offset = offsetof(up_options, directory),
     .value = "DIR",
     .help = "where the data are: $PAWL_DATA, else /var/lib/pawl for root, else "
             "~/.local/share/pawl"},
	WORKER_OPTIONS(offsetof(up_options, flags)),
	{.name = "no-work",
     .type = OPTION_FLAG,
     .offset = offsetof(up_options, no_work),
     .help = "no worker, only the server"},
	OPTIONS_END,
};

/* One run of the command. */
typedef struct up
{
	const command_call *call;
	const up_options *options;
	guard *guard;
	embed *embed;
	up_worker worker;
	bool works;         /* there is to be a worker */
	int64_t restart_ms; /* when to start it again; CLOCK_NEVER */
	int stop_fd;
	bool stopping;
	bool gave_up; /* the server and the guard are tended no more */
	int code;
} up;

/* ------------------------------------------------------------ beginning ---------- */

static pawl_status
start_server(up *u, pawl_error *error)
{
	embed_options options = {
		.directory = u->options->directory,
		.started = guard_server_started,
		.ended = guard_server_ended,
		.closure = u->guard,
		.notice = talk_notice,
		.stop_fd = u->stop_fd,
	};

	return embed_start(&options, &u->embed, error);
}

static void
tell_step(const char *text, void *closure)
{
	(void) closure;
	talk("%s", text);
}

static pawl_status
migrate(up *u, pawl_error *error)
{
	auto_session *own_db = NULL;
	pawl_status status = db_new(embed_conninfo(u->embed), "cli", "up", &own_db, error);

	return status == PAWL_OK ? migrate_up(own_db, 0, tell_step, NULL, error) : status;
}

/* What programs read, on stdout, and what people read. */
static int
tell_ready(const up *u)
{
	const char *conninfo = embed_conninfo(u->embed);

	(void) printf("ready: %s\n", conninfo);
	talk("connect by: psql \"%s\"", conninfo);
	if (!u->works)
		talk("no worker is started");
	talk("end it by Ctrl-C or SIGTERM");
	return output_check();
}

static pawl_status
start_worker(up *u, pawl_error *error)
{
	u->restart_ms = CLOCK_NEVER;
	return up_worker_start(&u->options->flags, embed_conninfo(u->embed),
	                       u->call->common.quiet, &u->worker, error);
}

/* ------------------------------------------------------------ tending ------------ */

static void
give_up(up *u, const pawl_error *error)
{
	int code = talk_error(error);

	if (u->code == 0)
		u->code = code;
	u->stopping = true;
	u->gave_up = true;
	up_worker_stop(&u->worker);
}

/* Would the same settings end it again?  It has told why. */
static bool
is_final(int how)
{
	return WIFEXITED(how) &&
	       (WEXITSTATUS(how) == EXIT_USAGE || WEXITSTATUS(how) == EXIT_SCHEMA);
}

static void
worker_ended(up *u)
{
	int how = up_worker_reap(&u->worker);

	if (u->stopping)
		return;
	if (is_final(how))
	{
		u->code = WEXITSTATUS(how);
		u->stopping = true;
		return;
	}
	if (WIFSIGNALED(how))
		talk("the worker was ended by signal %d; it is started again", WTERMSIG(how));
	else
		talk("the worker ended with exit code %d; it is started again",
		     WEXITSTATUS(how));
	u->restart_ms = clock_ms() + RESTART_MS;
}

static void
tend(up *u, const struct pollfd *fds)
{
	pawl_error error;

	if (fds[0].revents != 0)
	{
		signals_taken(u->stop_fd);
		u->stopping = true;
		up_worker_stop(&u->worker);
	}
	/* a stop while the server starts again is the signal's, which stands in stop_fd */
	if (fds[1].revents != 0 && embed_tend(u->embed, &error) != PAWL_OK &&
	    error.status != PAWL_ERR_TIMEOUT)
		give_up(u, &error);
	if (fds[2].revents != 0 && guard_renew(u->guard, &error) != PAWL_OK)
		give_up(u, &error);
	if (u->worker.pid > 0 && fds[3].revents != 0)
		worker_ended(u);
	if (!u->stopping && clock_ms() >= u->restart_ms &&
	    start_worker(u, &error) != PAWL_OK)
		give_up(u, &error);
}

/* Until it is told to stop and the worker has ended. */
static void
watch(up *u)
{
	while (!u->stopping || u->worker.pid > 0)
	{
		struct pollfd fds[] = {
			{.fd = u->stop_fd, .events = POLLIN},
			{.fd = u->gave_up ? -1 : embed_fd(u->embed), .events = POLLIN},
			{.fd = u->gave_up ? -1 : guard_fd(u->guard), .events = POLLIN},
			{.fd = u->worker.pid > 0 ? u->worker.fd : -1, .events = POLLIN},
		};

		if (poll(fds, sizeof(fds) / sizeof(fds[0]), clock_poll_ms(u->restart_ms)) < 0 &&
		    errno != EINTR)
			break;
		tend(u, fds);
	}
}

/* ------------------------------------------------------------ the command -------- */

/* From the server's start to its end. */
static int
run_server(up *u)
{
	pawl_error error;
	pawl_status status = start_server(u, &error);

	if (status == PAWL_OK)
		status = migrate(u, &error);
	if (status == PAWL_OK && u->works)
		status = start_worker(u, &error);
	if (status == PAWL_ERR_TIMEOUT && u->embed == NULL)
	{
		talk("stopped before the server was ready");
		u->code = 0;
	}
	else if (status != PAWL_OK)
		u->code = talk_error(&error);
	else
	{
		u->code = tell_ready(u);
		watch(u);
	}
	if (u->embed != NULL)
		embed_stop(u->embed);
	return u->code;
}

static int
run_guarded(up *u)
{
	pawl_error error;
	int code;

	if (guard_start(&u->guard, &error) != PAWL_OK)
		return talk_error(&error);
	if (signals_to_fd(&u->stop_fd, &error) != PAWL_OK)
		code = talk_error(&error);
	else
		code = run_server(u);
	signals_default();
	guard_free(u->guard);
	return code;
}

static int
run_up(const command_call *call)
{
	const up_options *options = call->options;
	up u = {
		.call = call,
		.options = options,
		.worker = {0, -1},
		.restart_ms = CLOCK_NEVER,
		.stop_fd = -1,
	};
	worker_config config = {0};
	pawl_error error;

	/* settings that no worker would start with are refused before anything is made */
	if (worker_settings(&options->flags, &config, &error) != PAWL_OK)
		return talk_error(&error);
	u.works = !options->no_work && config.n_handlers > 0;
	config_free(&config);
	return run_guarded(&u);
}

const cli_command COMMAND_UP = {
	.name = "up",
	.synopsis = "[-D DIR] [-H KIND=COMMAND]... [OPTION]...",
	.summary = "run a PostgreSQL of its own, with the schema and a worker",
	.description =
		"Make a PostgreSQL cluster in a directory of Pawl's own unless there is one, "
		"start\n"
		"it, bring its schema up to date, show one line\n"
		"\n"
		"  ready: host=... dbname=pawl user=pawl\n"
		"\n"
		"on standard output, and run a worker if there are handlers (see `pawl work\n"
		"--help`).  The server listens on a unix socket alone and ends with this "
		"program,\n"
		"whichever way that ends.  Started by root, the server runs as user pawl if "
		"there\n"
		"is one, else as postgres.  SIGTERM and SIGINT drain the worker and stop the\n"
		"server.",
	.options = UP_OPTIONS,
	.defaults = &UP_DEFAULTS,
	.size = sizeof(up_options),
	.run = run_up,
};
