/*
 * identity.h - the user that PostgreSQL runs as
 */
#ifndef PAWL_EMBED_IDENTITY_H
#define PAWL_EMBED_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "pawl.h"

typedef struct identity
{
	uid_t uid;
	gid_t gid;
	bool change; /* the program is root and its children become this user */
	char name[64];
} identity;

/*
 * The caller; for root the user pawl, else postgres.  ERR_REFUSED: root, and neither
 * exists (PostgreSQL does not run as root).
 */
PAWL_CHECK pawl_status identity_find(identity *ret_identity, pawl_error *error);

/* Become it for good.  In a forked child, before exec; false: errno says why. */
bool identity_assume(const identity *identity);

#endif
