/*
 * test_ndjson.c - lines of a file of jobs: splitting, numbering, checking
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ndjson.h"

/* A file without a name, with this text, read from its beginning. */
static FILE *
file_of(const char *text, size_t length)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	return file;
}

static void
expect_line(ndjson_reader *reader, int64_t number, const char *wanted)
{
	const char *text;
	size_t length;
	int64_t line;

	assert_int_equal(ndjson_next(reader, &text, &length, &line), NDJSON_LINE);
	assert_true(line == number);
	assert_int_equal(length, strlen(wanted));
	assert_memory_equal(text, wanted, length);
}

static void
expect_end(ndjson_reader *reader)
{
	const char *text;
	size_t length;
	int64_t line;

	assert_int_equal(ndjson_next(reader, &text, &length, &line), NDJSON_END);
}

/* Bug guarded against: blank lines shift the numbers in messages, or the last line without a newline is
 * lost. */
static void
lines_keep_their_numbers(void **state)
{
	const char text[] = "{\"a\":1}\n\n  \r\n{\"b\":2}\r\nlast";
	FILE *file = file_of(text, sizeof(text) - 1);
	ndjson_reader *reader = ndjson_new(fileno(file));

	(void) state;
	expect_line(reader, 1, "{\"a\":1}");
	expect_line(reader, 4, "{\"b\":2}\r");
	expect_line(reader, 5, "last");
	expect_end(reader);
	expect_end(reader);
	ndjson_free(reader);
	(void) fclose(file);
}

/* Bug guarded against: the end of a file is answered as one more line. */
static void
an_empty_file_has_no_lines(void **state)
{
	FILE *file = file_of("", 0);
	ndjson_reader *reader = ndjson_new(fileno(file));

	(void) state;
	expect_end(reader);
	ndjson_free(reader);
	(void) fclose(file);
}

/* Bug guarded against: one line of a gigabyte takes the memory, or the lines behind it their numbers. */
static void
a_line_too_long_is_dropped_by_its_number(void **state)
{
	size_t big = 3 * (size_t) LIMIT_NDJSON_LINE;
	char *text = malloc(big + 64);
	const char *line_text;
	size_t length;
	int64_t line;
	FILE *file;
	ndjson_reader *reader;

	(void) state;
	assert_non_null(text);
	memcpy(text, "one\n", 4);
	memset(text + 4, 'x', big);
	memcpy(text + 4 + big, "\nthree\n", 7);
	memset(text + 11 + big, 'y', 10);
	file = file_of(text, big + 21);
	reader = ndjson_new(fileno(file));
	expect_line(reader, 1, "one");
	assert_int_equal(ndjson_next(reader, &line_text, &length, &line), NDJSON_TOO_LONG);
	assert_true(line == 2);
	expect_line(reader, 3, "three");
	expect_line(reader, 4, "yyyyyyyyyy");
	expect_end(reader);
	ndjson_free(reader);
	(void) fclose(file);
	free(text);
}

/* Bug guarded against: the longest line that is allowed is refused; one byte more passes; a last line
 * that is too long and has no newline is not told. */
static void
the_limit_is_exact(void **state)
{
	size_t limit = LIMIT_NDJSON_LINE;
	char *text = malloc(3 * limit + 64);
	const char *line_text;
	size_t length;
	int64_t line;
	FILE *file;
	ndjson_reader *reader;

	(void) state;
	assert_non_null(text);
	memset(text, 'x', 3 * limit + 64);
	text[limit] = '\n';
	text[2 * limit + 2] = '\n';
	file = file_of(text, 3 * limit + 64);
	reader = ndjson_new(fileno(file));
	assert_int_equal(ndjson_next(reader, &line_text, &length, &line), NDJSON_LINE);
	assert_int_equal(length, limit);
	assert_int_equal(ndjson_next(reader, &line_text, &length, &line), NDJSON_TOO_LONG);
	assert_true(line == 2);
	assert_int_equal(ndjson_next(reader, &line_text, &length, &line), NDJSON_TOO_LONG);
	assert_true(line == 3);
	expect_end(reader);
	ndjson_free(reader);
	(void) fclose(file);
	free(text);
}

/* Bug guarded against: lines that arrive in pieces, as from a slow pipe, are split in two jobs. */
static void
pieces_of_a_line_belong_together(void **state)
{
	int ends[2];
	ndjson_reader *reader;

	(void) state;
	assert_int_equal(pipe(ends), 0);
	reader = ndjson_new(ends[0]);
	assert_int_equal(write(ends[1], "on", 2), 2);
	assert_int_equal(write(ends[1], "e\ntw", 4), 4);
	expect_line(reader, 1, "one");
	assert_int_equal(write(ends[1], "o\n", 2), 2);
	expect_line(reader, 2, "two");
	assert_int_equal(close(ends[1]), 0);
	expect_end(reader);
	ndjson_free(reader);
	(void) close(ends[0]);
}

static void
expect_refused(const char *text, const char *message)
{
	pawl_error error;

	assert_int_equal(ndjson_check(text, strlen(text), &error), PAWL_ERR_ARGUMENT);
	assert_string_equal(error.message, message);
}

/* Bug guarded against: a bad line reaches the server, which names no line. */
static void
what_is_no_job_is_refused(void **state)
{
	(void) state;
	expect_refused("{\"kind\":\"a\"",
	               "it is not JSON: column 11: '}' expected near end of file");
	expect_refused("[1]", "it is not a JSON object");
	expect_refused("{}", "\"kind\" is missing");
	expect_refused("{\"kind\":null}", "\"kind\" is missing");
	expect_refused("{\"kind\":1}", "\"kind\" must be a string");
	expect_refused("{\"kind\":\"\"}", "\"kind\" must have 1 to 255 bytes, not 0");
	expect_refused("{\"kind\":\"a\",\"run_key\":1}",
	               "\"run_key\" needs a \"group_key\"");
	expect_refused("{\"kind\":\"a\",\"group_key\":\"a\\u001fb\"}",
	               "\"group_key\" contains the character U+001F");
	expect_refused("{\"kind\":\"a\",\"prio\":1}", "unknown member \"prio\"");
	expect_refused("{\"kind\":\"a\",\"priority\":10}",
	               "\"priority\" must be a whole number from 0 to 9");
	expect_refused("{\"kind\":\"a\",\"priority\":\"1\"}",
	               "\"priority\" must be a whole number from 0 to 9");
	expect_refused("{\"kind\":\"a\",\"run_at\":\"tomorrow\"}",
	               "\"run_at\" must be a time such as \"2026-11-21T08:00:00Z\"");
	expect_refused("{\"kind\":\"a\",\"timeout\":30}",
	               "\"timeout\" must be a duration such as \"30s\" or \"5min\"");
	expect_refused("{\"kind\":\"a\",\"unique_key\":\"\"}",
	               "\"unique_key\" must have 1 to 255 bytes, not 0");
	expect_refused("{\"kind\":\"a\",\"unique_until\":\"now\"}",
	               "\"unique_until\" must be \"end\" or \"start\"");
	expect_refused("{\"kind\":\"a\",\"unique_until\":1}",
	               "\"unique_until\" must be \"end\" or \"start\"");
	expect_refused("{\"kind\":\"\xff\"}",
	               "it is not UTF-8 text: byte 0xff at offset 9");
}

/* Bug guarded against: what the server takes is refused here: null, numbers beyond a double. */
static void
what_is_a_job_passes(void **state)
{
	static const char *const lines[] = {
		"{\"kind\":\"a\"}",
		"{\"kind\":\"a\",\"args\":[1,{\"b\":null}],\"queue\":null,\"meta\":1}",
		"{\"kind\":\"a\",\"args\":12345678901234567890123}",
		"{\"kind\":\"a\",\"args\":1e999}",
		("{\"kind\":\"a\",\"priority\":0,\"run_at\":\"2026-11-21T08:00:00Z\","
	     "\"max_attempts\":1,\"timeout\":\"0\",\"queue\":\"q\"}"),
		"{\"kind\":\"a\",\"unique_key\":\"\xc3\xa4\",\"unique_until\":\"start\"}",
		"{\"kind\":\"a\",\"unique_key\":null,\"unique_until\":null}",
	};
	pawl_error error;

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(ndjson_check(lines[i], strlen(lines[i]), &error), PAWL_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_keep_their_numbers),
		cmocka_unit_test(an_empty_file_has_no_lines),
		cmocka_unit_test(a_line_too_long_is_dropped_by_its_number),
		cmocka_unit_test(the_limit_is_exact),
		cmocka_unit_test(pieces_of_a_line_belong_together),
		cmocka_unit_test(what_is_no_job_is_refused),
		cmocka_unit_test(what_is_a_job_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
