/*
 * identity.c - the user that PostgreSQL runs as
 */
#include "embed/identity.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"

/* In this order, for root. */
static const char *const candidates[] = {"pawl", "postgres"};

static bool
look_up(const char *name, identity *ret_identity)
{
	struct passwd entry;
	struct passwd *found = NULL;
	char texts[4096];

	if (getpwnam_r(name, &entry, texts, sizeof(texts), &found) != 0 || found == NULL ||
	    entry.pw_uid == 0)
		return false;
	*ret_identity =
		(identity){.uid = entry.pw_uid, .gid = entry.pw_gid, .change = true};
	snprintf(ret_identity->name, sizeof(ret_identity->name), "%s", name);
	return true;
}

pawl_status
identity_find(identity *ret_identity, pawl_error *error)
{
	if (geteuid() != 0)
	{
		*ret_identity = (identity){.uid = geteuid(), .gid = getegid()};
		snprintf(ret_identity->name, sizeof(ret_identity->name), "%u",
		         (unsigned) geteuid());
		return PAWL_OK;
	}
	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++)
	{
		if (look_up(candidates[i], ret_identity))
			return PAWL_OK;
	}
	error_set(error, PAWL_ERR_REFUSED, "PostgreSQL does not run as root");
	error_hint(error, "Create a user pawl, or start this as another user than root.");
	return PAWL_ERR_REFUSED;
}

bool
identity_assume(const identity *who)
{
	if (!who->change)
		return true;
	return setgroups(1, &who->gid) == 0 && setgid(who->gid) == 0 &&
	       setuid(who->uid) == 0;
}
