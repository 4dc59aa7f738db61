/*
 * groups.h - what the group runners, the scout and the keeper of a worker share
 *
 * A group is taken by a lease in the database, and worked on by one runner, who sits on
 * a seat here:
 *
 *	offered ──next──> sought ──taken──> had ──leave──> (free again)
 *
 *	offered		the scout (claimer_groups.c) has found it; it waits for a runner
 *	sought		a runner asks the database for its lease
 *	had			the runner has the lease; its token is on the seat
 *
 * While a handler runs (attend to rest) the keeper renews the lease: the runner's own
 * statements renew it before and after.  rest waits for a renewal that is on its way, no
 * longer than the lease, so that none can come behind the settle.
 *
 * One mutex guards every field but what only the runner touches; sections are short and
 * hold no system call but the ringing of an eventfd and epoll_ctl.  Order of mutexes:
 * this one, the board's, the log queue's; today never two of them.
 *
 * Who waits, and for what:
 *	runners		offered_cond	a group, or the end
 *				moved_cond		the end of a renewal, or of the run
 *	claimer		the board's claim_fd, rung when a seat becomes free
 *	supervisor	watch_fd		a server has hung up on a runner
 *				the board's bell_fd, rung when a seat is left at the end
 */
#ifndef PAWL_WORKER_GROUPS_H
#define PAWL_WORKER_GROUPS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "pawl.h"

/* What is offered and not taken yet grows old: others take it. */
#define GROUPS_OFFERED 50

typedef struct group_seat
{
	char key[LIMIT_NAME + 1]; /* "": free */
	int64_t token;            /* 0: not had yet */
	int64_t end_ms;           /* of the lease, on the worker's clock */
	bool attended;            /* a handler runs */
	bool renewing;            /* a renewal is on its way */
	bool lost;                /* the lease is, or the connection */
	bool told;                /* and who has to act on it knows */
	const char *why;          /* it is lost */
} group_seat;

typedef struct group_seats
{
	pthread_mutex_t mutex;
	pthread_cond_t offered_cond;
	pthread_cond_t moved_cond;
	int watch_fd; /* an epoll: sockets of runners */
	int claim_fd; /* the board's, */
	int bell_fd;  /* and this one, too */

	group_seat *seats;
	size_t n;       /* of them; 0: this worker works on no groups */
	size_t waiting; /* runners that wait for a group */
	char offered[GROUPS_OFFERED][LIMIT_NAME + 1]; /* a ring */
	size_t first;
	size_t n_offered;
	size_t reach; /* how many are offered at once: fewer, when others are quicker */
	char tried[GROUPS_OFFERED][LIMIT_NAME + 1]; /* by runners, since the last look */
	size_t n_tried;
	bool more;       /* there were more than the last look could bring */
	bool dropped;    /* or some were offered no longer, since they may be gone */
	bool asked;      /* somebody would make room, if others waited */
	size_t fruitful; /* groups of which a job was run, since the last look */
	bool ended;
} group_seats;

/* n seats; claim_fd is rung for the scout, bell_fd when the last is left at the end. */
PAWL_CHECK pawl_status groups_init(group_seats *g, size_t n, int claim_fd, int bell_fd,
                                   pawl_error *error);
void groups_destroy(group_seats *g); /* after every thread has ended */

/* The run ends: no group is begun any more. */
void groups_end(group_seats *g);

/* ------------------------------------------------------------ scout -------------- */

typedef struct groups_view
{
	size_t free;     /* seats */
	size_t room;     /* for offers, if somebody is there for them */
	bool idle;       /* nothing is offered, nothing is had */
	bool more;       /* than the last look could bring, or than is offered still */
	size_t fruitful; /* see group_seats */
} groups_view;

void groups_look(group_seats *g, groups_view *ret_view);
bool groups_is_idle(group_seats *g);

/*
 * Before a look: which groups runners have tried since the last, in the order in which they
 * were offered; room for GROUPS_OFFERED.
 */
typedef char group_key[LIMIT_NAME + 1];
size_t groups_take_tried(group_seats *g, group_key *ret_keys);

/* What a look has brought; full: it was not allowed more. */
void groups_offer(group_seats *g, const char *const *keys, size_t n, bool full);

/* ------------------------------------------------------------ runners ------------ */

typedef enum groups_next_answer
{
	GROUPS_ONE,     /* its key is in the seat */
	GROUPS_NOTHING, /* none by until_ms */
	GROUPS_END
} groups_next_answer;

/* Wait for a group to seek. */
groups_next_answer groups_next(group_seats *g, group_seat *seat, int64_t until_ms);

void groups_taken(group_seats *g, group_seat *seat, int64_t token, int64_t end_ms);

/* A statement of the runner's that was sent at end_ms - lease has renewed it. */
void groups_renewed(group_seats *g, group_seat *seat, int64_t end_ms);

/*
 * The handler begins, and has ended.  False: the group is lost.  *ret_end_ms is the end of
 * the lease, which the keeper may have renewed.
 */
bool groups_attend(group_seats *g, group_seat *seat);
bool groups_rest(group_seats *g, group_seat *seat, int64_t *ret_end_ms);

/* Should others have their turn?  If it is not known, the scout is asked to look. */
bool groups_others_wait(group_seats *g);

/*
 * The seat is free; fruitful: a job of the group was run.  If none was, somebody else has
 * been there: what else is offered may be gone as well, and is looked for anew.
 */
void groups_leave(group_seats *g, group_seat *seat, bool fruitful);

/* Wait until until_ms, or also to the end of the run. */
void groups_pause(group_seats *g, int64_t until_ms, bool to_the_end);
bool groups_has_ended(group_seats *g);

/* Watch the socket of a seat until it is unwatched or closed. */
void groups_watch(group_seats *g, group_seat *seat, int fd);
void groups_unwatch(group_seats *g, int fd);

/* ------------------------------------------------------------ keeper, supervisor -- */

/* A lease to renew: of the seat that had this token. */
typedef struct group_renewal
{
	group_seat *seat;
	int64_t token;
	char key[LIMIT_NAME + 1];
	bool lost;
} group_renewal;

/*
 * Keeper: the leases of those whose handler runs; room for all seats.  All must be given
 * back to groups_are_renewed, whatever became of the statement: end_ms is 0 when it has
 * failed.
 */
size_t groups_renewals(group_seats *g, group_renewal *ret_renewals);
void groups_are_renewed(group_seats *g, const group_renewal *renewals, size_t n,
                        int64_t end_ms);

/*
 * Supervisor and keeper: the next group whose handler runs and which is newly lost: the
 * keeper was told so, its time is over, or the server has hung up.  False: none.
 */
typedef struct group_loss
{
	int64_t token;
	char key[LIMIT_NAME + 1];
	const char *why;
} group_loss;

bool groups_next_loss(group_seats *g, group_loss *ret_loss);

#endif
