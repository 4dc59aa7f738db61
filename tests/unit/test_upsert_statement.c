/*
 * test_upsert_statement.c - the statements of an upsert, as text
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue/upsert_statement.h"

static upsert_column COLUMNS[] = {
	{.name = (char *) (uintptr_t) "aa",
     .type = (char *) (uintptr_t) "text",
     .collate = (char *) (uintptr_t) " COLLATE pg_catalog.\"C\""},
	{.name = (char *) (uintptr_t) "\"N,t\"",
     .type = (char *) (uintptr_t) "integer",
     .collate = (char *) (uintptr_t) ""},
	{.name = (char *) (uintptr_t) "note",
     .type = (char *) (uintptr_t) "text[]",
     .collate = (char *) (uintptr_t) ""},
};

#define SORTED(order)                                                                  \
	" FROM (SELECT CAST(u.c1 AS text) AS c1, CAST(u.c2 AS integer) AS c2,"             \
	" CAST(u.c3 AS text[]) AS c3, u.n FROM (SELECT"                                    \
	" pg_catalog.unnest($1::pg_catalog.text[]) AS c1,"                                 \
	" pg_catalog.unnest($2::pg_catalog.text[]) AS c2,"                                 \
	" pg_catalog.unnest($3::pg_catalog.text[]) AS c3,"                                 \
	" pg_catalog.generate_subscripts($1::pg_catalog.text[], 1) AS n) AS u) AS r"       \
	" ORDER BY c1 COLLATE pg_catalog.\"C\", c2, " order

#define DISTINCT "SELECT DISTINCT ON (c1 COLLATE pg_catalog.\"C\", c2) "

static upsert_target
target_of(bool updates)
{
	COLUMNS[2].updated = updates;
	return (upsert_target){.relation = (char *) (uintptr_t) "public.\"T\"",
	                       .columns = COLUMNS,
	                       .keys = 2,
	                       .count = 3,
	                       .updates = updates};
}

/* Bug guarded against: the first row of a key is not the one that is inserted. */
static void
test_nothing(void **state)
{
	upsert_target target = target_of(false);
	auto_buffer insert = BUFFER_INIT;
	auto_buffer order = BUFFER_INIT;

	(void) state;
	upsert_statement_insert(&insert, &target);
	assert_string_equal(
		insert.data,
		"WITH made AS (INSERT INTO public.\"T\" AS t (aa, \"N,t\", note) " DISTINCT
		"c1, c2, c3" SORTED(
			"n") " ON CONFLICT (aa, \"N,t\") DO NOTHING"
				 " RETURNING true AS created)"
				 " SELECT pg_catalog.count(*) FILTER (WHERE created) FROM made");
	upsert_statement_order(&order, &target);
	assert_string_equal(order.data, DISTINCT "n" SORTED("n"));
}

/* Bug guarded against: the last row of a key is not the one that counts. */
static void
test_update(void **state)
{
	upsert_target target = target_of(true);
	auto_buffer insert = BUFFER_INIT;

	(void) state;
	upsert_statement_insert(&insert, &target);
	assert_non_null(strstr(insert.data,
	                       SORTED("n DESC") " ON CONFLICT (aa, \"N,t\") DO UPDATE SET"
	                                        " note = EXCLUDED.note WHERE "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_update),
	};

	return cmocka_run_group_tests_name("upsert_statement", tests, NULL, NULL);
}
