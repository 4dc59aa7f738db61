/*
 * home.c - the directory of an embedded PostgreSQL
 *
 * Called by the thread that has the embed, and by nobody else.
 */
#include "embed/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "embed/socket_place.h"

#define MARKER "PAWL"
#define LAYOUT "1\n" /* the marker's text: version of this layout */
#define LOCK "pawl.lock"
#define ROOT_DEFAULT "/var/lib/pawl"
#define LOG_LARGE (16 * 1024 * 1024) /* a start begins a new one, and keeps one old */

/* ------------------------------------------------------------ path --------------- */

static pawl_status
default_path(char *ret_path, size_t size, pawl_error *error)
{
	const char *told = getenv("PAWL_DATA");
	const char *data = getenv("XDG_DATA_HOME");
	const char *user = getenv("HOME");

	if (told != NULL && told[0] != '\0')
		snprintf(ret_path, size, "%s", told);
	else if (geteuid() == 0)
		snprintf(ret_path, size, "%s", ROOT_DEFAULT);
	else if (data != NULL && data[0] == '/')
		snprintf(ret_path, size, "%s/pawl", data);
	else if (user != NULL && user[0] == '/')
		snprintf(ret_path, size, "%s/.local/share/pawl", user);
	else
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "no data directory is given and HOME is not set");
	return PAWL_OK;
}

/* The directories above it are everybody's to pass; its own mode is set later. */
static pawl_status
make_path(const char *path, pawl_error *error)
{
	char part[PATH_MAX];

	for (size_t i = 1; path[i - 1] != '\0'; i++)
	{
		if (path[i] != '/' && path[i] != '\0')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int) i, path);
		if (mkdir(part, path[i] == '\0' ? 0700 : 0755) != 0 && errno != EEXIST)
			return error_set(error, PAWL_ERR_SYSTEM,
			                 "could not create directory \"%s\": %s", part,
			                 strerror(errno));
	}
	return PAWL_OK;
}

static pawl_status
open_path(const char *path, home *h, pawl_error *error)
{
	char wanted[PATH_MAX];
	pawl_status status = PAWL_OK;

	if (path == NULL)
		status = default_path(wanted, sizeof(wanted), error);
	else if (path[0] == '\0' || strlen(path) >= sizeof(wanted) - 16)
		status = error_set(error, PAWL_ERR_ARGUMENT, "invalid data directory");
	else
		snprintf(wanted, sizeof(wanted), "%s", path);
	if (status == PAWL_OK)
		status = make_path(wanted, error);
	if (status != PAWL_OK)
		return status;
	if (realpath(wanted, h->path) != NULL)
		h->directory = open(h->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->directory < 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not open directory \"%s\": %s",
		                 wanted, strerror(errno));
	return PAWL_OK;
}

/* Whether someone of this identity may pass through a directory, by its mode. */
static bool
may_pass(const struct stat *directory, const identity *who)
{
	if (directory->st_uid == who->uid)
		return (directory->st_mode & S_IXUSR) != 0;
	if (directory->st_gid == who->gid)
		return (directory->st_mode & S_IXGRP) != 0;
	return (directory->st_mode & S_IXOTH) != 0;
}

static pawl_status
check_reach(const home *h, const identity *who, pawl_error *error)
{
	char part[PATH_MAX] = "/";
	struct stat found;

	if (!who->change)
		return PAWL_OK;
	for (size_t i = 1; h->path[i] != '\0'; i++)
	{
		if (h->path[i] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int) i, h->path);
		if (stat(part, &found) == 0 && may_pass(&found, who))
			continue;
		error_set(error, PAWL_ERR_REFUSED, "user \"%s\" cannot reach directory \"%s\"",
		          who->name, h->path);
		error_detail(error, "Directory \"%s\" is closed to it.", part);
		error_hint(error, "Choose another directory with -D.");
		return PAWL_ERR_REFUSED;
	}
	return PAWL_OK;
}

/* ------------------------------------------------------------ marker ------------- */

/* Reads a small file whole; -1: there is none, or not ours to read. */
static ssize_t
read_small(const home *h, const char *name, char *ret_text, size_t size)
{
	int fd = openat(h->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, ret_text, size - 1);

	if (fd >= 0)
		close(fd);
	ret_text[got < 0 ? 0 : got] = '\0';
	return got;
}

/* What an interrupted first start or a file system may leave does not count. */
static bool
counts_as_content(const char *name)
{
	static const char *const own[] = {".", "..", "lost+found", LOCK, MARKER};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
	{
		if (strcmp(own[i], name) == 0)
			return false;
	}
	return true;
}

static bool
is_empty(const home *h)
{
	int fd = openat(h->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool empty = listing != NULL;

	while (empty && (entry = readdir(listing)) != NULL)
		empty = !counts_as_content(entry->d_name);
	if (listing != NULL)
		closedir(listing);
	else if (fd >= 0)
		close(fd);
	return empty;
}

/* An empty marker is one that was being written when the program was killed. */
static pawl_status
check_marker(const home *h, bool *ret_marked, pawl_error *error)
{
	char text[64];
	ssize_t length = read_small(h, MARKER, text, sizeof(text));

	*ret_marked = length > 0;
	if (length > 0 && strcmp(text, LAYOUT) != 0)
		return error_set(error, PAWL_ERR_REFUSED,
		                 "directory \"%s\" belongs to another version of pawl",
		                 h->path);
	if (length > 0 || is_empty(h))
		return PAWL_OK;
	error_set(error, PAWL_ERR_REFUSED,
	          "directory \"%s\" is not empty and is not a data directory of pawl",
	          h->path);
	error_hint(error, "Choose another directory with -D.");
	return PAWL_ERR_REFUSED;
}

static pawl_status
write_marker(const home *h, const identity *who, pawl_error *error)
{
	int fd = openat(h->directory, MARKER,
	                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool written = fd >= 0 && fchown(fd, who->uid, who->gid) == 0 &&
	               write(fd, LAYOUT, strlen(LAYOUT)) == (ssize_t) strlen(LAYOUT) &&
	               fsync(fd) == 0 && fsync(h->directory) == 0;
	int code = errno;

	if (fd >= 0)
		close(fd);
	if (!written)
		return error_set(error, PAWL_ERR_SYSTEM, "could not write \"%s/%s\": %s",
		                 h->path, MARKER, strerror(code));
	return PAWL_OK;
}

/* ------------------------------------------------------------ owner and lock ----- */

static pawl_status
take_ownership(const home *h, const identity *who, bool marked, pawl_error *error)
{
	struct stat found;
	bool taken = fstat(h->directory, &found) == 0;

	if (taken && (found.st_mode & S_ISVTX) != 0)
		return error_set(error, PAWL_ERR_REFUSED, "directory \"%s\" is a shared one",
		                 h->path);
	if (taken && found.st_uid != who->uid)
	{
		if (marked || !who->change)
			return error_set(error, PAWL_ERR_REFUSED,
			                 "directory \"%s\" belongs to another user", h->path);
		taken = fchown(h->directory, who->uid, who->gid) == 0;
	}
	if (taken && (found.st_mode & 0777) != 0700)
		taken = fchmod(h->directory, 0700) == 0;
	if (!taken)
		return error_set(error, PAWL_ERR_SYSTEM,
		                 "could not set the owner and mode of \"%s\": %s", h->path,
		                 strerror(errno));
	return PAWL_OK;
}

static pawl_status
refuse_in_use(const home *h, pawl_error *error)
{
	char text[32];

	(void) read_small(h, LOCK, text, sizeof(text));
	error_set(error, PAWL_ERR_REFUSED, "directory \"%s\" is in use by another pawl",
	          h->path);
	error_detail(error, "It is process %ld.", strtol(text, NULL, 10));
	return PAWL_ERR_REFUSED;
}

static pawl_status
take_lock(home *h, const identity *who, pawl_error *error)
{
	h->lock =
		openat(h->directory, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (h->lock < 0 || fchown(h->lock, who->uid, who->gid) != 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not open \"%s/%s\": %s",
		                 h->path, LOCK, strerror(errno));
	if (flock(h->lock, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK
		           ? refuse_in_use(h, error)
		           : error_set(error, PAWL_ERR_SYSTEM, "could not lock \"%s/%s\": %s",
		                       h->path, LOCK, strerror(errno));

	/* For people and refuse_in_use; the lock itself is what counts. */
	if (ftruncate(h->lock, 0) == 0)
		(void) dprintf(h->lock, "%d\n", (int) getpid());
	return PAWL_OK;
}

pawl_status
home_open(const char *path, const identity *who, home *ret_home, pawl_error *error)
{
	bool marked = false;
	pawl_status status = open_path(path, ret_home, error);

	if (status == PAWL_OK)
		status = check_marker(ret_home, &marked, error);
	if (status == PAWL_OK)
		status = check_reach(ret_home, who, error);
	if (status == PAWL_OK)
		status = take_ownership(ret_home, who, marked, error);
	if (status == PAWL_OK)
		status = take_lock(ret_home, who, error);
	if (status == PAWL_OK && !marked)
		status = write_marker(ret_home, who, error);
	if (status == PAWL_OK)
		status = socket_place(ret_home->path, who, ret_home->socket,
		                      &ret_home->socket_outside, error);
	return status;
}

void
home_close(home *h)
{
	if (h->socket_outside)
		(void) rmdir(h->socket);
	if (h->lock >= 0)
		close(h->lock);
	if (h->directory >= 0)
		close(h->directory);
	*h = (home) HOME_INIT;
}

/* ------------------------------------------------------------ contents ----------- */

int
home_cluster_version(const home *h)
{
	char text[32];

	if (read_small(h, "data/PG_VERSION", text, sizeof(text)) <= 0)
		return 0;
	return (int) strtol(text, NULL, 10);
}

pid_t
home_server_pid(const home *h)
{
	char text[64];

	if (read_small(h, "data/postmaster.pid", text, sizeof(text)) <= 0)
		return 0;
	return (pid_t) strtol(text, NULL, 10);
}

int64_t
home_log_size(const home *h)
{
	struct stat found;

	if (fstatat(h->directory, "log", &found, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	return (int64_t) found.st_size;
}

void
home_rotate_log(const home *h)
{
	if (home_log_size(h) > LOG_LARGE)
		(void) renameat(h->directory, "log", h->directory, "log.1");
}

void
home_log_tail(const home *h, int64_t offset, size_t limit, buffer *out)
{
	int64_t size = home_log_size(h);
	int64_t begin = size - (int64_t) limit > offset ? size - (int64_t) limit : offset;
	int fd = openat(h->directory, "log", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[1024];
	ssize_t got;

	if (fd < 0)
		return;
	got = pread(fd, text, limit < sizeof(text) ? limit : sizeof(text), (off_t) begin);
	while (got > 0 && text[got - 1] == '\n')
		got--;
	if (got > 0)
		text_escape(out, text, (size_t) got, limit);
	close(fd);
}
