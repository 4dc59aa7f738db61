/*
 * claimer.h - inside of the claimer: for its files alone
 *
 *	claimer.c			its thread, and which step is next
 *	claimer_lease.c		leases, claims without an answer, suspects
 *	claimer_claim.c		claims
 *	claimer_groups.c	the scout
 *	claimer_sleep.c		the doorbell, and waiting
 *
 * One thread owns all of it, the connection "claim" among it.
 */
#ifndef PAWL_WORKER_CLAIMER_H
#define PAWL_WORKER_CLAIMER_H

#include "queue/group.h"
#include "worker/bell.h"
#include "worker/cursors.h"
#include "worker/lanes.h"
#include "worker/outage.h"
#include "worker/rate.h"

/* Nothing is known yet of what a claim leaves behind: a short pause. */
#define SHORT_PAUSE_MS 50

typedef enum claim_step
{
	STEP_WAIT,
	STEP_LEASE,   /* begin one */
	STEP_FLOORS,  /* read them */
	STEP_UNKNOWN, /* look for claims that are not on the board */
	STEP_ASK,     /* is a suspect waiting? */
	STEP_SUSPECT, /* claim it */
	STEP_SWEEP,   /* look behind the marks, or raise a floor */
	STEP_SLEEP,   /* set the flag of the doorbell */
	STEP_WAKE,    /* clear it */
	STEP_SCOUT,   /* look for groups */
	STEP_CLAIM,
	STEP_GIVE_BACK, /* more is pending than this worker starts in time */
	STEP_DONE       /* once: nothing is left */
} claim_step;

typedef struct scout
{
	cursors cursors;
	group_key tried[GROUPS_OFFERED];
	bool asked;            /* a look is wanted though no tick has told of groups */
	int64_t poll_ms;       /* the next look, though nothing rings */
	int64_t not_before_ms; /* and none before this */
	int64_t gap_ms;        /* while the bell is not trusted */
	int64_t leases_ms;     /* when to look again for leases that are over */
	uint64_t heard;        /* how often it had rung before the last look */
	size_t found;          /* groups, by the last look */
	bool nothing;          /* once: it was the last */
} scout;

typedef struct claimer
{
	pawl_worker *worker;
	board *board;
	db *db;
	outage outage;
	lanes *lanes;
	rate rate;
	bell bell;
	bool listening;  /* to the bells of its queues */
	board_view view; /* as of the last look */
	int64_t now_ms;
	int64_t retry_ms; /* after a failure: nothing before this */

	unsigned epoch;
	int64_t unknown_ms; /* when to look for unknown claims */

	bool ran_short;  /* the last claim left executors without work */
	int64_t gap_ms;  /* then: not before this, unless it rings or a poll is due */
	int64_t poll_ms; /* then: at the latest */
	uint64_t seen;   /* finished at that time */
	bool clear;      /* once: nothing was found while nothing was held */
	bool anew;       /* once: the next claim looks from the floors, to be sure */
	uint64_t tick;   /* once: of the steward, asked for when nothing was left; or 0 */

	int64_t ask_ms;      /* when to ask for suspects again; 0: now */
	int64_t patience_ms; /* a suspect waits; pause for it from then on; 0: none waits */
	bool suspect_before; /* the last claim was for a suspect */
	int64_t pause_ms;    /* then: until when another may follow it */

	scout scout;

	/* of the step that was decided */
	size_t n;
	board_wake wake;
	int64_t wait_ms;
} claimer;

queue_call claimer_call(const claimer *self);

/* Jobs that this worker starts in a second. */
size_t claimer_per_s(const claimer *self);

/* After a failure: what becomes of it. */
void claimer_failed(claimer *self, pawl_status status, const pawl_error *error);

void claimer_begin_lease(claimer *self);
void claimer_look_for_unknown(claimer *self);
void claimer_ask_for_suspects(claimer *self);

void claimer_claim_suspect(claimer *self);
void claimer_claim_many(claimer *self);

/* When the next look for groups is due; CLOCK_NEVER: none is, or there is no room. */
int64_t claimer_scout_due(claimer *self);
void claimer_scout(claimer *self);
void claimer_note_ring(claimer *self, bool rung, size_t jobs);

void claimer_sleep(claimer *self); /* set the flag */
void claimer_wake(claimer *self);
void claimer_wait(claimer *self);

#endif
