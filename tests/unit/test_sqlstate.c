/*
 * test_sqlstate.c - classes of SQLSTATEs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/sqlstate.h"

static void
assert_class(const char *sqlstate, pawl_status expected)
{
	assert_int_equal(sqlstate_status(sqlstate), expected);
}

/* Bug guarded against: a deadlock fails a job instead of being tried again. */
static void
test_transient(void **state)
{
	static const char *const TRANSIENT[] = {"40001", "40P01", "55P03", "25006",
	                                        "53000", "53100", "53200", "53300",
	                                        "53400", "57014"};

	(void) state;
	for (size_t i = 0; i < sizeof(TRANSIENT) / sizeof(TRANSIENT[0]); i++)
		assert_class(TRANSIENT[i], PAWL_ERR_TRANSIENT);
}

/* Bug guarded against: a connection that the server has closed is used again. */
static void
test_connection(void **state)
{
	static const char *const LOST[] = {"08000", "08003", "08006", "08P01", "57P01",
	                                   "57P02", "57P03", "57P04", "57P05", "25P03"};

	(void) state;
	for (size_t i = 0; i < sizeof(LOST) / sizeof(LOST[0]); i++)
		assert_class(LOST[i], PAWL_ERR_CONNECTION);
}

/* Bug guarded against: a stale fence is tried again until it is somebody else's. */
static void
test_own(void **state)
{
	(void) state;
	assert_class("PW001", PAWL_ERR_STALE);
	assert_class("PW002", PAWL_ERR_LEASE);
	assert_class("PW003", PAWL_ERR_CONFLICT);
	assert_class("PW004", PAWL_ERR_REFUSED);
	assert_class("P0002", PAWL_ERR_NOT_FOUND);
	assert_class("22023", PAWL_ERR_ARGUMENT);
}

/* Bug guarded against: a permanent error is tried again for ever. */
static void
test_permanent(void **state)
{
	static const char *const PERMANENT[] = {"",      "22012", "23505", "25P02",
	                                        "40002", "42601", "42P01", "57000",
	                                        "P0001", "XX000", "PW00"};

	(void) state;
	for (size_t i = 0; i < sizeof(PERMANENT) / sizeof(PERMANENT[0]); i++)
		assert_class(PERMANENT[i], PAWL_ERR_DATABASE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transient),
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_permanent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
