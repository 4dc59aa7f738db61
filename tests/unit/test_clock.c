/*
 * test_clock.c - the clocks, and random numbers beside them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <limits.h>
#include <time.h>

#include "base/clock.h"
#include "base/random.h"

/* Bug guarded against: a deadline on a clock that can be set, or that stops in sleep. */
static void
test_boottime(void **state)
{
	struct timespec now;
	int64_t before = clock_us();

	(void) state;
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	assert_in_range((int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000, before,
	                clock_us());
	assert_in_range(clock_ms(), before / 1000, clock_us() / 1000);
}

/* Bug guarded against: a deadline that has passed becomes poll's "for ever". */
static void
test_poll_ms(void **state)
{
	(void) state;
	assert_int_equal(clock_poll_ms(CLOCK_NEVER), -1);
	assert_int_equal(clock_poll_ms(clock_ms() - 5), 0);
	assert_int_equal(clock_poll_ms(INT64_MIN), 0);
	assert_in_range(clock_poll_ms(clock_ms() + 5000), 4000, 5000);
	assert_int_equal(clock_poll_ms(CLOCK_NEVER - 1), INT_MAX);
}

/* Bug guarded against: jitter that leaves its range, or that overflows. */
static void
test_jitter(void **state)
{
	(void) state;
	for (int i = 0; i < 1000; i++)
		assert_in_range(random_jitter(1000, 20), 800, 1200);
	assert_int_equal(random_jitter(0, 50), 0);
	assert_int_equal(random_jitter(3, 20), 3);
	assert_int_equal(random_jitter(1000, 0), 1000);
	assert_true(random_jitter(INT64_MAX / 2, 100) >= 0);
}

/* Bug guarded against: every loser of a deadlock comes back at the same moment. */
static void
test_jitter_varies(void **state)
{
	int64_t first = random_jitter(1000000, 50);
	int same = 0;

	(void) state;
	for (int i = 0; i < 20; i++)
		same += random_jitter(1000000, 50) == first ? 1 : 0;
	assert_true(same < 20);
	assert_true(random_u64() != random_u64());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boottime),
		cmocka_unit_test(test_poll_ms),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_jitter_varies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
