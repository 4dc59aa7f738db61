/*
 * embed.h - the private PostgreSQL of `pawl up`
 *
 * A cluster in a directory that is Pawl's alone: made once, started as a direct child
 * of the program, reached through a unix socket in a directory of mode 0700, ended
 * with the program whichever way it ends (the guard is told of each start).  Started
 * by root it runs as the user pawl, or else postgres.
 *
 *	DIR/PAWL		the marker: this directory is Pawl's (its text is the layout's version)
 *	DIR/pawl.lock	locked by the program for as long as it lives
 *	DIR/data		the cluster; DIR/data.new while it is being made
 *	DIR/log			the server's log
 *	DIR/s			the socket's directory, when its path is short enough
 *
 * Threads: an embed belongs to the thread that started it.  The calls block, bounded.
 */
#ifndef PAWL_EMBED_EMBED_H
#define PAWL_EMBED_EMBED_H

#include <sys/types.h>

#include "pawl.h"

typedef struct embed embed;

typedef struct embed_options
{
	/*
	 * NULL: $PAWL_DATA, else for root /var/lib/pawl, else $XDG_DATA_HOME/pawl, else
	 * ~/.local/share/pawl.
	 */
	const char *directory;

	/*
	 * Told the server's pid before it runs, and after it has ended: see
	 * guard_server_started and guard_server_ended.  closure is theirs.
	 */
	pawl_status (*started)(pid_t pid, void *closure, pawl_error *error);
	void (*ended)(pid_t pid, void *closure);
	void *closure;

	/* What is worth a line to people; NULL: nobody. */
	void (*notice)(pawl_level level, const char *message, void *closure);
	void *notice_closure;

	/*
	 * Readable when the program is to end: gives up waiting (ERR_TIMEOUT); -1: none.
	 */
	int stop_fd;
} embed_options;

/*
 * Make the cluster unless it is there, start the server and wait until it accepts
 * connections.  ERR_REFUSED: the directory is not Pawl's, or in use; ERR_SYSTEM: no
 * server programs, or they failed (the log's last lines are the detail).  Takes
 * those variables of libpq's out of the environment that would win over the socket or
 * refuse it (PGHOSTADDR, PGSERVICE, …): call it before any thread is made.
 */
PAWL_CHECK pawl_status embed_start(const embed_options *options, embed **ret_embed,
                                   pawl_error *error);

/* "host=... dbname=pawl user=pawl": lives as long as the embed. */
const char *embed_conninfo(const embed *embed);
const char *embed_directory(const embed *embed);

/*
 * Readable when the server has ended by itself and embed_tend must be called.  It may
 * be another one after each embed_tend.
 */
int embed_fd(const embed *embed);

/*
 * Start the server again if it has ended, with backoff, until it accepts connections
 * or stop_fd is readable (ERR_TIMEOUT).  ERR_SYSTEM: it ended five times in a row
 * before it accepted any.
 */
PAWL_CHECK pawl_status embed_tend(embed *embed, pawl_error *error);

/*
 * End the server (fast shutdown; after 10 s an immediate one; after 5 s more SIGKILL),
 * give the directory free.
 */
void embed_stop(embed *embed);

#endif
