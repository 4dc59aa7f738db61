/*
 * test_groups.c - the seats of the runners of groups
 *
 * Bugs guarded against: a group that two runners of one worker seek; a settle while a
 * renewal is on its way; a runner that waits for a renewal for ever; a group that goes on
 * although its lease is over, or the server has hung up; an answer to a renewal that is
 * taken for one of the next group.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "worker/groups.h"
#include "worker/wait.h"

#define LONG_MS 60000

typedef struct fixture
{
	group_seats g;
	int claim_fd;
	int bell_fd;
} fixture;

static void
begin(fixture *f, size_t n)
{
	f->claim_fd = wait_event_new();
	f->bell_fd = wait_event_new();
	assert_int_equal(groups_init(&f->g, n, f->claim_fd, f->bell_fd, NULL), PAWL_OK);
}

static void
end(fixture *f)
{
	groups_destroy(&f->g);
	close(f->claim_fd);
	close(f->bell_fd);
}

static void
offer(fixture *f, const char *const *keys, size_t n)
{
	groups_offer(&f->g, keys, n, false);
}

/* The seat has this group. */
static group_seat *
have(fixture *f, size_t i, const char *key, int64_t token, int64_t end_ms)
{
	group_seat *seat = &f->g.seats[i];

	offer(f, &key, 1);
	assert_int_equal(groups_next(&f->g, seat, 0), GROUPS_ONE);
	assert_string_equal(seat->key, key);
	groups_taken(&f->g, seat, token, end_ms);
	return seat;
}

static void
leave_attended(fixture *f, group_seat *seat)
{
	int64_t end_ms;

	(void) groups_rest(&f->g, seat, &end_ms);
	groups_leave(&f->g, seat, true);
}

/* In the order in which they were found; none twice, and none that is had. */
static void
test_offers(void **state)
{
	static const char *const keys[] = {"a", "b", "a", "c"};
	fixture f;
	groups_view v;

	(void) state;
	begin(&f, 2);
	have(&f, 0, "b", 1, clock_ms() + LONG_MS);
	offer(&f, keys, 4);
	assert_int_equal(f.g.n_offered, 2);
	assert_int_equal(groups_next(&f.g, &f.g.seats[1], 0), GROUPS_ONE);
	assert_string_equal(f.g.seats[1].key, "a");
	groups_leave(&f.g, &f.g.seats[1], true);
	assert_int_equal(groups_next(&f.g, &f.g.seats[1], 0), GROUPS_ONE);
	assert_string_equal(f.g.seats[1].key, "c");
	groups_leave(&f.g, &f.g.seats[1], true);
	assert_int_equal(groups_next(&f.g, &f.g.seats[1], 0), GROUPS_NOTHING);
	groups_look(&f.g, &v);
	assert_int_equal(v.fruitful, 2);
	assert_false(v.idle);
	assert_int_equal(v.room, 0); /* nobody waits */
	groups_leave(&f.g, &f.g.seats[0], true);
	assert_true(groups_is_idle(&f.g));
	end(&f);
}

/* A ring without room takes what it can. */
static void
test_offers_are_bounded(void **state)
{
	char texts[GROUPS_OFFERED + 5][8];
	const char *keys[GROUPS_OFFERED + 5];
	fixture f;

	(void) state;
	begin(&f, 1);
	for (int i = 0; i < GROUPS_OFFERED + 5; i++)
	{
		snprintf(texts[i], sizeof(texts[i]), "g%d", i);
		keys[i] = texts[i];
	}
	for (int round = 0; round < 3; round++)
	{
		offer(&f, keys, GROUPS_OFFERED + 5);
		assert_int_equal(f.g.n_offered, GROUPS_OFFERED);
		for (int i = 0; i < GROUPS_OFFERED; i++)
		{
			assert_int_equal(groups_next(&f.g, &f.g.seats[0], 0), GROUPS_ONE);
			assert_string_equal(f.g.seats[0].key, keys[i]);
			groups_leave(&f.g, &f.g.seats[0], true);
		}
	}
	end(&f);
}

/* One that somebody else has: the others are looked for anew, and fewer at a time. */
static void
test_contested(void **state)
{
	static const char *const keys[] = {"a", "b", "c", "d"};
	group_key tried[GROUPS_OFFERED];
	fixture f;
	groups_view v;

	(void) state;
	begin(&f, 1);
	offer(&f, keys, 4);
	assert_int_equal(groups_next(&f.g, &f.g.seats[0], 0), GROUPS_ONE);
	groups_leave(&f.g, &f.g.seats[0], true);
	assert_int_equal(groups_next(&f.g, &f.g.seats[0], 0), GROUPS_ONE);
	groups_leave(&f.g, &f.g.seats[0], false);
	assert_int_equal(groups_next(&f.g, &f.g.seats[0], 0), GROUPS_NOTHING);
	assert_false(groups_others_wait(&f.g)); /* asks for a look */
	groups_look(&f.g, &v);
	assert_true(v.more && v.fruitful == 1);
	assert_int_equal(v.room, GROUPS_OFFERED / 2);
	assert_int_equal(groups_take_tried(&f.g, tried), 2);
	assert_string_equal(tried[0], "a");
	assert_string_equal(tried[1], "b");
	assert_int_equal(groups_take_tried(&f.g, tried), 0);
	offer(&f, keys + 2, 2);
	groups_look(&f.g, &v);
	assert_false(v.more);
	assert_int_equal(groups_next(&f.g, &f.g.seats[0], 0), GROUPS_ONE);
	assert_string_equal(f.g.seats[0].key, "c");
	groups_leave(&f.g, &f.g.seats[0], true);
	assert_int_equal(f.g.reach, GROUPS_OFFERED / 2 + 1);
	groups_end(&f.g);
	end(&f);
}

/* Who asks whether others wait has the scout look, though no runner is free. */
static void
test_others(void **state)
{
	static const char *const keys[] = {"b"};
	fixture f;
	groups_view v;

	(void) state;
	begin(&f, 1);
	have(&f, 0, "a", 1, clock_ms() + LONG_MS);
	wait_event_drain(f.claim_fd);
	assert_false(groups_others_wait(&f.g));
	assert_int_equal(wait_event_drain(f.claim_fd), 1);
	assert_false(groups_others_wait(&f.g));
	assert_int_equal(wait_event_drain(f.claim_fd), 0);
	groups_look(&f.g, &v);
	assert_int_equal(v.room, GROUPS_OFFERED);
	offer(&f, keys, 1);
	assert_true(groups_others_wait(&f.g));
	groups_leave(&f.g, &f.g.seats[0], true);
	groups_end(&f.g);
	assert_false(groups_others_wait(&f.g)); /* what was offered is not begun */
	assert_int_equal(groups_next(&f.g, &f.g.seats[0], CLOCK_NEVER), GROUPS_END);
	end(&f);
}

/* Only while a handler runs, and the end of the lease is the keeper's then. */
static void
test_renewals(void **state)
{
	int64_t first_ms = clock_ms() + LONG_MS;
	group_renewal renewals[2];
	int64_t end_ms = 0;
	group_seat *seat;
	fixture f;

	(void) state;
	begin(&f, 2);
	seat = have(&f, 0, "a", 7, first_ms);
	have(&f, 1, "b", 8, first_ms);
	assert_int_equal(groups_renewals(&f.g, renewals), 0);
	assert_true(groups_attend(&f.g, seat));
	assert_int_equal(groups_renewals(&f.g, renewals), 1);
	assert_int_equal(renewals[0].token, 7);
	assert_string_equal(renewals[0].key, "a");
	groups_are_renewed(&f.g, renewals, 1, first_ms + 10);
	assert_true(groups_rest(&f.g, seat, &end_ms));
	assert_int_equal(end_ms, first_ms + 10);

	/* a statement that has failed changes nothing, one that tells a loss ends it */
	assert_true(groups_attend(&f.g, seat));
	assert_int_equal(groups_renewals(&f.g, renewals), 1);
	groups_are_renewed(&f.g, renewals, 1, 0);
	assert_int_equal(groups_renewals(&f.g, renewals), 1);
	renewals[0].lost = true;
	groups_are_renewed(&f.g, renewals, 1, first_ms + 20);
	assert_int_equal(groups_renewals(&f.g, renewals), 0);
	assert_false(groups_rest(&f.g, seat, &end_ms));
	groups_leave(&f.g, seat, true);
	groups_leave(&f.g, &f.g.seats[1], true);
	end(&f);
}

/* The answer to a renewal of one group is none to the next one's on the same seat. */
static void
test_late_answer(void **state)
{
	group_renewal renewals[1];
	int64_t end_ms;
	group_seat *seat;
	fixture f;

	(void) state;
	begin(&f, 1);
	seat = have(&f, 0, "a", 7, clock_ms() + 30);
	assert_true(groups_attend(&f.g, seat));
	assert_int_equal(groups_renewals(&f.g, renewals), 1);
	assert_false(groups_rest(&f.g, seat, &end_ms)); /* waits no longer than the lease */
	assert_true(clock_ms() >= end_ms);
	groups_leave(&f.g, seat, true);
	have(&f, 0, "a", 9, clock_ms() + LONG_MS);
	assert_true(groups_attend(&f.g, seat));
	renewals[0].lost = true;
	groups_are_renewed(&f.g, renewals, 1, clock_ms() + LONG_MS);
	assert_true(groups_rest(&f.g, seat, &end_ms));
	groups_leave(&f.g, seat, true);
	end(&f);
}

static void *
rest(void *arg)
{
	fixture *f = arg;
	int64_t end_ms;

	return groups_rest(&f->g, &f->g.seats[0], &end_ms) ? arg : NULL;
}

/* A runner whose handler has ended waits for the renewal that is on its way. */
static void
test_rest_joins_the_renewal(void **state)
{
	group_renewal renewals[1];
	pthread_t thread;
	void *answer;
	group_seat *seat;
	fixture f;
	bool rests = false;

	(void) state;
	begin(&f, 1);
	seat = have(&f, 0, "a", 7, clock_ms() + LONG_MS);
	assert_true(groups_attend(&f.g, seat));
	assert_int_equal(groups_renewals(&f.g, renewals), 1);
	assert_int_equal(pthread_create(&thread, NULL, rest, &f), 0);
	while (!rests)
	{
		pthread_mutex_lock(&f.g.mutex);
		rests = !seat->attended;
		pthread_mutex_unlock(&f.g.mutex);
	}
	assert_true(seat->renewing);
	groups_are_renewed(&f.g, renewals, 1, clock_ms() + LONG_MS);
	assert_int_equal(pthread_join(thread, &answer), 0);
	assert_non_null(answer);
	groups_leave(&f.g, seat, true);
	end(&f);
}

/* Told once: the end of its time, and a server that has hung up. */
static void
test_losses(void **state)
{
	int sockets[2];
	int64_t end_ms;
	group_loss loss;
	fixture f;

	(void) state;
	begin(&f, 3);
	have(&f, 0, "over", 7, clock_ms());
	have(&f, 1, "cut", 8, clock_ms() + LONG_MS);
	have(&f, 2, "fine", 9, clock_ms() + LONG_MS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	groups_watch(&f.g, &f.g.seats[1], sockets[0]);
	assert_false(groups_next_loss(&f.g, &loss)); /* nobody's handler runs */
	for (int i = 0; i < 3; i++)
		assert_true(groups_attend(&f.g, &f.g.seats[i]));
	assert_true(groups_next_loss(&f.g, &loss));
	assert_int_equal(loss.token, 7);
	assert_false(groups_next_loss(&f.g, &loss));
	close(sockets[1]);
	assert_true(groups_next_loss(&f.g, &loss));
	assert_int_equal(loss.token, 8);
	assert_string_equal(loss.key, "cut");
	assert_false(groups_next_loss(&f.g, &loss));
	assert_false(groups_rest(&f.g, &f.g.seats[1], &end_ms));
	groups_unwatch(&f.g, sockets[0]);
	groups_leave(&f.g, &f.g.seats[1], true);
	leave_attended(&f, &f.g.seats[0]);
	leave_attended(&f, &f.g.seats[2]);
	close(sockets[0]);
	end(&f);
}

/* Lost between two jobs: the next handler does not begin. */
static void
test_lost_before_a_handler(void **state)
{
	int sockets[2];
	group_loss loss;
	fixture f;

	(void) state;
	begin(&f, 1);
	have(&f, 0, "a", 7, clock_ms() + LONG_MS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	groups_watch(&f.g, &f.g.seats[0], sockets[0]);
	close(sockets[1]);
	assert_false(groups_next_loss(&f.g, &loss));
	assert_false(groups_attend(&f.g, &f.g.seats[0]));
	groups_leave(&f.g, &f.g.seats[0], false);
	close(sockets[0]);
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_offers_are_bounded),
		cmocka_unit_test(test_contested),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_renewals),
		cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_rest_joins_the_renewal),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_lost_before_a_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
