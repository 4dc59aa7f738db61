/*
 * bell.h - when a worker sleeps, when it may trust the doorbell, and when it answers
 *
 * Whoever makes a job ready looks for the flags of sleepers and rings (sql/functions/
 * ring.sql).  A NOTIFY serialises commits, so a flag is set by rate, with hysteresis, and
 * never per sleep: when claims run short at a low rate, and cleared when the rate is
 * high, when the bell rings too often (for others, mostly), or when the worker has had
 * no room for a while.  Without a flag a worker that is not slow looks every BELL_GAP_MS.
 *
 * A job may have been pushed by a transaction that looked before the flag was set.  Its
 * xid is below that of any transaction begun after the flag was committed (the bound;
 * the xmax of a snapshot is not enough, because a snapshot's is that of the last that
 * has *ended*).  So the bell is trusted from the first look on whose snapshot nothing
 * below the bound was in progress; until then the worker polls.  Notifications are lost
 * with the connection: after that it looks again, and sets its flag anew.
 *
 * A bell is no promise of a job: another worker was first, or it is of a kind without a
 * handler.  After several such rings in a row the next is answered later and later, up
 * to BELL_FRUITLESS_MS; the worker that gets the jobs goes on at once.
 *
 * Pure: times, counts and answers come from the caller, the claimer.
 */
#ifndef PAWL_WORKER_BELL_H
#define PAWL_WORKER_BELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/rate.h"

#define BELL_SLOW 300        /* jobs a second below which the flag is set */
#define BELL_FAST 1000       /* and above which it is cleared; likewise of rings */
#define BELL_FULL_MS 1000    /* without room: cleared too */
#define BELL_FLOOD_MS 10000  /* rung too often: no flag for so long */
#define BELL_FAILED_MS 10000 /* it could not be set: not again before */
#define BELL_GAP_MS 10       /* awake: from a look that found all to the next */
#define BELL_DOUBT_MS 20     /* not trusted yet: likewise, at least; */
#define BELL_DOUBT_SHARE 8   /* and a part of the time that a transaction goes on */
#define BELL_FRUITLESS 3     /* rings for nothing before the answers become slower */
#define BELL_FRUITLESS_MS 64

typedef enum bell_task
{
	BELL_KEEP,
	BELL_SET,  /* the flag: tell bell_was_set or bell_failed */
	BELL_CLEAR /* likewise, bell_was_cleared */
} bell_task;

typedef struct bell
{
	bool off;   /* never: polling is all there is */
	bool set;   /* the flag */
	bool again; /* to be set anew: it may be lost with the session */
	bool trusted;
	uint64_t bound; /* transactions below it must have ended before it is trusted */
	int backend;    /* the session of the last look */
	int64_t set_ms;
	int64_t short_ms; /* when a look last found all there was */
	int64_t quiet_ms; /* it could not be set: not before this */
	int64_t flood_ms; /* rung too often: not before this */

	rate rings;
	uint64_t heard;
	bool rung;          /* since the last look */
	unsigned fruitless; /* rings in a row that brought nothing */
	int64_t answer_ms;  /* a ring is answered not before this */
} bell;

/* Polling is all there is: a worker that is to end, or a pooler is between. */
void bell_turn_off(bell *b);

/* A lease begins: its worker has no flag. */
void bell_forget(bell *b);

/* How many notifications have come in all, and from which session (0: it is closed). */
void bell_note(bell *b, uint64_t heard, int backend, int64_t now_ms);

/* What to do now; per_s: jobs started a second; ran_short: the last look found all. */
bell_task bell_next(const bell *b, size_t per_s, bool ran_short, int64_t now_ms);
void bell_was_set(bell *b, uint64_t bound, int64_t now_ms);
void bell_was_cleared(bell *b, size_t per_s, int64_t now_ms);
void bell_failed(bell *b, int64_t now_ms);

/* The flag may stand, though it was not said: to be set anew, or cleared. */
void bell_may_be_set(bell *b, int64_t now_ms);

/*
 * A look has ended: which transactions its snapshot had not seen the end of, from
 * `oldest` on (0: not known); its session; what it found; and whether that was all.
 */
void bell_looked(bell *b, uint64_t oldest, int backend, size_t jobs, bool ran_short,
                 int64_t now_ms);

/* After a look that found all: when to look again though nothing rings. */
int64_t bell_poll(const bell *b, size_t per_s, int64_t poll_ms, int64_t now_ms);

/* When a look answers the bell; INT64_MAX: it has not rung. */
int64_t bell_answer(const bell *b);

#endif
