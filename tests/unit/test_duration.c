/*
 * test_duration.c - durations and times as a user writes them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"

static void
assert_ms(const char *text, int64_t expected)
{
	pawl_error error;
	int64_t ms = -1;

	assert_int_equal(duration_parse(text, &ms, &error), PAWL_OK);
	assert_int_equal(ms, expected);
}

/* Bug guarded against: a unit that is read as another. */
static void
test_durations(void **state)
{
	(void) state;
	assert_ms("0", 0);
	assert_ms("0s", 0);
	assert_ms("250ms", 250);
	assert_ms("30s", 30000);
	assert_ms("5min", 300000);
	assert_ms("2h", 7200000);
	assert_ms("7d", 604800000);
	assert_ms("36500d", INT64_C(36500) * 86400000);
}

/* Bug guarded against: "30" is taken for seconds by one and milliseconds by another. */
static void
test_durations_refused(void **state)
{
	static const char *const REFUSED[] = {
		"",
		"s",
		"30",
		"30 s",
		"-1s",
		"+1s",
		"1.5s",
		"1s2",
		"1h30min",
		"1S",
		"1m",
		"1 ",
		" 1s",
		"1e3s",
		"0x10s",
		"36501d",
		"99999999999999999999s",
		"9223372036854775807d",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++)
	{
		pawl_error error;
		int64_t ms = 77;

		assert_int_equal(duration_parse(REFUSED[i], &ms, &error), PAWL_ERR_ARGUMENT);
		assert_int_equal(ms, 77);
		assert_non_null(strstr(error.message, REFUSED[i]));
		assert_non_null(strstr(error.hint, "30s"));
	}
}

static void
assert_us(const char *text, int64_t expected)
{
	pawl_error error;
	int64_t us = -1;

	assert_int_equal(duration_parse_time(text, &us, &error), PAWL_OK);
	assert_int_equal(us, expected);
}

/* Bug guarded against: an offset with the wrong sign, a leap year, the century rule. */
static void
test_times(void **state)
{
	(void) state;
	assert_us("1970-01-01T00:00:00Z", 0);
	assert_us("1969-12-31T23:59:59.999999Z", -1);
	assert_us("2026-11-21T08:00:00Z", INT64_C(1795248000000000));
	assert_us("2026-11-21T08:00:00.5+01:00", INT64_C(1795244400500000));
	assert_us("2026-11-21t08:00:00z", INT64_C(1795248000000000));
	assert_us("2026-11-21 08:00:00-05:30", INT64_C(1795267800000000));
	assert_us("2024-02-29T00:00:00Z", INT64_C(1709164800000000));
	assert_us("2000-02-29T00:00:00Z", INT64_C(951782400000000));
	assert_us("2000-03-01T00:00:00Z", INT64_C(951868800000000));
	assert_us("2016-12-31T23:59:60Z", INT64_C(1483228800000000));
	assert_us("2026-11-21T08:00:00.1234567Z", INT64_C(1795248000123456));
	assert_us("0001-01-01T00:00:00Z", INT64_C(-62135596800000000));
}

/* Bug guarded against: a date that does not exist runs at another one. */
static void
test_times_refused(void **state)
{
	static const char *const REFUSED[] = {
		"",
		"2026-11-21",
		"2026-11-21T08:00Z",
		"2026-11-21T08:00:00",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-11-21T24:00:00Z",
		"2026-11-21T08:60:00Z",
		"2026-11-21T08:00:61Z",
		"2026-11-21T08:00:00.Z",
		"2026-11-21T08:00:00+1:00",
		"2026-11-21T08:00:00+24:00",
		"2026-11-21T08:00:00Zx",
		"26-11-21T08:00:00Z",
		"0000-01-01T00:00:00Z",
		"tomorrow",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++)
	{
		pawl_error error;
		int64_t us = 77;

		assert_int_equal(duration_parse_time(REFUSED[i], &us, &error),
		                 PAWL_ERR_ARGUMENT);
		assert_int_equal(us, 77);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_durations_refused),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_times_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
