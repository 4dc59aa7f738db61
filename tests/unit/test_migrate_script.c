/*
 * test_migrate_script.c - the schema as a script, and the embedded SQL
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "db/migration.h"

/* Bug guarded against: a file of the schema is left out of the program. */
static void
test_embedded(void **state)
{
	(void) state;
	assert_true(EMBEDDED_MIGRATIONS.count > 0);
	assert_non_null(embedded_find(&EMBEDDED_FUNCTIONS, "push"));
	assert_non_null(embedded_find(&EMBEDDED_VIEWS, "jobs"));
	assert_null(embedded_find(&EMBEDDED_FUNCTIONS, "pus"));
	assert_int_equal(strlen(EMBEDDED_GRANTS.checksum), 64);
	for (size_t i = 0; i < EMBEDDED_MIGRATIONS.count; i++)
		assert_int_equal(strtol(EMBEDDED_MIGRATIONS.files[i].name, NULL, 10), i + 1);
}

/* Bug guarded against: a place of the template reaches psql unfilled. */
static void
test_mark(void **state)
{
	static const embedded_file FILE = {.name = "push", .text = "", .checksum = "abc"};
	auto_buffer query = BUFFER_INIT;

	(void) state;
	objects_mark_query(&query, &FILE);
	assert_non_null(strstr(query.data, "p.proname = 'push'"));
	assert_non_null(strstr(query.data, "'pawl ' || 'abc'"));
	assert_null(strstr(query.data, ":'"));
}

/* Bug guarded against: the script leaves out what `migrate up` does. */
static void
test_script(void **state)
{
	auto_buffer script = BUFFER_INIT;
	const char *at = NULL;
	int begun = 0;

	(void) state;
	migrate_script(0, &script);
	assert_true(buffer_ok(&script));
	assert_non_null(strstr(script.data, "ON_ERROR_STOP"));
	assert_non_null(strstr(script.data, "CREATE OR REPLACE FUNCTION pawl.push("));
	assert_non_null(strstr(script.data, "pawl.extend_partitions(100)"));
	assert_null(strstr(script.data, ":'"));
	for (at = script.data; (at = strstr(at, "\nSTART TRANSACTION")) != NULL; at++)
		begun++;
	for (at = script.data; (at = strstr(at, "\nCOMMIT;\n")) != NULL; at++)
		begun--;
	assert_int_equal(begun, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
