/*
 * cluster.c - making the cluster
 */
#include "embed/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "embed/former.h"

#define MAKE_MS 120000 /* initdb takes seconds; a slow disk and its fsyncs more */
#define TAIL 800       /* bytes of the log that an error shows */

void
cluster_notice(const cluster *c, pawl_level level, const char *format, ...)
{
	char text[512];
	va_list arguments;

	if (c->options->notice == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	c->options->notice(level, text, c->options->notice_closure);
}

/* ------------------------------------------------------------ making ------------- */

/* DIR/name; too long is the caller's problem, seen by the program that gets it. */
static const char *
path_in(const cluster *c, const char *name, char *ret_path)
{
	snprintf(ret_path, PATH_MAX, "%.*s/%s", PATH_MAX - 32, c->home->path, name);
	return ret_path;
}

/* Runs a program to its end. */
static pawl_status
run(const cluster *c, char *const *argv, const char *input, pawl_error *error)
{
	char log[PATH_MAX];
	char mark[PATH_MAX];
	char how[64];
	process p = PROCESS_INIT;
	launch order = {.argv = argv,
	                .log = path_in(c, "log", log),
	                .input = input,
	                .mark = path_in(c, "data.new", mark),
	                .who = c->who,
	                .options = c->options};
	int64_t offset = home_log_size(c->home);
	pawl_status status = process_start(&order, &p, error);
	process_event event;
	auto_buffer tail = BUFFER_INIT;

	if (status != PAWL_OK)
		return status;
	event = process_wait(&p, clock_ms() + MAKE_MS, c->options->stop_fd);
	if (event != PROCESS_ENDED)
		process_signal(&p, SIGKILL);
	if (process_reap(&p, c->options, how, sizeof(how)))
		return PAWL_OK;
	if (event == PROCESS_STOP)
		return error_set(error, PAWL_ERR_TIMEOUT, "stopped while the cluster was made");
	error_set(error, PAWL_ERR_SYSTEM, "\"%s\" failed: %s", argv[0], how);
	home_log_tail(c->home, offset, TAIL, &tail);
	if (buffer_ok(&tail) && tail.length > 0)
		error_detail(error, "%s", tail.data);
	return PAWL_ERR_SYSTEM;
}

/* The program in the server's directory. */
static char *
program(const cluster *c, const char *name, char *ret_path)
{
	snprintf(ret_path, PATH_MAX, "%.*s/%s", PATH_MAX - 32, c->programs->directory,
	         name);
	return ret_path;
}

static pawl_status
remove_leftover(const cluster *c, char *path, pawl_error *error)
{
	struct stat found;

	if (fstatat(c->home->directory, "data.new", &found, AT_SYMLINK_NOFOLLOW) != 0)
		return PAWL_OK;
	cluster_notice(c, PAWL_INFO, "removing what an interrupted start left");
	return run(c, (char *[]){(char *) "/bin/rm", (char *) "-rf", path, NULL}, NULL,
	           error);
}

/* C.UTF-8 where the C library has it: text sorts by its bytes, everywhere alike. */
static const char *
locale_option(void)
{
	locale_t found = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t) 0);

	if (found == (locale_t) 0)
		return "--locale=C";
	freelocale(found);
	return "--locale=C.UTF-8";
}

static pawl_status
make_data(const cluster *c, char *path, pawl_error *error)
{
	char initdb[PATH_MAX];
	char postgres[PATH_MAX];
	pawl_status status;
	char *const make[] = {
		program(c, "initdb", initdb),
		(char *) "-D",
		path,
		(char *) "-U",
		(char *) "pawl",
		(char *) "-E",
		(char *) "UTF8",
		(char *) locale_option(),
		(char *) "--data-checksums",
		(char *) "--auth=trust", /* the socket's directory is private */
		NULL};
	char *const single[] = {program(c, "postgres", postgres),
	                        (char *) "--single",
	                        (char *) "-D",
	                        path,
	                        (char *) "postgres",
	                        NULL};

	status = run(c, make, NULL, error);
	if (status == PAWL_OK)
		status = run(c, single, "CREATE DATABASE pawl\n", error);
	return status;
}

pawl_status
cluster_make(const cluster *c, pawl_error *error)
{
	char path[PATH_MAX];
	pawl_status status;

	path_in(c, "data.new", path);
	cluster_notice(c, PAWL_INFO, "making a PostgreSQL cluster in \"%s\"",
	               c->home->path);
	status = former_end_making(c, error);
	if (status == PAWL_OK)
		status = remove_leftover(c, path, error);
	if (status == PAWL_OK)
		status = make_data(c, path, error);
	if (status != PAWL_OK)
		return status;
	if (renameat(c->home->directory, "data.new", c->home->directory, "data") != 0 ||
	    fsync(c->home->directory) != 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not rename \"%s\": %s", path,
		                 strerror(errno));
	return PAWL_OK;
}
