/*
 * home.h - the directory of an embedded PostgreSQL, and where its socket is
 *
 * Opened once, locked for the program's life.  Everything in it is reached from its
 * descriptor and without following links, because the program may be root and the
 * directory another user's.
 */
#ifndef PAWL_EMBED_HOME_H
#define PAWL_EMBED_HOME_H

#include <limits.h>

#include "base/buffer.h"
#include "embed/identity.h"

/*
 * Longest path of a socket's directory: with the socket's name it must fit the 107
 * bytes of a unix address.
 */
#define LIMIT_SOCKET_DIRECTORY 90

typedef struct home
{
	char path[PATH_MAX]; /* absolute, links resolved */
	char socket[LIMIT_SOCKET_DIRECTORY + 1];
	bool socket_outside; /* not in the directory: removed at the end */
	int directory;       /* descriptor */
	int lock;            /* descriptor; -1: not open */
} home;

#define HOME_INIT                                                                      \
	{                                                                                  \
		.directory = -1, .lock = -1                                                    \
	}

/*
 * Make or check the directory (NULL: the default one), mark and lock it, make the
 * socket's directory.  ERR_REFUSED: it is not Pawl's, or in use, or who cannot reach
 * it.  After a failure home_close is still called.
 */
PAWL_CHECK pawl_status home_open(const char *path, const identity *who, home *ret_home,
                                 pawl_error *error);
void home_close(home *home);

/* Major version that made the cluster in data; 0: there is no whole cluster. */
int home_cluster_version(const home *home);

/* The process that data/postmaster.pid names; 0: none. */
pid_t home_server_pid(const home *home);

/* Size of the log; begin a new one when it is large. */
int64_t home_log_size(const home *home);
void home_rotate_log(const home *home);

/* Append the last lines of the log from offset on, escaped, at most limit bytes. */
void home_log_tail(const home *home, int64_t offset, size_t limit, buffer *out);

#endif
