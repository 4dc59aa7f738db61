/*
 * test_push.c - what a push of the library refuses without asking the server, and which
 * jobs go by the fast form
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "queue/push.h"
#include "queue/push_spec.h"

static pawl_job_spec
keyed(const char *key)
{
	pawl_job_spec spec = PAWL_JOB_SPEC_INIT;

	spec.kind = "k";
	spec.unique_key = key;
	return spec;
}

static void
expect_refused(const pawl_job_spec *spec, const char *message)
{
	queue_call nobody = {.db = NULL}; /* it would crash if it were asked */
	int64_t job = 7;
	bool created = true;
	pawl_error error;

	assert_int_equal(push_one(&nobody, spec, &job, &created, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_string_equal(error.message, message);
	assert_int_equal(push_many(&nobody, spec, 1, &job, &created, &error),
	                 PAWL_ERR_ARGUMENT);
	assert_string_equal(error.message, message);
	assert_true(job == 7 && created);
}

/* Bug guarded against: a key that the server refuses is an error of the database, or a
 * key that is cut makes two jobs one. */
static void
bad_keys_are_refused(void **state)
{
	char text[300];
	pawl_job_spec spec = keyed(text);
	pawl_error error;

	(void) state;
	memset(text, 'x', sizeof(text));
	text[255] = '\0';
	assert_int_equal(push_spec_check(&spec, &error), PAWL_OK);
	text[255] = 'x';
	text[256] = '\0';
	expect_refused(&spec, "unique key: 256 bytes exceed the limit of 255 bytes");
	spec = keyed("");
	expect_refused(&spec, "unique key is empty");
	spec = keyed("caf\xE9");
	expect_refused(&spec, "unique key is not UTF-8");
	spec = keyed("a");
	spec.unique_until = (pawl_unique_until) 2;
	expect_refused(&spec, "unique_until 2 is unknown");
	spec = keyed(NULL);
	spec.kind = NULL;
	expect_refused(&spec, "kind is missing");
}

/* Bug guarded against: jobs of different settings are pushed with those of the first. */
static void
what_is_uniform(void **state)
{
	pawl_job_spec specs[3] = {keyed(NULL), keyed("a"), keyed("b")};
	const pawl_job_spec *all[] = {&specs[0], &specs[1], &specs[2]};

	(void) state;
	specs[2].args = "1";
	assert_true(push_uniform(all, 3));
	specs[0].unique_until = PAWL_UNTIL_START; /* it has no key */
	assert_true(push_uniform(all, 3));
	specs[2].unique_until = PAWL_UNTIL_START;
	assert_false(push_uniform(all, 3));
	specs[1].unique_until = PAWL_UNTIL_START;
	assert_true(push_uniform(all, 3));
	specs[1].meta = "1";
	assert_false(push_uniform(all, 3));
	specs[1].meta = NULL;
	specs[2].queue = "q";
	assert_false(push_uniform(all, 3));
	specs[2].queue = "default";
	specs[2].priority = 5;
	assert_true(push_uniform(all, 3));
	specs[2].batch = 7;
	assert_false(push_uniform(all, 3));
	specs[0].batch = specs[1].batch = 7;
	assert_true(push_uniform(all, 3));
	specs[1].stage = "s";
	assert_false(push_uniform(all, 3));
}

/* Bug guarded against: a key with the separator takes part in another group. */
static void
bad_groups_are_refused(void **state)
{
	pawl_job_spec spec = keyed(NULL);

	(void) state;
	spec.group_key = "";
	expect_refused(&spec, "group key is empty");
	spec.group_key = "a\x1f"
					 "b";
	expect_refused(&spec, "group key contains the character U+001F");
	spec.group_key = NULL;
	spec.unique_key = "a\x1f"
					  "b";
	expect_refused(&spec, "unique key contains the character U+001F");
	spec.unique_key = NULL;
	spec.run_key = 1;
	expect_refused(&spec, "run_key needs a group_key");
	spec.group_key = "g";
	spec.run_key = INT64_MAX;
	assert_int_equal(push_spec_check(&spec, NULL), PAWL_OK);
}

static pawl_job_spec
grouped(const char *group, const char *key)
{
	pawl_job_spec spec = keyed(key);

	spec.group_key = group;
	return spec;
}

/*
 * Bugs guarded against: statements of one push that lock keys in another order than they
 * are stored in; a group whose jobs get their ids in the order of their keys.
 */
static void
order_over_statements(void **state)
{
	pawl_job_spec specs[] = {
		keyed(NULL),        grouped("a\x01", "z"), keyed("a"),   grouped("a", "z"),
		keyed("a\xC3\xA9"), grouped("ab", NULL),   keyed("ab!"),
	};
	pawl_job_spec other = grouped("a", "b");

	(void) state;
	/* "a\x01..." comes before "a\x1f...", but "a" comes before both */
	assert_true(push_compare(&specs[0], &specs[1]) < 0);
	assert_true(push_compare(&specs[2], &specs[1]) < 0);
	assert_true(push_compare(&specs[1], &specs[3]) < 0);
	assert_true(push_compare(&specs[3], &specs[5]) < 0);
	assert_true(push_compare(&specs[5], &specs[6]) < 0);
	assert_true(push_compare(&specs[6], &specs[4]) < 0);
	assert_int_equal(push_compare(&specs[3], &other), 0);
	assert_int_equal(push_compare(&specs[0], &specs[0]), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_keys_are_refused),
		cmocka_unit_test(what_is_uniform),
		cmocka_unit_test(bad_groups_are_refused),
		cmocka_unit_test(order_over_statements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
