/*
 * named.h - statements that the session has prepared; for the files of src/db alone
 *
 * To parse and plan what surrounds a claim of one job costs the server a fifth of the
 * whole.  So the statements of a transaction that is sent at once (db_limits.at_once) are
 * prepared under a name that is made from their text, the first time that they are sent.
 * Its COMMIT, too: to parse that anew costs a twentieth of a claim.
 *
 * An accelerator, on which nothing rests.  Behind a pooler, which may hand the session to
 * somebody else, all go unnamed, and so they do until the first transaction has shown that
 * there is none.  A server that does not know a name has done nothing: that is a transient
 * error, and from then on this connection uses no names.
 */
#ifndef PAWL_DB_NAMED_H
#define PAWL_DB_NAMED_H

#include <stdbool.h>
#include <stdint.h>

#define NAMED_MAX 20  /* a plan of each stays in the session */
#define NAMED_SIZE 32 /* of a name, with its end */

typedef struct named_set
{
	uint64_t known[NAMED_MAX]; /* hashes of their texts */
	int n;
	bool off;
} named_set;

typedef struct named_statement
{
	char name[NAMED_SIZE];
	uint64_t hash;
	bool known; /* it need not be prepared first */
} named_statement;

/* False: there is no room for another. */
bool
named_look_up(const named_set *names, const char *sql, named_statement *ret_statement);

/* It has been prepared. */
void named_add(named_set *names, const named_statement *statement);

/* The session has ended. */
void named_forget(named_set *names);

/* Does the error say that a name is not what it was? */
bool named_is_stale(const char *sqlstate);

#endif
