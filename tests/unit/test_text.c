/*
 * test_text.c - text from outside
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static void
assert_valid(const char *bytes, size_t length, size_t expected)
{
	assert_int_equal(text_valid_utf8(bytes, length), expected);
}

/* Bug guarded against: what PostgreSQL refuses is passed on: a batch fails for one row. */
static void
test_valid_utf8(void **state)
{
	(void) state;
	assert_valid("abc", 3, 3);
	assert_valid("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, 9);
	assert_valid("a\0b", 3, 1);
	assert_valid("\xC0\x80", 2, 0);                 /* overlong NUL */
	assert_valid("\xC1\xBF", 2, 0);                 /* overlong */
	assert_valid("\xE0\x80\x80", 3, 0);             /* overlong */
	assert_valid("\xF0\x80\x80\x80", 4, 0);         /* overlong */
	assert_valid("\xED\xA0\x80", 3, 0);             /* surrogate */
	assert_valid("\xF4\x90\x80\x80", 4, 0);         /* above U+10FFFF */
	assert_valid("\xF5\x80\x80\x80", 4, 0);         /* above U+10FFFF */
	assert_valid("a\xE2\x82", 3, 1);                /* cut short */
	assert_valid("a\xE2\x82z", 4, 1);               /* not continued */
	assert_valid("\x80", 1, 0);                     /* continues nothing */
	assert_valid("\xED\x9F\xBF\xEE\x80\x80", 6, 6); /* around the surrogates */
}

static void
assert_escaped(const char *bytes, size_t length, size_t limit, const char *expected)
{
	auto_buffer out = BUFFER_INIT;

	buffer_append(&out, "");
	text_escape(&out, bytes, length, limit);
	assert_string_equal(out.data, expected);
}

/* Bug guarded against: a terminal's escape sequences in a log line reach a terminal. */
static void
test_escape(void **state)
{
	(void) state;
	assert_escaped("tab\tline\n", 9, 100, "tab\tline\n");
	assert_escaped("\x1B[31m\r", 6, 100, "\\x1B[31m\\x0D");
	assert_escaped("\x7F", 1, 100, "\\x7F");
	assert_escaped("\xC2\x9B", 2, 100, "\\xC2\\x9B");
	assert_escaped("a\0\xFF", 3, 100, "a\\x00\\xFF");
	assert_escaped("\xC2\xA0", 2, 100, "\xC2\xA0");
}

/* Bug guarded against: text that is cut passes the limit, or does not say so. */
static void
test_escape_cut(void **state)
{
	char input[300];
	auto_buffer out = BUFFER_INIT;

	(void) state;
	memset(input, 'a', sizeof(input));
	text_escape(&out, input, sizeof(input), 100);
	assert_true(out.length <= 100);
	assert_non_null(strstr(out.data, "a... ["));
	assert_string_equal(out.data + out.length - 11, " bytes cut]");
	/* what was kept and what was left out add up */
	assert_int_equal(strspn(out.data, "a") +
	                     strtoul(strchr(out.data, '[') + 1, NULL, 10),
	                 sizeof(input));
}

/* Bug guarded against: a text that fits exactly is cut. */
static void
test_escape_exact(void **state)
{
	(void) state;
	assert_escaped("0123456789", 10, 10, "0123456789");
	assert_escaped("", 0, 0, "");
}

/* Bug guarded against: the cut goes through a character or an escape. */
static void
test_escape_cut_at_character(void **state)
{
	(void) state;
	for (size_t limit = 45; limit < 60; limit++)
	{
		auto_buffer out = BUFFER_INIT;
		char input[400];

		for (size_t i = 0; i + 4 <= sizeof(input); i += 4)
			memcpy(input + i, "\xE2\x82\xAC\x01", 4);
		text_escape(&out, input, sizeof(input), limit);
		assert_true(out.length <= limit);
		assert_int_equal(text_valid_utf8(out.data, out.length), out.length);
	}
}

/* Bug guarded against: a limit smaller than the mark writes more than the limit. */
static void
test_escape_tiny_limit(void **state)
{
	auto_buffer out = BUFFER_INIT;

	(void) state;
	text_escape(&out, "0123456789abcdef", 16, 5);
	assert_int_equal(out.length, 5);
}

/* Bug guarded against: what stood in the buffer before is cut or counted. */
static void
test_escape_appends(void **state)
{
	auto_buffer out = BUFFER_INIT;

	(void) state;
	buffer_append(&out, "before:");
	text_escape(&out, "0123456789", 10, 10);
	assert_string_equal(out.data, "before:0123456789");
}

static void
assert_quoted(const char *bytes, size_t length, const char *expected)
{
	auto_buffer out = BUFFER_INIT;

	text_quote_json(&out, bytes, length);
	assert_string_equal(out.data, expected);
}

/* Bug guarded against: a quote or a NUL in a name makes JSON that jsonb refuses. */
static void
test_quote_json(void **state)
{
	(void) state;
	assert_quoted("", 0, "\"\"");
	assert_quoted("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
	assert_quoted("\n\r\t\b\f", 5, "\"\\n\\r\\t\\b\\f\"");
	assert_quoted("\x01\x1F", 2, "\"\\u0001\\u001F\"");
	assert_quoted("a\0b", 3, "\"a\\\\x00b\"");
	assert_quoted("\xFF\xC3\xA9", 3, "\"\\\\xFF\xC3\xA9\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid_utf8),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_cut),
		cmocka_unit_test(test_escape_exact),
		cmocka_unit_test(test_escape_cut_at_character),
		cmocka_unit_test(test_escape_tiny_limit),
		cmocka_unit_test(test_escape_appends),
		cmocka_unit_test(test_quote_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
