/*
 * programs.c - where PostgreSQL's server programs are
 */
#include "embed/programs.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define PACKAGED "/usr/lib/postgresql" /* where Debian's packages have them */
#define OLDEST 13
#define NEWEST 1000 /* what is above is no version */

static bool
has(const char *directory, const char *program)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s", directory, program);

	return length > 0 && (size_t) length < sizeof(path) && access(path, X_OK) == 0;
}

static bool
try_directory(const char *directory, programs *ret_programs)
{
	if (strlen(directory) >= sizeof(ret_programs->directory) ||
	    !has(directory, "postgres") || !has(directory, "initdb"))
		return false;
	snprintf(ret_programs->directory, sizeof(ret_programs->directory), "%s", directory);
	return true;
}

static bool
try_version(int major, programs *ret_programs)
{
	char directory[64];

	snprintf(directory, sizeof(directory), PACKAGED "/%d/bin", major);
	return try_directory(directory, ret_programs);
}

static bool
try_newest(programs *ret_programs)
{
	DIR *all = opendir(PACKAGED);
	struct dirent *entry;
	long newest = 0;

	while (all != NULL && (entry = readdir(all)) != NULL)
	{
		char *end;
		long version = strtol(entry->d_name, &end, 10);
		programs found;

		if (*end == '\0' && version >= OLDEST && version <= NEWEST &&
		    version > newest && try_version((int) version, &found))
		{
			newest = version;
			*ret_programs = found;
		}
	}
	if (all != NULL)
		closedir(all);
	return newest > 0;
}

static bool
try_path(programs *ret_programs)
{
	const char *at = getenv("PATH");

	while (at != NULL && *at != '\0')
	{
		char directory[PATH_MAX];
		int length = (int) strcspn(at, ":");

		snprintf(directory, sizeof(directory), "%.*s", length, at);
		if (directory[0] == '/' && try_directory(directory, ret_programs))
			return true;
		at += length;
		at += *at == ':';
	}
	return false;
}

pawl_status
programs_find(int major, programs *ret_programs, pawl_error *error)
{
	const char *told = getenv("PAWL_PG_BINDIR");

	if (told != NULL && told[0] != '\0')
		return try_directory(told, ret_programs)
		           ? PAWL_OK
		           : error_set(error, PAWL_ERR_SYSTEM,
		                       "there is no postgres and initdb in PAWL_PG_BINDIR, "
		                       "\"%s\"",
		                       told);
	if (major != 0 ? try_version(major, ret_programs) : try_newest(ret_programs))
		return PAWL_OK;
	if (try_path(ret_programs))
		return PAWL_OK;
	if (major != 0)
		error_set(
			error, PAWL_ERR_SYSTEM,
			"could not find the programs of PostgreSQL %d, which made the cluster",
			major);
	else
		error_set(error, PAWL_ERR_SYSTEM,
		          "could not find PostgreSQL's server programs");
	error_hint(error, "Install the package postgresql, or set PAWL_PG_BINDIR to the "
	                  "directory of postgres and initdb.");
	return PAWL_ERR_SYSTEM;
}
