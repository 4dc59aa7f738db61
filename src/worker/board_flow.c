/*
 * board_flow.c - works on their way from the claimer to the settler; see board.h
 */
#include <assert.h>

#include "base/clock.h"
#include "worker/board.h"
#include "worker/wait.h"

void
board_hold_locked(board *b, work *w)
{
	w->held_prev = NULL;
	w->held_next = b->held;
	if (b->held != NULL)
		b->held->held_prev = w;
	b->held = w;
	b->v.held++;
	if (w->token != 0)
		b->v.grouped++;
	else
		b->v.suspects += w->suspect;
}

void
board_drop_locked(board *b, work *w)
{
	assert(b->v.held > 0);
	if (w->held_prev != NULL)
		w->held_prev->held_next = w->held_next;
	else
		b->held = w->held_next;
	if (w->held_next != NULL)
		w->held_next->held_prev = w->held_prev;
	b->v.held--;
	if (w->token != 0)
		b->v.grouped--;
	else
		b->v.suspects -= w->suspect;
}

static void
add_result_locked(board *b, work *w)
{
	w->state = WORK_DONE;
	work_list_add(&b->results, w);
	board_wake_settler_locked(b);
}

/* Wake as many executors as there is work for. */
static void
wake_executors_locked(board *b)
{
	if (b->v.pending >= b->v.idle)
		pthread_cond_broadcast(&b->work_cond);
	else
		for (size_t i = 0; i < b->v.pending; i++)
			pthread_cond_signal(&b->work_cond);
}

void
board_hand_over(board *b, work_list *batch)
{
	work_list trash = {0};
	work *w;

	pthread_mutex_lock(&b->mutex);
	while ((w = work_list_take(batch)) != NULL)
	{
		assert(w->state == WORK_PENDING);
		if (!b->v.leased || w->epoch != b->v.epoch)
		{
			work_list_add(&trash, w); /* the lease ended meanwhile */
			continue;
		}
		board_hold_locked(b, w);
		if (b->v.phase != BOARD_RUNNING && !w->concluded)
			work_conclude(w, WORK_RELEASE);
		if (w->concluded)
			add_result_locked(b, w);
		else
		{
			work_list_add(&b->pending, w);
			b->v.pending++;
		}
	}
	wake_executors_locked(b);
	pthread_mutex_unlock(&b->mutex);
	work_list_free(&trash);
}

static void
finish_locked(board *b, int interrupt_fd, work *w, work_list *trash)
{
	assert(w->state == WORK_RUNNING && w->concluded);
	assert(b->v.running > 0);
	b->v.running--;
	b->v.finished++;
	w->interrupt_fd = -1;
	if (atomic_load(&w->interrupt) != PAWL_RUNNING_ON)
		wait_event_drain(interrupt_fd);
	if (w->dropped)
	{
		board_drop_locked(b, w);
		work_list_add(trash, w);
	}
	else
		add_result_locked(b, w);
	if (b->v.phase != BOARD_RUNNING && b->v.running + b->v.attended == 0)
		wait_event_ring(b->bell_fd);
}

/*
 * The next work that is still wanted.  None under a lease that is over, as after a stop
 * of the process: the supervisor is told, and ends it.
 */
static work *
next_locked(board *b, int64_t now_ms, work_list *trash)
{
	work *w;

	if (b->v.leased && now_ms >= b->v.lease_end_ms)
	{
		wait_event_ring(b->bell_fd);
		return NULL;
	}
	while ((w = work_list_take(&b->pending)) != NULL)
	{
		b->v.pending--;
		if (!w->dropped)
			return w;
		board_drop_locked(b, w);
		work_list_add(trash, w);
	}
	return NULL;
}

static void
start_locked(board *b, int interrupt_fd, work *w)
{
	w->state = WORK_RUNNING;
	w->started_ms = clock_ms();
	w->interrupt_fd = interrupt_fd;
	b->v.running++;
	b->v.started++;
	if (b->interrupting)
		board_interrupt_locked(w, PAWL_DRAINING);
}

work *
board_take(board *b, int interrupt_fd, work *finished)
{
	int64_t now_ms = clock_ms();
	work_list trash = {0};
	work *w;

	pthread_mutex_lock(&b->mutex);
	if (finished != NULL)
		finish_locked(b, interrupt_fd, finished, &trash);
	for (;;)
	{
		w = next_locked(b, now_ms, &trash);
		if (w != NULL || b->v.phase >= BOARD_EXECUTORS_END)
			break;
		b->v.idle++;
		board_wake_claimer_locked(b);
		pthread_cond_wait(&b->work_cond, &b->mutex);
		b->v.idle--;
		now_ms = clock_ms();
	}
	if (w != NULL)
		start_locked(b, interrupt_fd, w);
	board_wake_claimer_locked(b);
	pthread_mutex_unlock(&b->mutex);
	work_list_free(&trash);
	return w;
}

bool
board_results(board *b, work_list *ret_results, size_t max, int64_t deadline_ms)
{
	auto_lock(&b->mutex);
	if ((b->results.n == 0 || max == 0) &&
	    (b->v.phase < BOARD_SETTLER_END || deadline_ms != CLOCK_NEVER))
	{
		b->settler_waits = true;
		wait_cond(&b->settle_cond, &b->mutex, deadline_ms);
		b->settler_waits = false;
	}
	for (size_t i = 0; i < max && b->results.n > 0; i++)
	{
		work *w = work_list_take(&b->results);

		w->state = WORK_SETTLING;
		work_list_add(ret_results, w);
	}
	return ret_results->n > 0 || b->v.phase < BOARD_SETTLER_END;
}

bool
board_holds_batch(board *b, int64_t batch)
{
	auto_lock(&b->mutex);
	for (const work *w = b->held; w != NULL; w = w->held_next)
	{
		if (w->job.batch == batch && w->job.stage != NULL)
			return true;
	}
	return false;
}

void
board_gather(board *b, size_t enough, int64_t until_ms)
{
	auto_lock(&b->mutex);
	b->results_wanted = enough;
	while (b->results.n < enough && b->v.pending + b->v.running > 0 &&
	       b->v.phase < BOARD_SETTLER_END && clock_ms() < until_ms)
	{
		b->settler_waits = true;
		wait_cond(&b->settle_cond, &b->mutex, until_ms);
		b->settler_waits = false;
	}
	b->results_wanted = 0;
}

/* Free the works of the list, which nobody else knows any more. */
static void
forget_locked(board *b, work_list *list, work_list *trash)
{
	work *w;

	while ((w = work_list_take(list)) != NULL)
	{
		board_drop_locked(b, w);
		work_list_add(trash, w);
	}
	board_wake_claimer_locked(b);
}

void
board_sift(board *b, work_list *list)
{
	work_list all = *list;
	work_list kept = {0};
	work_list gone = {0};
	work_list trash = {0};
	work *w;

	pthread_mutex_lock(&b->mutex);
	while ((w = work_list_take(&all)) != NULL)
		work_list_add(w->dropped ? &gone : &kept, w);
	forget_locked(b, &gone, &trash);
	pthread_mutex_unlock(&b->mutex);
	work_list_free(&trash);
	*list = kept;
}

void
board_forget(board *b, work_list *list)
{
	work_list trash = {0};

	pthread_mutex_lock(&b->mutex);
	forget_locked(b, list, &trash);
	pthread_mutex_unlock(&b->mutex);
	work_list_free(&trash);
}

void
board_folds(board *b, bool folding)
{
	auto_lock(&b->mutex);

	b->v.folding = folding;
}

size_t
board_give_back(board *b, size_t n)
{
	auto_lock(&b->mutex);
	work_list all = b->pending;
	size_t keep = all.n > n ? all.n - n : 0;
	size_t given = 0;
	work *w;

	b->pending = (work_list){0};
	work_list_move(&all, &b->pending, keep);
	while ((w = work_list_take(&all)) != NULL)
	{
		b->v.pending--;
		given++;
		work_conclude(w, WORK_RELEASE);
		add_result_locked(b, w);
	}
	return given;
}
