/*
 * board.c - the board's life, what its threads wait for, and its ends; see board.h
 */
#include "worker/board.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "worker/wait.h"

static void
close_events(board *b)
{
	const int fds[] = {b->claim_fd, b->keep_fd, b->bell_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

pawl_status
board_init(board *b, pawl_error *error)
{
	memset(b, 0, sizeof(*b));
	b->v.ticks_asked = 1;
	b->claim_fd = wait_event_new();
	b->keep_fd = wait_event_new();
	b->bell_fd = wait_event_new();
	if (b->claim_fd < 0 || b->keep_fd < 0 || b->bell_fd < 0)
	{
		pawl_status status = error_set(error, PAWL_ERR_SYSTEM,
		                               "could not create eventfd: %s", strerror(errno));

		close_events(b);
		return status;
	}
	pthread_mutex_init(&b->mutex, NULL);
	wait_cond_init(&b->work_cond);
	wait_cond_init(&b->settle_cond);
	wait_cond_init(&b->steward_cond);
	return PAWL_OK;
}

void
board_destroy(board *b)
{
	assert(b->v.running == 0 && b->v.attended == 0);
	while (b->held != NULL)
	{
		work *w = b->held;

		board_drop_locked(b, w);
		work_free(w);
	}
	close_events(b);
	pthread_cond_destroy(&b->work_cond);
	pthread_cond_destroy(&b->settle_cond);
	pthread_cond_destroy(&b->steward_cond);
	pthread_mutex_destroy(&b->mutex);
}

/* ------------------------------------------------------------ waking ------------- */

static bool
has_room(const board *b)
{
	const board_wake *wake = &b->wake;

	return wake->on_room && b->v.finished >= wake->finished_from &&
	       board_unsettled(&b->v) < BOARD_UNSETTLED_MAX &&
	       (b->v.idle > b->v.pending || b->v.pending < wake->pending_below);
}

static bool
claimer_may_go(const board *b)
{
	return b->v.phase != BOARD_RUNNING || (!b->v.leased && !b->wake.unleased) ||
	       (b->wake.on_empty && board_ungrouped(&b->v) == 0) ||
	       (b->wake.on_suspect && b->v.suspect_waits) ||
	       (b->wake.tick > 0 && b->v.ticks >= b->wake.tick) || has_room(b);
}

void
board_wake_claimer_locked(board *b)
{
	if (b->claimer_waits && claimer_may_go(b))
	{
		b->claimer_waits = false;
		wait_event_ring(b->claim_fd);
	}
}

void
board_wake_settler_locked(board *b)
{
	if (b->settler_waits &&
	    (b->results.n >= b->results_wanted || b->v.pending + b->v.running == 0))
	{
		b->settler_waits = false;
		pthread_cond_signal(&b->settle_cond);
	}
}

void
board_look(board *b, board_view *ret_view)
{
	auto_lock(&b->mutex);
	*ret_view = b->v;
}

bool
board_claim_waits(board *b, const board_wake *wake)
{
	auto_lock(&b->mutex);
	b->wake = *wake;
	b->claimer_waits = !claimer_may_go(b);
	return b->claimer_waits;
}

void
board_claim_goes(board *b)
{
	auto_lock(&b->mutex);
	b->claimer_waits = false;
	wait_event_drain(b->claim_fd);
}

/* ------------------------------------------------------------ ends --------------- */

/* Pending works become results to be given back. */
static void
give_back_pending(board *b)
{
	work *w;

	while ((w = work_list_take(&b->pending)) != NULL)
	{
		b->v.pending--;
		work_conclude(w, WORK_RELEASE);
		w->state = WORK_DONE;
		work_list_add(&b->results, w);
	}
	board_wake_settler_locked(b);
}

void
board_advance(board *b, board_phase phase)
{
	auto_lock(&b->mutex);
	if (phase <= b->v.phase)
		return;
	assert(phase < BOARD_EXECUTORS_END || b->v.running == 0);
	b->v.phase = phase;
	give_back_pending(b);
	board_wake_claimer_locked(b);
	pthread_cond_broadcast(&b->work_cond);
	pthread_cond_broadcast(&b->settle_cond);
	pthread_cond_broadcast(&b->steward_cond);
	wait_event_ring(b->keep_fd);
}

void
board_interrupt_all(board *b)
{
	auto_lock(&b->mutex);
	b->interrupting = true;
	for (work *w = b->held; w != NULL; w = w->held_next)
		if (w->state == WORK_RUNNING)
			board_interrupt_locked(w, PAWL_DRAINING);
}

void
board_done(board *b)
{
	auto_lock(&b->mutex);
	b->done = true;
	wait_event_ring(b->bell_fd);
}

bool
board_is_done(board *b)
{
	auto_lock(&b->mutex);
	return b->done;
}

bool
board_is_quiet(board *b)
{
	auto_lock(&b->mutex);
	return b->v.running + b->v.attended == 0;
}

uint64_t
board_ask_tick(board *b)
{
	auto_lock(&b->mutex);
	b->v.ticks_asked++;
	pthread_cond_signal(&b->steward_cond);
	return b->v.ticks_asked;
}

bool
board_steward_wait(board *b, int64_t deadline_ms, uint64_t asked)
{
	auto_lock(&b->mutex);
	if (b->v.phase < BOARD_ENDED && b->v.ticks_asked <= asked)
		wait_cond(&b->steward_cond, &b->mutex, deadline_ms);
	return b->v.phase < BOARD_ENDED;
}

void
board_ticked(board *b, uint64_t asked)
{
	auto_lock(&b->mutex);
	assert(asked >= b->v.ticks && asked <= b->v.ticks_asked);
	b->v.ticks = asked;
	board_wake_claimer_locked(b);
}

void
board_tell_waiting(board *b, bool suspects, bool groups)
{
	auto_lock(&b->mutex);
	if (groups && !b->v.groups_about)
		wait_event_ring(b->claim_fd);
	b->v.suspect_waits = suspects;
	b->v.groups_about = groups;
	board_wake_claimer_locked(b);
}
