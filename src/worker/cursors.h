/*
 * cursors.h - where the scout has left the ring of each tenant
 *
 * The groups of a tenant are walked as a ring, so that the next look begins behind what
 * the last one brought: what is locked, or just taken by others, does not come first
 * each time.  Belongs to the claimer.
 */
#ifndef PAWL_WORKER_CURSORS_H
#define PAWL_WORKER_CURSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More tenants than this: the one that was longest not moved is forgotten. */
#define CURSORS_MAX 1024

typedef struct cursors
{
	char *tenants[CURSORS_MAX];
	char *afters[CURSORS_MAX];
	uint64_t moved[CURSORS_MAX]; /* when, as a number of moves */
	size_t n;
	uint64_t moves;
	size_t rounds; /* how often one has come round, since cursors_found */
	char *last;    /* the tenant that had the last turn; NULL: none had */
} cursors;

/* This group of the tenant was met last.  Without memory the ring begins anew. */
void cursors_move(cursors *c, const char *tenant, const char *group_key);

/* A group was found: what comes is a new search. */
void cursors_found(cursors *c);

/*
 * Have all rings been walked since then?  Tenants take turns, so when there were twice as
 * many rounds as tenants, each has had one.
 */
bool cursors_have_seen_all(const cursors *c);

/* This tenant had its turn last. */
void cursors_turn(cursors *c, const char *tenant);

void cursors_free(cursors *c); /* and make it empty */

#endif
