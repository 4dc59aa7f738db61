/*
 * test_error.c - reports of fixed size
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

/* Bug guarded against: a long message is cut inside a character, or not marked. */
static void
test_cut_at_character(void **state)
{
	pawl_error error;
	char text[2048] = "x";

	(void) state;
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xC3\xA9", 3);
	assert_int_equal(error_set(&error, PAWL_ERR_DATABASE, "%s", text),
	                 PAWL_ERR_DATABASE);
	assert_in_range(strlen(error.message), sizeof(error.message) - 4,
	                sizeof(error.message) - 1);
	assert_int_equal(text_valid_utf8(error.message, strlen(error.message)),
	                 strlen(error.message));
	assert_string_equal(error.message + strlen(error.message) - 3, "...");
}

/* Bug guarded against: text that fits exactly is cut all the same. */
static void
test_exact_fit(void **state)
{
	pawl_error error;
	char text[sizeof(error.message)];

	(void) state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&error, PAWL_ERR_DATABASE, "%s", text);
	assert_string_equal(error.message, text);
}

/* Bug guarded against: a detail of the last error is shown with the next. */
static void
test_set_clears(void **state)
{
	pawl_error error;

	(void) state;
	error_set(&error, PAWL_ERR_DATABASE, "one");
	error_detail(&error, "It was %s.", "one");
	error_hint(&error, "Do one.");
	error_sqlstate(&error, "40P01");
	assert_string_equal(error.sqlstate, "40P01");
	error_set(&error, PAWL_ERR_STALE, "two");
	assert_string_equal(error.detail, "");
	assert_string_equal(error.hint, "");
	assert_string_equal(error.sqlstate, "");
	assert_int_equal(error.status, PAWL_ERR_STALE);
}

/* Bug guarded against: wrapping an error in itself reads what it overwrites. */
static void
test_wrap_itself(void **state)
{
	pawl_error error;

	(void) state;
	error_set(&error, PAWL_ERR_SYSTEM, "no such file");
	error_set(&error, PAWL_ERR_SYSTEM, "could not open: %s", error.message);
	assert_string_equal(error.message, "could not open: no such file");
}

/* Bug guarded against: a caller who wants no report crashes the library. */
static void
test_null(void **state)
{
	(void) state;
	assert_int_equal(error_set(NULL, PAWL_ERR_STALE, "x"), PAWL_ERR_STALE);
	error_detail(NULL, "x");
	error_hint(NULL, "x");
	error_sqlstate(NULL, "40001");
	error_clear(NULL);
	assert_int_equal(error_memory(NULL), PAWL_ERR_MEMORY);
}

/* Bug guarded against: the enum and the table of names drift apart. */
static void
test_status_names(void **state)
{
	(void) state;
	assert_string_equal(pawl_status_name(PAWL_OK), "PAWL_OK");
	assert_string_equal(pawl_status_name(PAWL_ERR_TIMEOUT), "PAWL_ERR_TIMEOUT");
	assert_string_equal(pawl_status_text(PAWL_ERR_STALE), "fence is stale");
	assert_int_equal(error_exit_code(PAWL_OK), 0);
	assert_int_equal(error_exit_code(PAWL_ERR_CONNECT), 4);
	assert_int_equal(error_exit_code(PAWL_ERR_SCHEMA), 6);
	assert_int_equal(error_exit_code(PAWL_ERR_UNKNOWN), 7);
	assert_int_equal(error_exit_code(PAWL_ERR_TIMEOUT), 124);
}

/* Bug guarded against: a status from a newer library reads outside of the table. */
static void
test_status_unknown(void **state)
{
	(void) state;
	assert_string_equal(pawl_status_text((pawl_status) 1000), "unknown status");
	assert_int_equal(error_exit_code((pawl_status) 1000), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_at_character),
		cmocka_unit_test(test_exact_fit),
		cmocka_unit_test(test_set_clears),
		cmocka_unit_test(test_wrap_itself),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_status_names),
		cmocka_unit_test(test_status_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
