/*
 * test_cancel.c - what a cancel of the library refuses without asking the server
 *
 * Bug guarded against: a reason that is not UTF-8 is answered as an error of the
 * database, when everything else that is not UTF-8 is an invalid argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/cancel.h"

static void
test_reason(void **state)
{
	queue_call nobody = {.db = NULL}; /* it would crash if it were asked */
	pawl_state was = PAWL_STATE_WAITING;
	pawl_error error;

	(void) state;
	assert_int_equal(cancel_job(&nobody, 1, "caf\xE9", &was, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_string_equal(error.message, "reason is not UTF-8");
	assert_int_equal(was, PAWL_STATE_WAITING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
