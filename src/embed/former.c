/*
 * former.c - what a program that was killed has left running in the directory
 *
 * The directory is locked by us, so whatever of PostgreSQL's runs in it is an orphan.
 * A server's process is known by its name and its working directory; one of initdb's
 * by the mark in its environment too, because it, and the shells that it starts, are
 * elsewhere at first.  Its descriptor is opened before it is looked at, so that what
 * was looked at is what gets the signal.
 */
#include "embed/former.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

#define PATIENCE_MS 5000 /* before the first word, and between two */
#define ORPHANS_MAX 1000 /* more than a server has processes */

/* ------------------------------------------------------------ finding ------------ */

/* Reads /proc/PID/file; the length, 0 when it cannot. */
static size_t
read_proc(pid_t pid, const char *file, char *ret_text, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? 0 : read(fd, ret_text, size - 1);
	if (fd >= 0)
		close(fd);
	ret_text[got < 0 ? 0 : got] = '\0';
	return got < 0 ? 0 : (size_t) got;
}

static bool
is_server(pid_t pid)
{
	char text[32];

	(void) read_proc(pid, "comm", text, sizeof(text));
	return strcmp(text, "postgres\n") == 0;
}

static bool
has_user(pid_t pid, uid_t uid)
{
	char path[64];
	struct stat found;

	snprintf(path, sizeof(path), "/proc/%d", (int) pid);
	return stat(path, &found) == 0 && found.st_uid == uid;
}

static bool
works_in(pid_t pid, const char *directory)
{
	char link[64];
	char target[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/cwd", (int) pid);
	length = readlink(link, target, sizeof(target) - 1);
	target[length < 0 ? 0 : length] = '\0';
	return strcmp(target, directory) == 0;
}

/* Whether cluster.c started it, or a child of what it started, for a directory. */
static bool
has_mark(pid_t pid, const char *directory)
{
	static const char name[] = "PAWL_EMBED=";
	char text[4 * PATH_MAX];
	size_t length = read_proc(pid, "environ", text, sizeof(text));

	for (size_t at = 0; at < length; at += strlen(text + at) + 1)
	{
		if (strncmp(text + at, name, strlen(name)) == 0)
			return strcmp(text + at + strlen(name), directory) == 0;
	}
	return false;
}

/* Opens pid if it is an orphan of this directory's; else fd is -1. */
static process
open_orphan(const cluster *c, pid_t pid, const char *directory)
{
	process found = {.pid = pid, .fd = -1};

	if (pid > 1)
		found.fd = pidfd_open(pid, 0);
	if (found.fd >= 0 && has_user(pid, c->who->uid) &&
	    ((is_server(pid) && works_in(pid, directory)) || has_mark(pid, directory)))
		return found;
	if (found.fd >= 0)
		close(found.fd);
	return (process) PROCESS_INIT;
}

/* Any one. */
static process
find_orphan(const cluster *c, const char *directory)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	process found = PROCESS_INIT;

	while (proc != NULL && found.fd < 0 && (entry = readdir(proc)) != NULL)
		found = open_orphan(c, (pid_t) strtol(entry->d_name, NULL, 10), directory);
	if (proc != NULL)
		closedir(proc);
	return found;
}

/* ------------------------------------------------------------ ending ------------- */

/* signals ends in 0; each has its patience, and the first waiting is for nothing. */
static pawl_status
end_orphan(const cluster *c, const process *found, const int *signals,
           pawl_error *error)
{
	for (;; signals++)
	{
		process_event event =
			process_wait(found, clock_ms() + PATIENCE_MS, c->options->stop_fd);

		if (event == PROCESS_ENDED)
			return PAWL_OK;
		if (event == PROCESS_STOP)
			return error_set(error, PAWL_ERR_TIMEOUT,
			                 "stopped while a former server was running");
		if (*signals == 0)
			return error_set(error, PAWL_ERR_REFUSED,
			                 "process %d of a former server in \"%s\" does not end",
			                 (int) found->pid, c->home->path);
		process_signal(found, *signals);
	}
}

static const char *
path_in(const cluster *c, const char *name, char *ret_path)
{
	snprintf(ret_path, PATH_MAX, "%.*s/%s", PATH_MAX - 32, c->home->path, name);
	return ret_path;
}

/* The postmaster, which ends its processes with it. */
static pawl_status
end_postmaster(const cluster *c, const char *data, pawl_error *error)
{
	static const int signals[] = {SIGINT, SIGQUIT, SIGKILL, 0};
	process found = open_orphan(c, home_server_pid(c->home), data);
	pawl_status status;

	if (found.fd < 0)
		return PAWL_OK;
	cluster_notice(c, PAWL_WARN, "waiting for the end of a former server, process %d",
	               (int) found.pid);
	status = end_orphan(c, &found, signals, error);
	close(found.fd);
	return status;
}

pawl_status
former_end_server(const cluster *c, pawl_error *error)
{
	static const int signals[] = {SIGQUIT, SIGKILL, 0};
	char data[PATH_MAX];
	pawl_status status = end_postmaster(c, path_in(c, "data", data), error);

	/* Without a postmaster they end by themselves, but hold the shared memory. */
	for (int i = 0; i < ORPHANS_MAX && status == PAWL_OK; i++)
	{
		process found = find_orphan(c, data);

		if (found.fd < 0)
			break;
		status = end_orphan(c, &found, signals, error);
		close(found.fd);
	}
	return status;
}

pawl_status
former_end_making(const cluster *c, pawl_error *error)
{
	static const int signals[] = {0};
	char data[PATH_MAX];
	pawl_status status = PAWL_OK;

	path_in(c, "data.new", data);
	for (int i = 0; i < ORPHANS_MAX && status == PAWL_OK; i++)
	{
		process found = find_orphan(c, data);

		if (found.fd < 0)
			break;
		cluster_notice(c, PAWL_INFO, "ending process %d of an interrupted start",
		               (int) found.pid);
		process_signal(&found, SIGKILL);
		status = end_orphan(c, &found, signals, error);
		close(found.fd);
	}
	return status;
}
