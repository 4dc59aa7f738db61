/*
 * test_argv.c - a command line without a shell
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "handler/argv.h"

/* Splits command and compares the words, joined by '|'. */
static void
assert_words(const char *command, const char *expected)
{
	auto_strings argv = STRINGS_INIT;
	char joined[256] = "";
	pawl_error error;

	assert_int_equal(argv_split(command, &argv, &error), PAWL_OK);
	for (size_t i = 0; i < argv.count; i++)
	{
		size_t used = strlen(joined);

		snprintf(joined + used, sizeof(joined) - used, "%s%s", i == 0 ? "" : "|",
		         argv.list[i]);
	}
	assert_string_equal(joined, expected);
	assert_null(argv.list[argv.count]);
}

static void
assert_refused(const char *command)
{
	auto_strings argv = STRINGS_INIT;
	pawl_error error;

	assert_int_equal(argv_split(command, &argv, &error), PAWL_ERR_ARGUMENT);
	assert_true(strlen(error.message) > 0);
}

/* Bug guarded against: a path with a blank in quotes arrives as two arguments. */
static void
test_quotes(void **state)
{
	(void) state;
	assert_words("/srv/app/thumbnail --size 64", "/srv/app/thumbnail|--size|64");
	assert_words("  a\t b\n", "a|b");
	assert_words("'/srv/my app/run' \"two words\"", "/srv/my app/run|two words");
	assert_words("a'b c'\"d e\"f", "ab cd ef");
	assert_words("a '' b", "a||b");
	assert_words("\"say \\\"hi\\\" \\\\ \\n\"", "say \"hi\" \\ \\n");
	assert_words("'back\\slash'", "back\\slash");
	assert_words("one\\ word \\'", "one word|'");
}

/* Bug guarded against: a handler's command is expanded as if a shell had read it. */
static void
test_no_shell(void **state)
{
	(void) state;
	assert_words("echo $HOME *.c ~ a|b >x ;", "echo|$HOME|*.c|~|a|b|>x|;");
}

/* Bug guarded against: a forgotten quote swallows the rest and something runs. */
static void
test_refused(void **state)
{
	(void) state;
	assert_refused("");
	assert_refused(" \t ");
	assert_refused("run 'open");
	assert_refused("run \"open");
	assert_refused("run \"open\\\"");
	assert_refused("run end\\");
}

/* Bug guarded against: a generated command of unbounded length. */
static void
test_limit(void **state)
{
	char command[2 * (LIMIT_ARGUMENTS + 1) + 1];

	(void) state;
	for (size_t i = 0; i < sizeof(command) - 1; i++)
		command[i] = i % 2 == 0 ? 'x' : ' ';
	command[sizeof(command) - 1] = '\0';
	assert_refused(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_no_shell),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
