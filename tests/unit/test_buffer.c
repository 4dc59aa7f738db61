/*
 * test_buffer.c - a growing string
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"

/* Bug guarded against: data is NULL, or not terminated, for an empty text. */
static void
test_empty(void **state)
{
	auto_buffer b = BUFFER_INIT;
	char *taken;

	(void) state;
	buffer_append(&b, "");
	assert_string_equal(b.data, "");
	taken = buffer_take(&b);
	assert_string_equal(taken, "");
	free(taken);
	assert_true(buffer_ok(&b));
	assert_int_equal(b.length, 0);
}

/* Bug guarded against: the terminator is forgotten when a growth fits exactly. */
static void
test_growth(void **state)
{
	auto_buffer b = BUFFER_INIT;

	(void) state;
	for (size_t i = 0; i < 1000; i++)
	{
		buffer_append_char(&b, 'x');
		assert_int_equal(b.length, i + 1);
		assert_int_equal(b.data[b.length], '\0');
		assert_true(b.length < b.capacity);
	}
}

/* Bug guarded against: a formatted text longer than the room is cut. */
static void
test_format(void **state)
{
	auto_buffer b = BUFFER_INIT;

	(void) state;
	buffer_append(&b, "a");
	buffer_appendf(&b, "%0200d", 7);
	assert_int_equal(b.length, 201);
	assert_int_equal(b.data[200], '7');
}

/* Bug guarded against: bytes after a NUL are lost. */
static void
test_integers(void **state)
{
	auto_buffer b = BUFFER_INIT;
	int64_t values[] = {0, 7, -1, 10, 1234567890123, INT64_MAX, INT64_MIN};

	(void) state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
	{
		char expected[32];

		snprintf(expected, sizeof(expected), "%lld", (long long) values[i]);
		buffer_clear(&b);
		buffer_append_int(&b, values[i]);
		assert_string_equal(b.data, expected);
	}
}

static void
test_nul_inside(void **state)
{
	auto_buffer b = BUFFER_INIT;

	(void) state;
	buffer_append_bytes(&b, "a\0b", 3);
	assert_int_equal(b.length, 3);
	assert_memory_equal(b.data, "a\0b", 4);
}

/* Bug guarded against: an impossible size wraps around and writes past the end. */
static void
test_impossible_size(void **state)
{
	auto_buffer b = BUFFER_INIT;

	(void) state;
	buffer_append(&b, "kept?");
	buffer_append_bytes(&b, "x", SIZE_MAX - 3);
	assert_false(buffer_ok(&b));
	buffer_append(&b, "later");
	assert_int_equal(b.length, 0);
	assert_null(buffer_take(&b));
}

/* Bug guarded against: a cleared buffer that had broken looks whole. */
static void
test_clear_keeps_broken(void **state)
{
	auto_buffer b = BUFFER_INIT;

	(void) state;
	buffer_append_bytes(&b, "x", SIZE_MAX - 3);
	buffer_clear(&b);
	assert_false(buffer_ok(&b));
	buffer_free(&b);
	assert_true(buffer_ok(&b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_nul_inside),
		cmocka_unit_test(test_impossible_size),
		cmocka_unit_test(test_clear_keeps_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
