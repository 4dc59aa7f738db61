/*
 * test_csv.c - rows of a CSV file, as COPY reads them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "cli/csv.h"

/* A file of these bytes, at its begin. */
static int
file_of(const char *bytes, size_t length)
{
	FILE *file = tmpfile();
	int fd;

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fflush(file), 0);
	fd = dup(fileno(file));
	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	(void) fclose(file);
	return fd;
}

/* "1:a|b 2:NULL|c", or the same up to "!LINE: message". */
static void
assert_bytes(const char *bytes, size_t length, const char *expected)
{
	int fd = file_of(bytes, length);
	csv_reader *reader = csv_new(fd);
	auto_buffer seen = BUFFER_INIT;
	pawl_error error;
	csv_row row = {0};
	bool end = false;

	assert_non_null(reader);
	buffer_append(&seen, "");
	while (csv_next(reader, &row, &end, &error) == PAWL_OK && !end)
	{
		buffer_appendf(&seen, "%s%d:", seen.length > 0 ? " " : "", (int) row.line);
		for (size_t i = 0; i < row.count; i++)
			buffer_appendf(&seen, "%s%s", i > 0 ? "|" : "",
			               row.fields[i] != NULL ? row.fields[i] : "NULL");
	}
	if (!end)
		buffer_appendf(&seen, "!%d: %s", (int) row.line, error.message);
	assert_string_equal(seen.data, expected);
	csv_reader_free(reader);
	(void) close(fd);
}

static void
assert_rows(const char *text, const char *expected)
{
	assert_bytes(text, strlen(text), expected);
}

/* Bug guarded against: NULL and the empty text are the same, or blanks are lost. */
static void
test_fields(void **state)
{
	(void) state;
	assert_rows("", "");
	assert_rows("a,b\n", "1:a|b");
	assert_rows("a,b", "1:a|b");
	assert_rows(",\"\",x\n", "1:NULL||x");
	assert_rows(" a ,b \n", "1: a |b ");
	assert_rows("\"a \"\"quoted\"\" one\",\"x,y\"\n", "1:a \"quoted\" one|x,y");
	assert_rows("\xEF\xBB\xBF"
	            "a\nb\n",
	            "1:a 2:b");
}

/* Bug guarded against: the line that is told is not the line of the file. */
static void
test_lines(void **state)
{
	(void) state;
	assert_rows("a\nb\n\nc\n", "1:a 2:b 4:c");
	assert_rows("a\r\nb\r\n\r\nc\r\n", "1:a 2:b 4:c");
	assert_rows("a\rb\rc", "1:a 2:b 3:c");
	assert_rows("\"a\nb\r\nc\",x\nd,y\n", "1:a\nb\r\nc|x 4:d|y");
}

/* Bug guarded against: what is not CSV is taken for something. */
static void
test_malformed(void **state)
{
	(void) state;
	assert_rows("a\n\"b\nc\n", "1:a!2: a quoted field is not ended");
	assert_rows("a\n\n\"b\"x\n", "1:a!3: a quote is followed by text, or stands in a "
	                             "field that does not begin with one");
	assert_rows("a\nx\xFF\n", "1:a!2: it is not UTF-8 text, or has a NUL byte");
	assert_bytes("a\nx\0y\n", 6, "1:a!2: it is not UTF-8 text, or has a NUL byte");
}

/* Bug guarded against: a row that lies in two blocks of what is read. */
static void
test_blocks(void **state)
{
	auto_buffer text = BUFFER_INIT;
	int fd;
	csv_reader *reader;
	csv_row row;
	bool end;
	pawl_error error;

	(void) state;
	for (int i = 0; i < 100000; i++)
		buffer_appendf(&text, "%d,\"x\"\"%d\"\r\n", i, i);
	fd = file_of(text.data, text.length);
	reader = csv_new(fd);
	for (int i = 0; i < 100000; i++)
	{
		char wanted[32];

		assert_int_equal(csv_next(reader, &row, &end, &error), PAWL_OK);
		assert_false(end);
		assert_int_equal(row.line, i + 1);
		assert_int_equal(row.count, 2);
		(void) snprintf(wanted, sizeof(wanted), "x\"%d", i);
		assert_string_equal(row.fields[1], wanted);
	}
	assert_int_equal(csv_next(reader, &row, &end, &error), PAWL_OK);
	assert_true(end);
	assert_int_equal(csv_bytes(reader), text.length);
	csv_reader_free(reader);
	(void) close(fd);
}

/* Bug guarded against: an open quote takes all memory. */
static void
test_open_quote(void **state)
{
	size_t size = LIMIT_CSV_ROW + 200000;
	char *text = malloc(size);
	int fd;
	csv_reader *reader;
	csv_row row = {0};
	bool end;
	pawl_error error;

	(void) state;
	assert_non_null(text);
	memset(text, 'x', size);
	memcpy(text, "a\n\"", 3);
	fd = file_of(text, size);
	reader = csv_new(fd);
	assert_int_equal(csv_next(reader, &row, &end, &error), PAWL_OK);
	assert_int_equal(csv_next(reader, &row, &end, &error), PAWL_ERR_ARGUMENT);
	assert_int_equal(row.line, 2);
	assert_non_null(strstr(error.message, "16 MiB"));
	assert_true(csv_bytes(reader) < LIMIT_CSV_ROW + 100000);
	csv_reader_free(reader);
	(void) close(fd);
	free(text);
}

/* Bug guarded against: a column whose name has a comma cannot be named. */
static void
test_split(void **state)
{
	char **words;
	size_t n;
	pawl_error error;

	(void) state;
	assert_int_equal(csv_split("a,\"b,c\",D e", &words, &n, &error), PAWL_OK);
	assert_int_equal(n, 3);
	assert_string_equal(words[0], "a");
	assert_string_equal(words[1], "b,c");
	assert_string_equal(words[2], "D e");
	assert_null(words[3]);
	csv_words_free(words);
	assert_int_equal(csv_split("a,\"b", &words, &n, &error), PAWL_ERR_ARGUMENT);
	assert_int_equal(csv_split("a\nb", &words, &n, &error), PAWL_ERR_ARGUMENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),     cmocka_unit_test(test_lines),
		cmocka_unit_test(test_malformed),  cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_open_quote), cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
