/*
 * test_mark.c - where a claim begins to look
 *
 * Bugs guarded against: a job behind the mark (its transaction drew the position early
 * and committed late) that waits for ever, because scans from the mark find enough; a
 * worker that idles, or ends with `once`, on the word of a scan from the mark; a mark
 * of one lane that hides jobs of another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/claim.h"
#include "worker/mark.h"

static void
test_first_scan_is_whole(void **state)
{
	mark *m = mark_new(1);

	(void) state;
	assert_non_null(m);
	assert_null(mark_starts(m, 100));
	mark_took(m, 0, 5, 42);
	assert_false(mark_ended(m, true, 101));
	assert_non_null(mark_starts(m, 102));
	mark_free(m);
}

static void
test_lanes_are_apart(void **state)
{
	mark *m = mark_new(2);
	const int64_t *starts;

	(void) state;
	assert_null(mark_starts(m, 100));
	mark_took(m, 0, 5, 42);
	mark_took(m, 1, 0, 40);
	mark_took(m, 1, 0, 39);
	assert_false(mark_ended(m, true, 101));
	starts = mark_starts(m, 102);
	assert_non_null(starts);
	for (int lane = 0; lane < 2 * CLAIM_PRIORITIES; lane++)
	{
		int64_t expected = lane == 5 ? 42 : lane == CLAIM_PRIORITIES ? 40 : 0;

		assert_int_equal(starts[lane], expected);
	}
	mark_free(m);
}

/* Short from the mark says nothing; short from the beginning does. */
static void
test_short_is_decided_from_the_beginning(void **state)
{
	mark *m = mark_new(1);

	(void) state;
	assert_null(mark_starts(m, 100));
	assert_false(mark_ended(m, true, 101));
	assert_non_null(mark_starts(m, 102));
	assert_false(mark_ended(m, false, 103));
	assert_null(mark_starts(m, 104));
	assert_true(mark_ended(m, false, 105));
	mark_free(m);
}

/* A stream of full claims does not hide what lies behind the mark beyond a second. */
static void
test_whole_scan_each_second(void **state)
{
	mark *m = mark_new(1);
	int64_t last = 0;

	(void) state;
	for (int64_t now = 0; now < 10000; now += 7)
	{
		if (mark_starts(m, now) == NULL)
			last = now;
		assert_true(now - last <= MARK_WHOLE_MS);
		assert_false(mark_ended(m, true, now + 1));
	}
	assert_true(last > 0);
	mark_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_scan_is_whole),
		cmocka_unit_test(test_lanes_are_apart),
		cmocka_unit_test(test_short_is_decided_from_the_beginning),
		cmocka_unit_test(test_whole_scan_each_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
