/*
 * test_worker.c - what a worker of the library refuses before it runs
 *
 * Bugs guarded against: a worker whose name or queue is not UTF-8 is taken, and then its
 * claims are refused by the server for ever; an output that is written on failure; a
 * second handler of a kind that silently replaces the first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "pawl.h"

static void
refuse(const pawl_worker_options *options, const char *message)
{
	pawl_worker *untouched = (pawl_worker *) &untouched;
	pawl_worker *worker = untouched;
	pawl_error error;

	assert_int_equal(pawl_worker_new(options, &worker, &error), PAWL_ERR_ARGUMENT);
	assert_string_equal(error.message, message);
	assert_ptr_equal(worker, untouched);
}

static void
test_names(void **state)
{
	static const char *const odd[] = {"default", "\xC3", NULL};
	static const char *const empty[] = {"", NULL};
	static const char *const twice[] = {"a", "b", "a", NULL};
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;

	(void) state;
	options.name = "caf\xE9";
	refuse(&options, "name of the worker is not UTF-8");
	options.name = NULL;
	options.queues = odd;
	refuse(&options, "name of a queue is not UTF-8");
	options.queues = empty;
	refuse(&options, "name of a queue must have 1 to 255 bytes");
	options.queues = twice;
	refuse(&options, "queue \"a\" is named twice");
}

static void
test_numbers(void **state)
{
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;

	(void) state;
	options.executors = LIMIT_EXECUTORS + 1;
	refuse(&options, "1025 executors are not within 1 and 1024");
	options.executors = 0;
	options.lease_ms = 5;
	refuse(&options, "lease of 5 ms is not within 200 and 86400000");
	options.lease_ms = 0;
	options.drain_ms = -1;
	refuse(&options, "drain of -1 ms is not within 1 and 86400000");
	options.drain_ms = 0;
	options.groups = LIMIT_GROUPS + 1;
	refuse(&options, "257 groups exceed the limit of 256 groups");
	options.groups = -1;
	options.group_jobs = -1;
	refuse(&options, "group_jobs is negative");
	options.group_jobs = 0;
	options.group_ms = -1;
	refuse(&options, "group_ms of -1 ms is not within 1 and 86400000");
	options.group_ms = 0;
	options.wait_cancel_ms = 86400001;
	refuse(&options, "wait_cancel of 86400001 ms is not within 1 and 86400000");
}

static pawl_verdict
first(pawl_context *context, const pawl_job *job, void *closure)
{
	(void) context;
	(void) job;
	(void) closure;
	return PAWL_COMPLETE;
}

static void
many(pawl_context *context, const pawl_job *const *jobs, size_t n,
     pawl_verdict *verdicts, void *closure)
{
	(void) context;
	(void) jobs;
	(void) n;
	(void) verdicts;
	(void) closure;
}

static void
test_handlers(void **state)
{
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
	pawl_worker *worker;
	pawl_error error;

	(void) state;
	options.name = "caf\xC3\xA9";
	assert_int_equal(pawl_worker_new(&options, &worker, &error), PAWL_OK);
	assert_int_equal(pawl_worker_handle(worker, "k", first, NULL, &error), PAWL_OK);
	assert_int_equal(pawl_worker_handle(worker, "k", first, NULL, &error),
	                 PAWL_ERR_CONFLICT);
	assert_int_equal(pawl_worker_handle(worker, "\xFF", first, NULL, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_int_equal(pawl_worker_handle(worker, "", first, NULL, NULL),
	                 PAWL_ERR_ARGUMENT);
	assert_int_equal(pawl_worker_handle(worker, "j", NULL, NULL, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_int_equal(pawl_worker_handle_many(worker, "m", 0, many, NULL, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_int_equal(
		pawl_worker_handle_many(worker, "m", LIMIT_MANY + 1, many, NULL, &error),
		PAWL_ERR_ARGUMENT);
	assert_string_equal(error.message, "1001 jobs at once are not within 1 and 1000");
	assert_int_equal(pawl_worker_handle_many(worker, "m", 7, many, NULL, &error),
	                 PAWL_OK);
	assert_int_equal(pawl_worker_handle_many(worker, "k", 7, many, NULL, &error),
	                 PAWL_ERR_CONFLICT);
	pawl_worker_free(worker);
	pawl_worker_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_handlers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
