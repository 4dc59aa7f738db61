/*
 * former.h - what a program that was killed has left running in the directory
 */
#ifndef PAWL_EMBED_FORMER_H
#define PAWL_EMBED_FORMER_H

#include "embed/cluster.h"

/*
 * A server that is on its way down, or has no guard left, or the last processes of one
 * that was killed: wait for their end, and tell them to end if they do not.
 * ERR_REFUSED when they do not end; ERR_TIMEOUT: told to stop.
 */
PAWL_CHECK pawl_status former_end_server(const cluster *c, pawl_error *error);

/* initdb and its children: kill them, for what they make is to be removed. */
PAWL_CHECK pawl_status former_end_making(const cluster *c, pawl_error *error);

#endif
