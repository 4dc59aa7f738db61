/*
 * board_running.c - which handler runs longest, or too long; see board.h
 */
#include <stdio.h>

#include "base/clock.h"
#include "worker/board.h"
#include "worker/wait.h"

/* When its attempt was to end, by the clock of its start; CLOCK_NEVER: no timeout. */
static int64_t
end_of(const work *w)
{
	return w->job.timeout_ms > 0 ? w->started_ms + w->job.timeout_ms : CLOCK_NEVER;
}

static const work *
find_locked(const board *b, int64_t overdue_ms, int64_t now_ms)
{
	const work *longest = NULL;

	for (const work *w = b->held; w != NULL; w = w->held_next)
	{
		if (w->state != WORK_RUNNING)
			continue;
		if (overdue_ms >= 0 &&
		    (end_of(w) == CLOCK_NEVER || now_ms - end_of(w) < overdue_ms))
			continue;
		if (longest == NULL || w->started_ms < longest->started_ms)
			longest = w;
	}
	return longest;
}

bool
board_longest(board *b, int64_t overdue_ms, board_running *ret_running)
{
	auto_lock(&b->mutex);
	int64_t now_ms = clock_ms();
	const work *w = find_locked(b, overdue_ms, now_ms);

	if (w == NULL)
		return false;
	*ret_running = (board_running){
		.job = w->job.id,
		.ran_ms = now_ms - w->started_ms,
		.over_ms = end_of(w) == CLOCK_NEVER ? 0 : now_ms - end_of(w),
	};
	(void) snprintf(ret_running->kind, sizeof(ret_running->kind), "%s", w->job.kind);
	if (w->job.group_key != NULL)
		(void) snprintf(ret_running->group, sizeof(ret_running->group), "%s",
		                w->job.group_key);
	return true;
}
