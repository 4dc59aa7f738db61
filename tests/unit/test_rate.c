/*
 * test_rate.c - how many jobs a worker may hold unstarted
 *
 * Bugs guarded against: two workers on 100 jobs of half a second, of which the first
 * takes 90 because eight starts in its first millisecond look like 8,000 a second; a
 * worker with slow handlers that sits on jobs which an idle one could run; claims of
 * one job each at 100,000 jobs a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/rate.h"

/* Before anything has finished nothing is known; then no more than that is held. */
static void
test_burst_is_no_rate(void **state)
{
	rate r = {0};

	(void) state;
	rate_note(&r, 0, 1000);
	assert_int_equal(rate_ahead(&r, 0, 1001), 0);
	assert_int_equal(rate_want(0, 8, 0, 1000), 8);
	assert_int_equal(rate_ahead(&r, 8, 1001), 8);
	assert_int_equal(rate_ahead(&r, 8, 1400), 2);
	assert_int_equal(rate_per_s(&r, 8, 1001), 8);
}

/* Sixteen starts a second: one job may wait. */
static void
test_slow_handlers(void **state)
{
	rate r = {0};
	uint64_t finished = 0;
	int64_t now = 5000;

	(void) state;
	for (int i = 0; i < 100; i++)
	{
		rate_note(&r, finished, now);
		assert_true(rate_ahead(&r, finished, now) <= 1);
		now += 500;
		finished += 8;
	}
	assert_int_equal(rate_ahead(&r, finished, now), 1);
	assert_int_equal(rate_want(1, 0, 1, 1000), 0);
	assert_int_equal(rate_want(1, 0, 0, 1000), 1);
}

/* What claims of idle executors alone bring grows to whole batches in a few claims. */
static void
test_fast_handlers_ramp_up(void **state)
{
	rate r = {0};
	uint64_t finished = 0;
	int64_t now = 0;

	(void) state;
	for (; now < 100 && rate_ahead(&r, finished, now) < RATE_AHEAD_MAX; now += 5)
	{
		rate_note(&r, finished, now);
		finished += rate_want(rate_ahead(&r, finished, now), 2, 0, 1000);
	}
	assert_true(now < 100);
	assert_int_equal(rate_want(RATE_AHEAD_MAX, 0, 0, 1000), 1000);
}

/* The rate is forgotten a second after the last start, and what is too much given back. */
static void
test_rate_falls(void **state)
{
	rate r = {0};
	int64_t now = 0;

	(void) state;
	for (; now <= 3000; now += 10)
		rate_note(&r, (uint64_t) now * 100, now);
	now = 3000;
	assert_int_equal(rate_ahead(&r, 300000, now), RATE_AHEAD_MAX);
	assert_int_equal(rate_surplus(RATE_AHEAD_MAX, 2, 2000), 0);
	for (; now <= 4200; now += 10)
		rate_note(&r, 300000, now);
	assert_int_equal(rate_ahead(&r, 300000, now), 0);
	assert_int_equal(rate_surplus(0, 2, 2000), 2000);
	assert_int_equal(rate_surplus(0, 2, 2), 0);
}

/* A claimer that slept for a minute divides by a minute. */
static void
test_long_sleep(void **state)
{
	rate r = {0};

	(void) state;
	rate_note(&r, 0, 0);
	rate_note(&r, 100, 1000);
	assert_int_equal(rate_ahead(&r, 6100, 61000), 10);
}

/* Claims wait until half of what may be held has been started. */
static void
test_no_tiny_claims(void **state)
{
	(void) state;
	assert_int_equal(rate_want(1000, 0, 1000, 1000), 0);
	assert_int_equal(rate_want(1000, 0, 999, 1000), 0);
	assert_int_equal(rate_want(1000, 0, 500, 1000), 500);
	assert_int_equal(rate_want(2000, 0, 1000, 1000), 1000);
	assert_int_equal(rate_want(2000, 3, 1, 1000), 1000);
	assert_int_equal(rate_want(0, 0, 0, 1000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_is_no_rate),
		cmocka_unit_test(test_slow_handlers),
		cmocka_unit_test(test_fast_handlers_ramp_up),
		cmocka_unit_test(test_rate_falls),
		cmocka_unit_test(test_long_sleep),
		cmocka_unit_test(test_no_tiny_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
