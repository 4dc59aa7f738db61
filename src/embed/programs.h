/*
 * programs.h - where PostgreSQL's server programs are
 */
#ifndef PAWL_EMBED_PROGRAMS_H
#define PAWL_EMBED_PROGRAMS_H

#include <limits.h>

#include "pawl.h"

typedef struct programs
{
	char directory[PATH_MAX];
} programs;

/*
 * $PAWL_PG_BINDIR if it is set; else /usr/lib/postgresql/N/bin of version major, or of
 * the newest from 13 on when major is 0; else the first directory of PATH that has
 * them.  ERR_SYSTEM: nowhere.
 */
PAWL_CHECK pawl_status programs_find(int major, programs *ret_programs,
                                     pawl_error *error);

#endif
