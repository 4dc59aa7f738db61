/*
 * test_params.c - parameters of a statement
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "db/params.h"

/* The value of the only parameter. */
static void
assert_only(const db_params *params, const char *expected)
{
	auto_free const char **values = params_values(params);

	assert_int_equal(params_count(params), 1);
	assert_true(params_ok(params));
	assert_string_equal(values[0], expected);
}

/* Bug guarded against: the buffer moves and the first values point to freed memory. */
static void
test_many(void **state)
{
	auto_params *params = db_params_new();
	auto_free const char **values = NULL;

	(void) state;
	for (int i = 0; i < 1000; i++)
		db_param_int(params, i);
	values = params_values(params);
	assert_int_equal(params_count(params), 1000);
	assert_string_equal(values[0], "0");
	assert_string_equal(values[999], "999");
}

/* Bug guarded against: NULL and the empty string are the same. */
static void
test_null(void **state)
{
	auto_params *params = db_params_new();
	auto_free const char **values = NULL;

	(void) state;
	db_param_text(params, NULL);
	db_param_text(params, "");
	db_param_null(params);
	values = params_values(params);
	assert_null(values[0]);
	assert_string_equal(values[1], "");
	assert_null(values[2]);
}

/* Bug guarded against: the lowest bigint, and booleans as C prints them. */
static void
test_scalars(void **state)
{
	auto_params *params = db_params_new();
	auto_free const char **values = NULL;

	(void) state;
	db_param_int(params, INT64_MIN);
	db_param_bool(params, true);
	db_param_bool(params, false);
	values = params_values(params);
	assert_string_equal(values[0], "-9223372036854775808");
	assert_string_equal(values[1], "t");
	assert_string_equal(values[2], "f");
}

/* Bug guarded against: a job's text breaks out of its element and shifts the others. */
static void
test_array_quoting(void **state)
{
	auto_params *params = db_params_new();

	(void) state;
	db_param_array_begin(params);
	db_param_array_text(params, "plain");
	db_param_array_text(params, "a\"b\\c");
	db_param_array_text(params, "{,}");
	db_param_array_text(params, "NULL");
	db_param_array_text(params, NULL);
	db_param_array_text(params, "");
	db_param_array_text(params, " x\n");
	db_param_array_end(params);
	assert_only(params,
	            "{\"plain\",\"a\\\"b\\\\c\",\"{,}\",\"NULL\",NULL,\"\",\" x\n\"}");
}

/* Bug guarded against: an empty array is sent as NULL or as an empty string. */
static void
test_array_empty(void **state)
{
	auto_params *params = db_params_new();

	(void) state;
	db_param_array_begin(params);
	db_param_array_end(params);
	assert_only(params, "{}");
}

static void
test_array_ints(void **state)
{
	auto_params *params = db_params_new();

	(void) state;
	db_param_array_begin(params);
	db_param_array_int(params, 1);
	db_param_array_int(params, -2);
	db_param_array_end(params);
	assert_only(params, "{1,-2}");
}

/* Bug guarded against: a cleared list sends the last call's parameters again. */
static void
test_clear(void **state)
{
	auto_params *params = db_params_new();

	(void) state;
	db_param_text(params, "old");
	db_params_clear(params);
	assert_int_equal(params_count(params), 0);
	assert_null(params_values(params));
	db_param_text(params, "new");
	assert_only(params, "new");
}

/* Bug guarded against: no parameters are a crash. */
static void
test_none(void **state)
{
	(void) state;
	assert_int_equal(params_count(NULL), 0);
	assert_true(params_ok(NULL));
	assert_null(params_values(NULL));
	db_params_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),        cmocka_unit_test(test_null),
		cmocka_unit_test(test_scalars),     cmocka_unit_test(test_array_quoting),
		cmocka_unit_test(test_array_empty), cmocka_unit_test(test_array_ints),
		cmocka_unit_test(test_clear),       cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
