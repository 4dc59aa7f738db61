/*
 * test_board.c - works on the board: who holds them, and when they leave it
 *
 * Bugs guarded against: a result settled after the lease was lost; a cancelled job that
 * is started all the same; an interrupt that reaches the next job of the executor; a
 * claim that comes back during a drain and is never given back; a claim of a lost lease
 * put on the board of the next; a job counted twice or never in what bounds memory; a
 * group's job that no heartbeat presents, or that is settled although its group is lost.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "worker/board.h"
#include "worker/wait.h"

#define UUID "00000000-0000-4000-8000-000000000001"
#define UUID2 "00000000-0000-4000-8000-000000000002"

static board *
new_board(void)
{
	board *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(board_init(b, NULL), PAWL_OK);
	board_begin_lease(b, UUID, clock_ms() + 60000);
	return b;
}

static void
free_board(board *b)
{
	board_destroy(b);
	free(b);
}

static work *
new_work(int64_t id, unsigned epoch)
{
	claim_job row = {.job = id,
	                 .fence = id + 100,
	                 .kind = "noop",
	                 .args = "{\"n\": 1}",
	                 .queue = "default",
	                 .attempt = 1};
	work *w = work_new(&row, epoch);

	assert_non_null(w);
	return w;
}

static void
hand_over(board *b, int64_t first, int n, unsigned epoch)
{
	work_list batch = {0};

	for (int i = 0; i < n; i++)
		work_list_add(&batch, new_work(first + i, epoch));
	board_hand_over(b, &batch);
	assert_int_equal(batch.n, 0);
}

static board_view
look(board *b)
{
	board_view view;

	board_look(b, &view);
	return view;
}

static work_list
results(board *b)
{
	work_list list = {0};

	(void) board_results(b, &list, 1000, 0);
	return list;
}

static bool
is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

/* What wakes a claimer that waits: the end of its lease, an empty board, a drain. */
static void
test_claimer_is_woken(void **state)
{
	board *b = new_board();
	board_wake empty = {.on_empty = true};
	board_wake unleased = {.unleased = true};

	(void) state;
	assert_false(board_claim_waits(b, &empty)); /* nothing is held */
	hand_over(b, 1, 1, 1);
	assert_true(board_claim_waits(b, &empty));
	assert_false(is_readable(b->claim_fd));
	assert_true(board_lose_lease(b, 1));
	assert_true(is_readable(b->claim_fd));
	board_claim_goes(b);
	assert_false(is_readable(b->claim_fd));
	assert_true(board_claim_waits(b, &unleased));
	board_advance(b, BOARD_DRAINING);
	assert_true(is_readable(b->claim_fd));
	board_claim_goes(b);
	assert_false(board_claim_waits(b, &unleased));
	free_board(b);
}

/* From the claim to the settle, with the counts at each station. */
static void
test_whole_way(void **state)
{
	board *b = new_board();
	int fd = wait_event_new();
	work_list list;
	work *w;

	(void) state;
	hand_over(b, 1, 2, 1);
	assert_int_equal(look(b).pending, 2);
	assert_int_equal(look(b).held, 2);
	w = board_take(b, fd, NULL);
	assert_int_equal(w->job.id, 1);
	assert_string_equal(w->job.args, "{\"n\": 1}");
	assert_int_equal(look(b).running, 1);
	work_conclude(w, WORK_COMPLETE);
	w = board_take(b, fd, w);
	assert_int_equal(w->job.id, 2);
	assert_int_equal(look(b).finished, 1);
	list = results(b);
	assert_int_equal(list.n, 1);
	assert_int_equal(look(b).held, 2);
	board_forget(b, &list);
	assert_int_equal(look(b).held, 1);
	work_conclude(w, WORK_FAIL);
	board_advance(b, BOARD_DRAINING);
	b->v.phase = BOARD_EXECUTORS_END; /* so that the take does not wait */
	assert_null(board_take(b, fd, w));
	list = results(b);
	assert_int_equal(list.n, 1);
	board_forget(b, &list);
	assert_int_equal(look(b).held, 0);
	close(fd);
	free_board(b);
}

/* Running, pending and finished works of a lost lease are none of the next one's. */
static void
test_lease_lost(void **state)
{
	board *b = new_board();
	int fd = wait_event_new();
	work_list list;
	work *done;
	work *w;

	(void) state;
	hand_over(b, 1, 3, 1);
	done = board_take(b, fd, NULL);
	work_conclude(done, WORK_COMPLETE);
	w = board_take(b, fd, done);
	assert_true(board_lose_lease(b, 1));
	assert_false(board_lose_lease(b, 1));
	assert_int_equal(atomic_load(&w->interrupt), PAWL_LEASE_LOST);
	assert_true(is_readable(fd));
	assert_int_equal(look(b).pending, 0);

	hand_over(b, 10, 1, 1);
	assert_int_equal(look(b).pending, 0); /* claimed before, arrived after */
	board_begin_lease(b, UUID2, clock_ms() + 60000);
	hand_over(b, 20, 1, 2);
	work_conclude(w, WORK_COMPLETE);
	w = board_take(b, fd, w);
	assert_int_equal(w->job.id, 20);
	assert_int_equal(atomic_load(&w->interrupt), PAWL_RUNNING_ON);
	assert_false(is_readable(fd)); /* the interrupt was the former job's */

	list = results(b);
	assert_int_equal(list.n, 1);
	board_sift(b, &list);
	assert_int_equal(list.n, 0);
	assert_int_equal(look(b).held, 1);
	work_conclude(w, WORK_COMPLETE);
	b->v.phase = BOARD_EXECUTORS_END;
	assert_null(board_take(b, fd, w));
	close(fd);
	free_board(b);
}

/* When a lease ended while the process was stopped, nothing starts any more. */
static void
test_nothing_starts_after_the_end_of_the_lease(void **state)
{
	board *b = calloc(1, sizeof(*b));
	int fd = wait_event_new();

	(void) state;
	assert_non_null(b);
	assert_int_equal(board_init(b, NULL), PAWL_OK);
	board_begin_lease(b, UUID, clock_ms() - 1);
	hand_over(b, 1, 1, 1);
	b->v.phase = BOARD_EXECUTORS_END;
	assert_null(board_take(b, fd, NULL));
	assert_true(is_readable(b->bell_fd)); /* the supervisor is to end it */
	assert_true(board_lose_lease(b, 1));
	assert_int_equal(look(b).held, 0);
	close(fd);
	free_board(b);
}

static void
test_cancelled(void **state)
{
	board *b = new_board();
	int fd = wait_event_new();
	int64_t fences[] = {101, 102, 999};
	worker_pair *pairs;
	size_t n = 0;
	work *w;

	(void) state;
	hand_over(b, 1, 3, 1);
	w = board_take(b, fd, NULL);
	pairs = board_pairs(b, 1, &n);
	assert_int_equal(n, 3);
	free(pairs);
	assert_int_equal(board_end_claims(b, 1, fences, 3), 2);
	assert_int_equal(board_end_claims(b, 1, fences, 3), 0);
	assert_int_equal(atomic_load(&w->interrupt), PAWL_CANCELLED);
	work_conclude(w, WORK_COMPLETE);
	w = board_take(b, fd, w);
	assert_int_equal(w->job.id, 3); /* the second was never started */
	assert_int_equal(results(b).n, 0);
	assert_int_equal(look(b).held, 1);
	work_conclude(w, WORK_COMPLETE);
	b->v.phase = BOARD_EXECUTORS_END;
	assert_null(board_take(b, fd, w));
	close(fd);
	free_board(b);
}

/* What is pending at a drain, or arrives during it, is given back. */
static void
test_drain_gives_back(void **state)
{
	board *b = new_board();
	work_list list;

	(void) state;
	hand_over(b, 1, 2, 1);
	board_advance(b, BOARD_DRAINING);
	hand_over(b, 3, 1, 1);
	assert_int_equal(look(b).pending, 0);
	list = results(b);
	assert_int_equal(list.n, 3);
	for (work *w = list.first; w != NULL; w = w->next)
		assert_int_equal(w->verb, WORK_RELEASE);
	board_forget(b, &list);
	free_board(b);
}

static void
test_surplus_is_given_back_from_the_end(void **state)
{
	board *b = new_board();
	work_list list;

	(void) state;
	hand_over(b, 1, 5, 1);
	assert_int_equal(board_give_back(b, 3), 3);
	assert_int_equal(look(b).pending, 2);
	list = results(b);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.first->job.id, 3);
	board_forget(b, &list);
	free_board(b);
}

/*
 * Claims whose answer was lost are those that the board did not hold: what has left it
 * since, for it was settled, is not taken for one.
 */
static void
test_unknown(void **state)
{
	board *b = new_board();
	worker_pair pairs[] = {{1, 101}, {7, 107}, {2, 102}, {2, 50}};
	size_t n = 0;
	int64_t *fences;
	work_list list;

	(void) state;
	hand_over(b, 1, 2, 1);
	fences = board_fences(b, &n);
	assert_int_equal(n, 2);
	assert_int_equal(board_give_back(b, 1), 1);
	list = results(b);
	board_forget(b, &list);
	assert_int_equal(board_unknown(fences, n, pairs, 4), 2);
	assert_int_equal(pairs[0].fence, 107);
	assert_int_equal(pairs[1].fence, 50);
	free(fences);
	free_board(b);
}

/*
 * What was dropped with its lease has run, perhaps: given back as an unknown claim it
 * would run again without a record that it had.
 */
static void
test_nothing_is_unknown_without_a_lease(void **state)
{
	board *b = new_board();
	size_t n;

	(void) state;
	hand_over(b, 1, 2, 1);
	assert_true(board_lose_lease(b, look(b).epoch));
	assert_null(board_fences(b, &n));
	free_board(b);
}

/* A suspect counts as one until it is settled, not until it has run. */
static void
test_suspect(void **state)
{
	board *b = new_board();
	int fd = wait_event_new();
	work_list batch = {0};
	work_list list;
	work *w = new_work(1, 1);

	(void) state;
	w->suspect = true;
	work_list_add(&batch, w);
	board_hand_over(b, &batch);
	w = board_take(b, fd, NULL);
	work_conclude(w, WORK_COMPLETE);
	b->v.phase = BOARD_EXECUTORS_END;
	assert_null(board_take(b, fd, w));
	assert_int_equal(look(b).suspects, 1);
	list = results(b);
	board_forget(b, &list);
	assert_int_equal(look(b).suspects, 0);
	close(fd);
	free_board(b);
}

/*
 * Bug guarded against: a result is settled alone though the next is a moment away, or
 * waits though none is on its way.
 */
static void
test_gather(void **state)
{
	board *b = new_board();
	int fd = wait_event_new();
	int64_t begin_ms = clock_ms();
	work_list list;
	work *w;

	(void) state;
	board_gather(b, 2, begin_ms + 60000); /* nothing is on its way */
	hand_over(b, 1, 2, 1);
	w = board_take(b, fd, NULL);
	work_conclude(w, WORK_COMPLETE);
	w = board_take(b, fd, w);
	board_gather(b, 1, begin_ms + 60000); /* enough */
	assert_true(clock_ms() < begin_ms + 60000);
	begin_ms = clock_ms();
	board_gather(b, 2, begin_ms + 30); /* the other runs on */
	assert_true(clock_ms() >= begin_ms + 30);
	work_conclude(w, WORK_COMPLETE);
	b->v.phase = BOARD_EXECUTORS_END; /* so that the take does not wait */
	assert_null(board_take(b, fd, w));
	list = results(b);
	assert_int_equal(list.n, 2);
	board_forget(b, &list);
	close(fd);
	free_board(b);
}

#define TOKEN 77

static work *
new_grouped(int64_t id)
{
	work *w = new_work(id, 1);

	w->token = TOKEN;
	return w;
}

/* It is presented while its handler runs, told of a cancel, and none of the executors'. */
static void
test_group(void **state)
{
	board *b = new_board();
	int fd = wait_event_new();
	work *works[] = {new_grouped(1), new_grouped(2), new_grouped(3)};
	work *left[3];
	int64_t fence = 102;
	size_t n = 0;
	worker_pair *pairs;

	(void) state;
	assert_true(board_group_begin(b, works, 3, fd, clock_ms() + 60000));
	pairs = board_pairs(b, 1, &n);
	assert_int_equal(n, 3);
	free(pairs);
	assert_int_equal(look(b).attended, 3);
	assert_int_equal(look(b).grouped, 3);
	assert_int_equal(look(b).running, 0);
	assert_false(board_is_quiet(b));
	assert_int_equal(board_end_claims(b, 1, &fence, 1), 1);
	assert_true(is_readable(fd));
	assert_int_equal(atomic_load(&works[1]->interrupt), PAWL_CANCELLED);
	assert_int_equal(board_group_end(b, works, 3, fd, left), 2);
	assert_int_equal(left[0]->job.id, 1);
	assert_int_equal(left[1]->job.id, 3);
	assert_false(is_readable(fd));
	assert_true(board_is_quiet(b));
	pairs = board_pairs(b, 1, &n);
	assert_int_equal(n, 0);
	free(pairs);
	board_group_forget(b, works, 3);
	assert_int_equal(look(b).held, 0);
	assert_int_equal(look(b).grouped, 0);
	close(fd);
	free_board(b);
}

/* Lost, with the worker's lease or its own: told to its handler, and not settled. */
static void
test_group_lost(void **state)
{
	board *b = new_board();
	int fd = wait_event_new();
	work *works[2];
	work *left[2];

	(void) state;
	works[0] = new_grouped(1);
	assert_true(board_group_begin(b, works, 1, fd, clock_ms() + 60000));
	board_group_lost(b, TOKEN + 1);
	assert_false(is_readable(fd));
	board_group_lost(b, TOKEN);
	assert_int_equal(atomic_load(&works[0]->interrupt), PAWL_LEASE_LOST);
	assert_int_equal(board_group_end(b, works, 1, fd, left), 0);
	board_group_forget(b, works, 1);

	works[0] = new_grouped(2);
	assert_false(board_group_begin(b, works, 1, fd, clock_ms())); /* it is over */
	assert_true(board_group_begin(b, works, 1, fd, clock_ms() + 60000));
	assert_true(board_lose_lease(b, 1));
	assert_int_equal(atomic_load(&works[0]->interrupt), PAWL_LEASE_LOST);
	works[1] = new_grouped(3);
	assert_false(board_group_begin(b, &works[1], 1, fd, clock_ms() + 60000));
	work_free(works[1]);
	assert_int_equal(board_group_end(b, works, 1, fd, left), 0);
	board_group_forget(b, works, 1);
	close(fd);
	free_board(b);
}

/* A drain is told to it, and waits for it; it takes no room from what is claimed. */
static void
test_group_drain(void **state)
{
	board *b = new_board();
	board_wake empty = {.on_empty = true};
	int fd = wait_event_new();
	work *w = new_grouped(1);
	work *left[1];

	(void) state;
	w->suspect = true;
	assert_true(board_group_begin(b, &w, 1, fd, clock_ms() + 60000));
	assert_int_equal(look(b).suspects, 0);
	assert_false(board_claim_waits(b, &empty)); /* nothing but a group's job is held */
	board_claim_goes(b);
	board_advance(b, BOARD_DRAINING);
	assert_false(board_is_quiet(b));
	board_interrupt_all(b);
	assert_int_equal(atomic_load(&w->interrupt), PAWL_DRAINING);
	wait_event_drain(b->bell_fd);
	assert_int_equal(board_group_end(b, &w, 1, fd, left), 1);
	assert_true(is_readable(b->bell_fd));
	board_group_forget(b, &w, 1);
	close(fd);
	free_board(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claimer_is_woken),
		cmocka_unit_test(test_whole_way),
		cmocka_unit_test(test_lease_lost),
		cmocka_unit_test(test_nothing_starts_after_the_end_of_the_lease),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_drain_gives_back),
		cmocka_unit_test(test_surplus_is_given_back_from_the_end),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_nothing_is_unknown_without_a_lease),
		cmocka_unit_test(test_suspect),
		cmocka_unit_test(test_gather),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_group_lost),
		cmocka_unit_test(test_group_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
