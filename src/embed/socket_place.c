/*
 * socket_place.c - a directory for the server's socket, with a path short enough
 */
#include "embed/socket_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "embed/home.h"

#define NAME_ROOM 24 /* "/pawl-" and 16 digits */

/* Whether a connection string may hold the path as it is, and PostgreSQL's settings. */
static bool
is_plain(const char *path)
{
	return path[0] == '/' &&
	       path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                         "0123456789/._+-")] == '\0';
}

/* FNV-1a: the same directory has the same socket at each start. */
static uint64_t
hash(const char *text)
{
	uint64_t value = UINT64_C(14695981039346656037);

	for (; *text != '\0'; text++)
		value = (value ^ (unsigned char) *text) * UINT64_C(1099511628211);
	return value;
}

static const char *
outside_base(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return "/run";
	if (runtime != NULL && is_plain(runtime) &&
	    strlen(runtime) + NAME_ROOM <= LIMIT_SOCKET_DIRECTORY)
		return runtime;
	return "/tmp";
}

/* A directory that another user made under /tmp could be another's server. */
static pawl_status
check_private(const char *path, const identity *who, pawl_error *error)
{
	struct stat found;

	if (lstat(path, &found) != 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not look at \"%s\": %s", path,
		                 strerror(errno));
	if (S_ISDIR(found.st_mode) && found.st_uid == who->uid &&
	    (found.st_mode & 0077) == 0)
		return PAWL_OK;
	error_set(error, PAWL_ERR_REFUSED,
	          "\"%s\" is not a private directory of user \"%s\"", path, who->name);
	error_hint(error, "Remove it, or choose a shorter data directory with -D.");
	return PAWL_ERR_REFUSED;
}

/* One that is root's is one that an interrupted start did not give away. */
static bool
give_away(const char *path, const identity *who)
{
	struct stat found;

	if (!who->change || lstat(path, &found) != 0 || found.st_uid != geteuid())
		return true;
	return lchown(path, who->uid, who->gid) == 0;
}

static pawl_status
make(const char *path, const identity *who, pawl_error *error)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return error_set(error, PAWL_ERR_SYSTEM,
		                 "could not create directory \"%s\": %s", path,
		                 strerror(errno));
	if (!give_away(path, who))
		return error_set(error, PAWL_ERR_SYSTEM,
		                 "could not set the owner of \"%s\": %s", path,
		                 strerror(errno));
	return check_private(path, who, error);
}

pawl_status
socket_place(const char *directory, const identity *who, char *ret_path,
             bool *ret_outside, pawl_error *error)
{
	bool outside =
		strlen(directory) + 2 > LIMIT_SOCKET_DIRECTORY || !is_plain(directory);
	char path[LIMIT_SOCKET_DIRECTORY + 1];
	pawl_status status;

	if (outside)
		snprintf(path, sizeof(path), "%s/pawl-%016" PRIx64, outside_base(),
		         hash(directory));
	else
		snprintf(path, sizeof(path), "%s/s", directory);
	status = make(path, who, error);
	if (status == PAWL_OK)
	{
		snprintf(ret_path, sizeof(path), "%s", path);
		*ret_outside = outside;
	}
	return status;
}
