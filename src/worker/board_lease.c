/*
 * board_lease.c - the lease and what ends with it; see board.h
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/board.h"
#include "worker/wait.h"

void
board_interrupt_locked(work *w, pawl_interrupt why)
{
	int none = PAWL_RUNNING_ON;

	/* the first interrupt stands, but for a loss, which overrides a drain */
	if (!atomic_compare_exchange_strong(&w->interrupt, &none, (int) why))
	{
		if (none == PAWL_DRAINING)
			atomic_store(&w->interrupt, (int) why);
		return;
	}
	if (w->interrupt_fd >= 0)
		wait_event_ring(w->interrupt_fd);
}

void
board_begin_lease(board *b, const char *worker, int64_t end_ms)
{
	auto_lock(&b->mutex);
	assert(!b->v.leased);
	assert(strlen(worker) == WORKER_UUID - 1);
	b->v.leased = true;
	b->v.epoch++;
	b->v.lease_end_ms = end_ms;
	memcpy(b->v.worker, worker, WORKER_UUID);
	wait_event_ring(b->keep_fd);
}

void
board_renew_lease(board *b, unsigned epoch, int64_t end_ms)
{
	auto_lock(&b->mutex);
	if (!b->v.leased || b->v.epoch != epoch || end_ms <= b->v.lease_end_ms)
		return;
	b->v.lease_end_ms = end_ms;
	if (b->v.pending > 0) /* an answer in the last moment: some held back already */
		pthread_cond_broadcast(&b->work_cond);
}

/*
 * Pending works are freed at once, so that they take no room from the next lease; what
 * runs is freed by its executor, and results by the settler.
 */
static void
lose_lease_locked(board *b)
{
	work *pending;

	assert(b->v.leased);
	b->v.leased = false;
	while ((pending = work_list_take(&b->pending)) != NULL)
	{
		b->v.pending--;
		board_drop_locked(b, pending);
		work_free(pending);
	}
	for (work *w = b->held; w != NULL; w = w->held_next)
	{
		w->dropped = true;
		if (w->state == WORK_RUNNING)
			board_interrupt_locked(w, PAWL_LEASE_LOST);
	}
	pthread_cond_broadcast(&b->work_cond);
	board_wake_settler_locked(b);
	board_wake_claimer_locked(b);
	wait_event_ring(b->keep_fd);
}

bool
board_lose_lease(board *b, unsigned epoch)
{
	auto_lock(&b->mutex);
	if (!b->v.leased || b->v.epoch != epoch)
		return false;
	lose_lease_locked(b);
	return true;
}

static bool
is_unfinished(const work *w)
{
	return !w->dropped && (w->state == WORK_PENDING || w->state == WORK_RUNNING);
}

worker_pair *
board_pairs(board *b, unsigned epoch, size_t *ret_n)
{
	auto_lock(&b->mutex);
	size_t room = b->v.pending + b->v.running + b->v.attended;
	worker_pair *pairs = malloc((room + 1) * sizeof(*pairs));
	size_t n = 0;

	if (pairs == NULL)
		return NULL;
	for (work *w = b->held; w != NULL; w = w->held_next)
	{
		if (!is_unfinished(w) || w->epoch != epoch)
			continue;
		assert(n < room);
		pairs[n++] = (worker_pair){w->job.id, w->job.fence};
	}
	*ret_n = n;
	return pairs;
}

static int
compare_fences(const void *a, const void *b)
{
	int64_t x = *(const int64_t *) a;
	int64_t y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

size_t
board_end_claims(board *b, unsigned epoch, const int64_t *fences, size_t n)
{
	auto_lock(&b->mutex);
	size_t ended = 0;

	for (work *w = b->held; w != NULL && n > 0; w = w->held_next)
	{
		if (!is_unfinished(w) || w->epoch != epoch)
			continue;
		for (size_t i = 0; i < n; i++)
		{
			if (fences[i] != w->job.fence)
				continue;
			w->dropped = true;
			ended++;
			if (w->state == WORK_RUNNING)
				board_interrupt_locked(w, PAWL_CANCELLED);
			break;
		}
	}
	return ended;
}

int64_t *
board_fences(board *b, size_t *ret_n)
{
	auto_lock(&b->mutex);
	int64_t *fences = b->v.leased ? malloc((b->v.held + 1) * sizeof(*fences)) : NULL;
	size_t n = 0;

	if (fences == NULL)
		return NULL;
	for (work *w = b->held; w != NULL; w = w->held_next)
		fences[n++] = w->job.fence;
	qsort(fences, n, sizeof(*fences), compare_fences);
	*ret_n = n;
	return fences;
}

size_t
board_unknown(const int64_t *fences, size_t n_fences, worker_pair *pairs, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
	{
		if (bsearch(&pairs[i].fence, fences, n_fences, sizeof(*fences),
		            compare_fences) == NULL)
			pairs[left++] = pairs[i];
	}
	return left;
}
