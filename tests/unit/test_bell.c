/*
 * test_bell.c - when a worker sleeps, when it trusts the doorbell, when it answers
 *
 * Bugs guarded against: a job whose push looked before the flag was set, found a poll
 * later; a flag set and cleared for every job, or left up while thousands a second are
 * pushed; a worker that hears nothing since its connection was lost, and trusts; fifty
 * workers that all claim for each push, or one that claims all the time because others'
 * jobs ring.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/bell.h"

#define PID 4711
#define POLL 60000

/* A worker that has set its flag at 1000, bound 500, and looked then. */
static bell
asleep(void)
{
	bell b = {0};

	bell_note(&b, 0, PID, 1000);
	bell_looked(&b, 400, PID, 0, true, 1000);
	assert_int_equal(bell_next(&b, 0, true, 1000), BELL_SET);
	bell_was_set(&b, 500, 1000);
	return b;
}

static bell
trusting(void)
{
	bell b = asleep();

	bell_looked(&b, 500, PID, 0, true, 1000);
	assert_true(b.trusted);
	return b;
}

/* The naive rule trusts from the first look on: a minute until the job is found. */
static void
test_doubt(void **state)
{
	bell b = asleep();

	(void) state;
	bell_looked(&b, 499, PID, 0, true, 1001); /* 499 has not ended */
	assert_false(b.trusted);
	assert_int_equal(bell_poll(&b, 0, POLL, 1001), 1001 + BELL_DOUBT_MS);
	bell_looked(&b, 499, PID, 0, true, 9000);
	assert_int_equal(bell_poll(&b, 0, POLL, 9000), 10000); /* an eighth of its time */
	bell_looked(&b, 0, PID, 0, true, 9000);                /* no snapshot was told */
	assert_false(b.trusted);
	bell_looked(&b, 500, PID, 0, true, 10000);
	assert_true(b.trusted);
	assert_int_equal(bell_poll(&b, 0, POLL, 10000), 10000 + POLL);
	assert_int_equal(bell_answer(&b), INT64_MAX);
	assert_int_equal(bell_next(&b, 0, true, 50000), BELL_KEEP);
}

static void
test_a_ring_is_answered_at_once(void **state)
{
	bell b = trusting();

	(void) state;
	bell_note(&b, 1, PID, 2000);
	assert_true(bell_answer(&b) <= 2000);
	bell_looked(&b, 600, PID, 1, true, 2000);
	assert_int_equal(bell_answer(&b), INT64_MAX);
	bell_note(&b, 1, PID, 2001); /* nothing new */
	assert_int_equal(bell_answer(&b), INT64_MAX);
}

/* Rings that bring nothing: the worker slows down, and one that brings something ends it. */
static void
test_fruitless_rings(void **state)
{
	bell b = trusting();
	int64_t now = 2000;
	uint64_t heard = 0;
	int looks = 0;

	(void) state;
	for (int64_t end = now + 1000; now < end; now++)
	{
		bell_note(&b, ++heard, PID, now);
		if (now < bell_answer(&b))
			continue;
		bell_looked(&b, 600, PID, 0, true, now);
		looks++;
	}
	assert_in_range(looks, BELL_FRUITLESS + 1000 / BELL_FRUITLESS_MS, 40);
	now = bell_answer(&b) < INT64_MAX ? bell_answer(&b) : now;
	bell_note(&b, ++heard, PID, now);
	bell_looked(&b, 600, PID, 1, true, now);
	bell_note(&b, ++heard, PID, now);
	assert_true(bell_answer(&b) <= now);
}

/* Late is measured from the last look: a ring after a silence is answered at once. */
static void
test_silence_forgives(void **state)
{
	bell b = trusting();

	(void) state;
	for (int i = 1; i <= 20; i++)
	{
		bell_note(&b, (uint64_t) i, PID, 2000);
		bell_looked(&b, 600, PID, 0, true, 2000);
	}
	bell_note(&b, 21, PID, 2001);
	assert_int_equal(bell_answer(&b), 2000 + BELL_FRUITLESS_MS);
	assert_true(bell_answer(&b) <= 2100);
}

/* Between the two rates nothing changes. */
static void
test_hysteresis(void **state)
{
	bell b = {0};

	(void) state;
	bell_note(&b, 0, PID, 1000);
	bell_looked(&b, 400, PID, 0, true, 1000);
	assert_int_equal(bell_next(&b, BELL_SLOW, true, 1000), BELL_KEEP);
	assert_int_equal(bell_poll(&b, BELL_SLOW, POLL, 1000), 1000 + BELL_GAP_MS);
	assert_int_equal(bell_next(&b, BELL_SLOW - 1, false, 1000), BELL_KEEP);
	assert_int_equal(bell_next(&b, BELL_SLOW - 1, true, 1000), BELL_SET);
	bell_was_set(&b, 500, 1000);
	bell_looked(&b, 500, PID, 1, true, 1001);
	assert_int_equal(bell_next(&b, BELL_FAST - 1, true, 1002), BELL_KEEP);
	assert_int_equal(bell_next(&b, BELL_FAST, true, 1002), BELL_CLEAR);
	bell_was_cleared(&b, BELL_FAST, 1002);
	assert_int_equal(bell_next(&b, BELL_SLOW, true, 1002), BELL_KEEP);
	assert_int_equal(bell_next(&b, 0, true, 1002), BELL_SET);
}

/* Without room nobody needs to ring. */
static void
test_full(void **state)
{
	bell b = trusting();

	(void) state;
	assert_int_equal(bell_next(&b, 0, false, 1000 + BELL_FULL_MS - 1), BELL_KEEP);
	assert_int_equal(bell_next(&b, 0, true, 1000 + BELL_FULL_MS), BELL_KEEP);
	assert_int_equal(bell_next(&b, 0, false, 1000 + BELL_FULL_MS), BELL_CLEAR);
}

/* Two thousand rings a second, for others: the flag is down for a while. */
static void
test_flood(void **state)
{
	bell b = trusting();
	int64_t now = 2000;
	uint64_t heard = 0;

	(void) state;
	while (bell_next(&b, 50, true, now) == BELL_KEEP && now < 4000)
	{
		bell_note(&b, heard += 2, PID, ++now);
		if (now >= bell_answer(&b))
			bell_looked(&b, 600, PID, 0, true, now);
	}
	assert_in_range(now, 2400, 3100);
	bell_was_cleared(&b, 50, now);
	assert_int_equal(bell_answer(&b), INT64_MAX);
	assert_int_equal(bell_next(&b, 50, true, now + BELL_FLOOD_MS - 1), BELL_KEEP);
	assert_int_equal(bell_poll(&b, 50, POLL, now), now + BELL_GAP_MS);
	assert_int_equal(bell_next(&b, 50, true, now + BELL_FLOOD_MS), BELL_SET);
}

/* The connection was lost: look at once, set the flag anew, and do not trust before. */
static void
test_lost_connection(void **state)
{
	bell b = trusting();

	(void) state;
	bell_note(&b, 0, 0, 2000);
	assert_false(b.trusted);
	assert_true(bell_answer(&b) <= 2000);
	bell_looked(&b, 700, PID + 1, 0, true, 2010);
	assert_false(b.trusted);
	bell_note(&b, 0, PID + 1, 2010);
	assert_int_equal(bell_next(&b, 0, true, 2010), BELL_SET);
	bell_failed(&b, 2010);
	assert_int_equal(bell_next(&b, 0, true, 2011), BELL_KEEP);
	assert_int_equal(bell_next(&b, 0, true, 2010 + BELL_FAILED_MS), BELL_SET);
	bell_was_set(&b, 800, 3000);
	bell_looked(&b, 800, PID + 1, 0, true, 3001);
	assert_true(b.trusted);
}

/*
 * Nobody said that the flag is set, and it is.  The bug: a worker that becomes busy does
 * not clear what it does not know of, and each push rings, which serialises commits.
 */
static void
test_doubtful_flag(void **state)
{
	bell b = {0};

	(void) state;
	bell_note(&b, 0, PID, 1000);
	bell_may_be_set(&b, 1000);
	bell_failed(&b, 1000);
	bell_looked(&b, 900, PID, 0, true, 1001);
	assert_false(b.trusted);
	assert_int_equal(bell_poll(&b, 0, POLL, 1001), 1001 + BELL_DOUBT_MS);
	assert_int_equal(bell_next(&b, BELL_FAST, true, 1002), BELL_KEEP);
	assert_int_equal(bell_next(&b, 0, true, 1000 + BELL_FAILED_MS), BELL_SET);
	assert_int_equal(bell_next(&b, BELL_FAST, true, 1000 + BELL_FAILED_MS), BELL_CLEAR);
}

/* Behind a pooler, or at the end of a worker with --once. */
static void
test_off(void **state)
{
	bell b = {0};

	(void) state;
	bell_turn_off(&b);
	bell_note(&b, 5, PID, 1000);
	bell_looked(&b, 400, PID, 0, true, 1000);
	assert_int_equal(bell_next(&b, 0, true, 1000), BELL_KEEP);
	assert_int_equal(bell_answer(&b), INT64_MAX);
	assert_int_equal(bell_poll(&b, 5000, POLL, 1000), 1000 + POLL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_a_ring_is_answered_at_once),
		cmocka_unit_test(test_fruitless_rings),
		cmocka_unit_test(test_silence_forgives),
		cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_lost_connection),
		cmocka_unit_test(test_doubtful_flag),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests_name("bell", tests, NULL, NULL);
}
