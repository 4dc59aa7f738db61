/*
 * test_cursors.c - where the rings of tenants were left
 *
 * Bugs guarded against: a tenant that is remembered twice; memory that grows with every
 * tenant there ever was; the tenant that is just walked forgotten instead of the oldest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "worker/cursors.h"

static const char *
after(const cursors *c, const char *tenant)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->tenants[i], tenant) == 0)
			return c->afters[i];
	return NULL;
}

static void
test_moves(void **state)
{
	cursors c = {.n = 0};

	(void) state;
	assert_null(c.last);
	cursors_move(&c, "", "alone");
	cursors_move(&c, "acme", "acme/a");
	cursors_move(&c, "acme", "acme/b");
	assert_int_equal(c.n, 2);
	assert_string_equal(after(&c, ""), "alone");
	assert_string_equal(after(&c, "acme"), "acme/b");
	cursors_turn(&c, "acme");
	cursors_turn(&c, "");
	assert_string_equal(c.last, "");
	cursors_free(&c);
	assert_int_equal(c.n, 0);
}

static void
test_bounded(void **state)
{
	cursors c = {.n = 0};
	char tenant[16];

	(void) state;
	for (int i = 0; i < CURSORS_MAX + 100; i++)
	{
		snprintf(tenant, sizeof(tenant), "t%d", i);
		cursors_move(&c, tenant, tenant);
		cursors_move(&c, "t0", "kept");
	}
	assert_int_equal(c.n, CURSORS_MAX);
	assert_string_equal(after(&c, "t0"), "kept");
	assert_null(after(&c, "t1"));
	assert_null(after(&c, "t100"));
	assert_non_null(after(&c, "t101"));
	cursors_free(&c);
}

/* All have been seen when each ring has been walked once, and no sooner. */
static void
test_rounds(void **state)
{
	cursors c = {.n = 0};

	(void) state;
	cursors_move(&c, "a", "a/1");
	cursors_move(&c, "b", "b/1");
	cursors_found(&c);
	cursors_move(&c, "a", "a/5");
	cursors_move(&c, "a", "a/3"); /* round */
	cursors_move(&c, "a", "a/5");
	cursors_move(&c, "a", "a/3");
	assert_false(cursors_have_seen_all(&c));
	cursors_move(&c, "b", "b/1");
	cursors_move(&c, "b", "");
	assert_true(cursors_have_seen_all(&c));
	cursors_found(&c);
	assert_false(cursors_have_seen_all(&c));
	cursors_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
