/*
 * test_options.c - the table-driven parser of the command line
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/options.h"

typedef struct sample
{
	bool flag;
	const char *text;
	int number;
	int64_t id;
	int64_t duration_ms;
	int64_t time_us;
	int choice;
	string_list list;
	int64_t wait_ms;
} sample;

static const char *const WORDS[] = {"stop", "skip", NULL};

static const option_spec SPECS[] = {
	{.name = "flag",
     .letter = 'f',
     .type = OPTION_FLAG,
     .offset = offsetof(sample, flag)},
	{.name = "text",
     .letter = 't',
     .type = OPTION_TEXT,
     .offset = offsetof(sample, text)},
	{.name = "number",
     .letter = 'n',
     .type = OPTION_INT,
     .offset = offsetof(sample, number),
     .min = 0,
     .max = 9},
	{.name = "id", .type = OPTION_ID, .offset = offsetof(sample, id)},
	{.name = "duration",
     .type = OPTION_DURATION,
     .offset = offsetof(sample, duration_ms)},
	{.name = "time", .type = OPTION_TIME, .offset = offsetof(sample, time_us)},
	{.name = "choice",
     .type = OPTION_CHOICE,
     .offset = offsetof(sample, choice),
     .choices = WORDS},
	{.name = "list",
     .letter = 'H',
     .type = OPTION_LIST,
     .offset = offsetof(sample, list)},
	{.name = "wait", .type = OPTION_WAIT, .offset = offsetof(sample, wait_ms)},
	{.name = NULL},
};

#define WORDS_MAX 32

/* Parse one line of words that blanks separate. */
static pawl_status
parse(const char *line, sample *s, int *ret_first, pawl_error *error)
{
	static char copy[256];
	static char *argv[WORDS_MAX + 1];
	option_group group = {SPECS, s};
	int argc = 0;

	*s = (sample){0};
	strcpy(copy, line);
	argv[argc++] = copy;
	for (char *c = copy; *c != '\0'; c++)
	{
		if (*c != ' ')
			continue;
		*c = '\0';
		assert_true(argc < WORDS_MAX);
		argv[argc++] = c + 1;
	}
	argv[argc] = NULL;
	return options_parse(argc, argv, &group, 1, ret_first, error);
}

static void
refused(const char *line, const char *message)
{
	sample s;
	pawl_error error;
	int first;

	assert_int_equal(parse(line, &s, &first, &error), PAWL_ERR_ARGUMENT);
	assert_string_equal(error.message, message);
	string_list_free(&s.list);
}

/* Bug guarded against: a value lands in the wrong member, or options behind arguments are lost. */
static void
each_type_reaches_its_member(void **state)
{
	sample s;
	pawl_error error;
	int first;

	(void) state;
	assert_int_equal(parse("x arg -f --text=a -n 7 --id 9007199254740993 --duration 2h "
	                       "--time 1970-01-01T00:00:01Z --choice skip -H a -H b "
	                       "--wait=30s last",
	                       &s, &first, &error),
	                 PAWL_OK);
	assert_true(s.flag);
	assert_string_equal(s.text, "a");
	assert_int_equal(s.number, 7);
	assert_true(s.id == INT64_C(9007199254740993));
	assert_true(s.duration_ms == 7200000);
	assert_true(s.time_us == 1000000);
	assert_int_equal(s.choice, 1);
	assert_int_equal(s.list.n, 2);
	assert_string_equal(s.list.items[1], "b");
	assert_true(s.wait_ms == 30000);
	string_list_free(&s.list);
}

/* Bug guarded against: --wait takes the word after it for its value. */
static void
optional_value_needs_equals(void **state)
{
	sample s;
	pawl_error error;
	int first;

	(void) state;
	assert_int_equal(parse("x --wait 30s", &s, &first, &error), PAWL_OK);
	assert_true(s.wait_ms == INT64_MAX);
	assert_int_equal(first, 2);
}

/* Bug guarded against: "-p 12abc", "-p 99" or an empty number is taken for some number. */
static void
bad_values_are_refused_with_what_is_expected(void **state)
{
	(void) state;
	refused("x -n 12", "option \"-n\" needs a whole number from 0 to 9, not \"12\"");
	refused("x -n 1a", "option \"-n\" needs a whole number from 0 to 9, not \"1a\"");
	refused("x --number=",
	        "option \"--number\" needs a whole number from 0 to 9, not \"\"");
	refused("x --id 0", "option \"--id\" needs a whole number from 1, not \"0\"");
	refused("x --duration 30", "option \"--duration\" needs a duration, not \"30\"");
	refused("x --time now", "option \"--time\" needs a time, not \"now\"");
	refused("x --choice go", "option \"--choice\" needs one of stop, skip, not \"go\"");
}

/* Bug guarded against: an unknown option is ignored, or a typing error is taken for another option. */
static void
unknown_options_are_refused_by_name(void **state)
{
	(void) state;
	refused("x --unique a", "unknown option \"--unique\"");
	refused("x --unique=a", "unknown option \"--unique\"");
	refused("x -z", "unknown option \"-z\"");
	refused("x -fz", "unknown option \"-z\"");
	refused("x --text", "option \"--text\" needs a value");
	refused("x -n", "option \"-n\" needs a value");
	refused("x --flag=yes", "option \"--flag\" takes no value");
}

/* Bug guarded against: an abbreviation works until the next release has a second option like it. */
static void
abbreviations_are_refused(void **state)
{
	sample s;
	pawl_error error;
	int first;

	(void) state;
	refused("x --fla", "unknown option \"--fla\"");
	refused("x --num 3", "unknown option \"--num\"");
	refused("x --num=3", "unknown option \"--num\"");
	assert_int_equal(parse("x --num 3", &s, &first, &error), PAWL_ERR_ARGUMENT);
	assert_string_equal(error.hint, "Did you mean \"--number\"?");
}

/* Bug guarded against: JSON such as -5 cannot be pushed at all. */
static void
two_dashes_end_the_options(void **state)
{
	sample s;
	pawl_error error;
	int first;

	(void) state;
	assert_int_equal(parse("x -f -- -5", &s, &first, &error), PAWL_OK);
	assert_int_equal(first, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_reaches_its_member),
		cmocka_unit_test(optional_value_needs_equals),
		cmocka_unit_test(bad_values_are_refused_with_what_is_expected),
		cmocka_unit_test(unknown_options_are_refused_by_name),
		cmocka_unit_test(abbreviations_are_refused),
		cmocka_unit_test(two_dashes_end_the_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
