/*
 * board.h - what the threads of a worker share
 *
 * Every work of the worker is on the list `held` from its claim until it is settled or
 * dropped, and besides on one of the lists that follow its state (work.h):
 *
 *	pending ──take──> (running) ──finish──> results ──results──> (settling) ──> forgotten
 *
 * The work of a group is its runner's from the dispatch to the settle, and on `held`
 * alone, so that it is presented, and told when its claim has ended (board_group.c).
 *
 * One mutex guards every field; sections are short and hold no system call but the
 * ringing of an eventfd.  Order of locks: that of the groups (groups.h), the board's, the
 * log queue's (log_queue.h); never the other way, and today never two of them.
 *
 * Who waits, and for what:
 *	executors	work_cond		a pending work, or their end
 *	claimer		claim_fd		room, or an empty board (board_claim_waits)
 *	settler		settle_cond		a result, or its end
 *	steward		steward_cond	the next tick, one that is asked for, or its end
 *	keeper		keep_fd
 *	supervisor	bell_fd
 *
 * An fd is an eventfd, for those who also wait for a connection, or for a stop.
 *
 * A lease begins with board_begin_lease, which starts an epoch; what is held belongs to
 * the epoch that it was claimed in and is dropped when that ends.
 */
#ifndef PAWL_WORKER_BOARD_H
#define PAWL_WORKER_BOARD_H

#include <pthread.h>

#include "base/limits.h"
#include "queue/worker_row.h"
#include "worker/work.h"

/* The life of a run; only goes forward. */
typedef enum board_phase
{
	BOARD_RUNNING,
	BOARD_DRAINING,      /* no claims; what is pending is given back */
	BOARD_EXECUTORS_END, /* nothing runs any more */
	BOARD_SETTLER_END,   /* the settler ends when it has nothing left */
	BOARD_ENDED          /* the rest ends */
} board_phase;

/* What wakes the claimer besides the deadline, the end of the run and of the lease. */
typedef struct board_wake
{
	bool on_room; /* an executor without work, or pending < pending_below */
	size_t pending_below;
	uint64_t finished_from; /* but not before so many have finished */
	bool on_empty;          /* nothing is held but jobs of groups */
	bool unleased;          /* it knows that there is no lease */
	uint64_t tick;          /* that one is done; 0: whichever is */
	bool on_suspect;        /* a suspect waits */
} board_wake;

/* A view of the counts at one moment. */
typedef struct board_view
{
	board_phase phase;
	bool leased;
	unsigned epoch;
	char worker[WORKER_UUID];
	int64_t lease_end_ms;
	size_t idle;      /* executors that wait */
	size_t pending;   /* unstarted */
	size_t running;   /* taken by an executor */
	size_t held;      /* all, with those whose result is not stored yet */
	size_t suspects;  /* of those held, but for the jobs of groups */
	size_t grouped;   /* of those held: jobs of groups, */
	size_t attended;  /* and of these whose handler runs */
	uint64_t turns;   /* of jobs of groups: begun and ended, since the beginning */
	uint64_t started; /* since the beginning */
	uint64_t finished;
	bool folding;         /* a batch may end with what was settled: the settler looks */
	uint64_t ticks_asked; /* of the steward; the first needs no asking */
	uint64_t ticks;       /* done: all that was asked for up to this one */
	bool suspect_waits;   /* in the database, as of the last */
	bool groups_about;    /* likewise: some job waits in a group, or a group is taken */
} board_view;

typedef struct board
{
	pthread_mutex_t mutex;
	pthread_cond_t work_cond;
	pthread_cond_t settle_cond;
	pthread_cond_t steward_cond;
	int claim_fd;
	int keep_fd;
	int bell_fd;

	board_view v;
	work_list pending;
	work_list results;
	work *held;
	bool claimer_waits;
	board_wake wake;
	bool settler_waits;
	size_t results_wanted; /* then: not woken before there are so many */
	bool interrupting;     /* what starts now is interrupted at once */
	bool done;             /* the claimer found nothing more (once) */
} board;

PAWL_CHECK pawl_status board_init(board *b, pawl_error *error);
void board_destroy(board *b); /* after every thread has ended */

/* Results not stored yet beyond which nothing is claimed: memory is bounded. */
#define BOARD_UNSETTLED_MAX 2000

static inline size_t
board_unsettled(const board_view *v)
{
	return v->held - v->pending - v->running - v->attended;
}

/* Held by the claimer's claims, not by a group. */
static inline size_t
board_ungrouped(const board_view *v)
{
	return v->held - v->grouped;
}

/* ------------------------------------------------------------ flow (board_flow.c) - */

/* Claimer: put claimed works on the board; empties batch. */
void board_hand_over(board *b, work_list *batch);

/*
 * Executor: put back what it has finished (or NULL) and wait for the next; NULL: the
 * end.  interrupt_fd is rung when the work is interrupted, and quiet at each return.
 */
work *board_take(board *b, int interrupt_fd, work *finished);

/*
 * Settler: wait for results until deadline_ms and take at most max (0: wait alone).
 * False: none came, and none will; a deadline is waited for even then.
 */
bool board_results(board *b, work_list *ret_results, size_t max, int64_t deadline_ms);

/* Settler: does the worker hold a job that counts in this batch? */
bool board_holds_batch(board *b, int64_t batch);

/*
 * Settler: wait until there are `enough` results, or no more are on their way, but not
 * beyond until_ms.
 */
void board_gather(board *b, size_t enough, int64_t until_ms);

/* Settler: free those works of the list whose claim has ended. */
void board_sift(board *b, work_list *list);

/* Settler: these are settled; frees them. */
void board_forget(board *b, work_list *list);

/* Settler: whether it looks for batches that have ended; before it forgets their jobs. */
void board_folds(board *b, bool folding);

/* Claimer: give back at most n of those pending, the last first. */
size_t board_give_back(board *b, size_t n);

/* ------------------------------------------------------------ what runs (board_running.c) */

typedef struct board_running
{
	int64_t job;
	char kind[LIMIT_NAME + 1];
	char group[LIMIT_NAME + 1]; /* "": none */
	int64_t ran_ms;             /* so far */
	int64_t over_ms;            /* since its timeout, if it has one */
} board_running;

/*
 * The handler that runs longest; with overdue_ms >= 0, of those whose timeout has passed
 * by so much.  False: there is none.
 */
bool board_longest(board *b, int64_t overdue_ms, board_running *ret_running);

/* ------------------------------------------------------------ groups (board_group.c) */

/*
 * Runner: the handler of these n works is about to run; interrupt_fd is rung when they
 * are interrupted.  False: the lease that they were dispatched under is over, or would
 * be at until_ms on the worker's clock, which has passed; they are the caller's to free.
 */
bool board_group_begin(board *b, work *const *works, size_t n, int interrupt_fd,
                       int64_t until_ms);

/*
 * The handler has ended, and interrupt_fd is quiet again.  ret_left gets those whose claim
 * has not ended, as far as is known here, in the same order; how many those are.
 */
size_t board_group_end(board *b, work *const *works, size_t n, int interrupt_fd,
                       work **ret_left);

/* They are settled, or nobody can settle them: frees them. */
void board_group_forget(board *b, work *const *works, size_t n);

/* The lease of that token is lost, or its connection: drop and interrupt. */
void board_group_lost(board *b, int64_t token);

/* ------------------------------------------------------------ claims (board.c) ---- */

void board_look(board *b, board_view *ret_view);

/*
 * Claimer: from now on claim_fd is rung when it may go.  False: it may go already.
 * board_claim_goes ends that, however the wait ended.
 */
bool board_claim_waits(board *b, const board_wake *wake);
void board_claim_goes(board *b);

/* ------------------------------------------------------------ lease (board_lease.c) */

/* end_ms is on the worker's own clock. */
void board_begin_lease(board *b, const char *worker, int64_t end_ms);
void board_renew_lease(board *b, unsigned epoch, int64_t end_ms);

/* Drop everything of that epoch, interrupt what runs.  False: it had ended already. */
bool board_lose_lease(board *b, unsigned epoch);

/* What is pending or running, to be presented.  *ret_pairs is the caller's; NULL: no
 * memory. */
worker_pair *board_pairs(board *b, unsigned epoch, size_t *ret_n);

/* These fences have ended: drop and interrupt.  How many were pending or running. */
size_t board_end_claims(board *b, unsigned epoch, const int64_t *fences, size_t n);

/*
 * The fences of what the board holds, ascending, the caller's.  NULL: no memory; or no
 * lease, because what was dropped with it is not held any more, and not unknown.
 */
int64_t *board_fences(board *b, size_t *ret_n);

/* Leave those pairs that are not among the fences; answers how many. */
size_t
board_unknown(const int64_t *fences, size_t n_fences, worker_pair *pairs, size_t n);

/* ------------------------------------------------------------ ends (board.c) ------ */

void board_advance(board *b, board_phase phase);
void board_interrupt_all(board *b); /* PAWL_DRAINING */
void board_done(board *b);
bool board_is_done(board *b);
bool board_is_quiet(board *b); /* nothing runs */

/* Claimer: the number of a tick that begins from now on. */
uint64_t board_ask_tick(board *b);

/*
 * Steward: wait until deadline_ms, or until more ticks are asked for than so many.
 * False: the end.
 */
bool board_steward_wait(board *b, int64_t deadline_ms, uint64_t asked);

/* Steward: a tick is done that began when so many were asked for. */
void board_ticked(board *b, uint64_t asked);
void board_tell_waiting(board *b, bool suspects, bool groups);

/* ------------------------------------------------------------ inside --------------- */

void board_hold_locked(board *b, work *w);
void board_interrupt_locked(work *w, pawl_interrupt why);
void board_drop_locked(board *b, work *w); /* off `held`; the caller frees it */
void board_wake_claimer_locked(board *b);
void board_wake_settler_locked(board *b);

#endif
