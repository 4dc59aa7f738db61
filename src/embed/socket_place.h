/*
 * socket_place.h - a directory for the server's socket, with a path short enough
 */
#ifndef PAWL_EMBED_SOCKET_PLACE_H
#define PAWL_EMBED_SOCKET_PLACE_H

#include "embed/identity.h"

/*
 * DIRECTORY/s; if that is too long or holds a character with a meaning in connection
 * strings, a directory named after a hash of it, under /run (root), $XDG_RUNTIME_DIR
 * or /tmp.  Made with mode 0700 for who; one that is there must be so.  ret_path has
 * room for LIMIT_SOCKET_DIRECTORY + 1 bytes.
 */
PAWL_CHECK pawl_status socket_place(const char *directory, const identity *who,
                                    char *ret_path, bool *ret_outside,
                                    pawl_error *error);

#endif
