/*
 * board_group.c - jobs of groups on the board; see board.h
 *
 * Called by the group runners, lost also by the keeper and the supervisor.  A runner
 * keeps its works from the dispatch to the settle; the board knows them so that a
 * heartbeat presents them, and what ends their claim reaches their handler.
 */
#include <assert.h>

#include "base/clock.h"
#include "worker/board.h"
#include "worker/wait.h"

bool
board_group_begin(board *b, work *const *works, size_t n, int interrupt_fd,
                  int64_t until_ms)
{
	auto_lock(&b->mutex);
	int64_t now_ms = clock_ms();

	assert(n > 0);
	if (!b->v.leased || works[0]->epoch != b->v.epoch || now_ms >= until_ms ||
	    now_ms >= b->v.lease_end_ms)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		work *w = works[i];

		assert(w->token != 0 && w->state == WORK_PENDING);
		board_hold_locked(b, w);
		w->state = WORK_RUNNING;
		w->interrupt_fd = interrupt_fd;
		w->started_ms = now_ms;
		b->v.attended++;
		b->v.turns++;
		if (b->interrupting)
			board_interrupt_locked(w, PAWL_DRAINING);
	}
	return true;
}

size_t
board_group_end(board *b, work *const *works, size_t n, int interrupt_fd,
                work **ret_left)
{
	auto_lock(&b->mutex);
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
	{
		work *w = works[i];

		assert(w->state == WORK_RUNNING && b->v.attended > 0);
		w->state = WORK_SETTLING;
		w->interrupt_fd = -1;
		b->v.attended--;
		b->v.turns++;
		if (!w->dropped)
			ret_left[left++] = w;
	}
	wait_event_drain(interrupt_fd);
	if (b->v.phase != BOARD_RUNNING && b->v.running + b->v.attended == 0)
		wait_event_ring(b->bell_fd);
	return left;
}

void
board_group_forget(board *b, work *const *works, size_t n)
{
	pthread_mutex_lock(&b->mutex);
	for (size_t i = 0; i < n; i++)
	{
		assert(works[i]->state == WORK_SETTLING);
		board_drop_locked(b, works[i]);
	}
	board_wake_claimer_locked(b);
	pthread_mutex_unlock(&b->mutex);
	for (size_t i = 0; i < n; i++)
		work_free(works[i]);
}

void
board_group_lost(board *b, int64_t token)
{
	auto_lock(&b->mutex);

	assert(token != 0);
	for (work *w = b->held; w != NULL; w = w->held_next)
	{
		if (w->token != token)
			continue;
		w->dropped = true;
		if (w->state == WORK_RUNNING)
			board_interrupt_locked(w, PAWL_LEASE_LOST);
	}
}
