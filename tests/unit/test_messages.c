/*
 * test_messages.c - what an exec handler's program says on descriptor 3
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "fake_context.h"
#include "handler/lines.h"
#include "handler/messages.h"

typedef struct listener
{
	pawl_context context;
	messages messages;
} listener;

static void
say_bytes(listener *l, const char *line, size_t length)
{
	l->messages.context = &l->context;
	messages_line(line, length, length, &l->messages);
}

static void
say(listener *l, const char *line)
{
	say_bytes(l, line, strlen(line));
}

static int
set_up(void **state)
{
	listener *l = calloc(1, sizeof(*l));

	l->context = context_new();
	l->messages.delay_ms = -1;
	*state = l;
	return 0;
}

static int
tear_down(void **state)
{
	listener *l = *state;

	context_free(&l->context);
	messages_free(&l->messages);
	free(l);
	return 0;
}

/* Bug guarded against: numbers of a result lose digits on their way through a parser. */
static void
test_result_verbatim(void **state)
{
	listener *l = *state;

	say(l,
	    "{ \"result\" : {\"n\": 12345678901234567890123, \"x\": 0.10000000000000000001}"
	    " , \"other\": [1,{\"result\":2}] }");
	assert_true(l->messages.has_result);
	assert_string_equal(
		l->messages.result.data,
		"{\"n\": 12345678901234567890123, \"x\": 0.10000000000000000001}");
	assert_int_equal(l->context.lines, 0);
}

/* Bug guarded against: the first result wins, or two are glued together. */
static void
test_last_result(void **state)
{
	listener *l = *state;

	say(l, "{\"result\":1}");
	say(l, "{\"result\":\"}, \\\" {\"}");
	assert_string_equal(l->messages.result.data, "\"}, \\\" {\"");
	say(l, "{\"result\":null}");
	assert_string_equal(l->messages.result.data, "null");
	assert_true(l->messages.has_result);
}

/* Bug guarded against: \u0000 makes PostgreSQL refuse the whole batch of results. */
static void
test_result_nul(void **state)
{
	listener *l = *state;

	say(l, "{\"result\":\"a\\u0000b\\\\u0000\\\\\\u0000\"}");
	assert_string_equal(l->messages.result.data,
	                    "\"a\\\\u0000b\\\\u0000\\\\\\\\u0000\"");
}

/* Bug guarded against: a result with a Latin-1 byte is lost without a word. */
static void
test_result_invalid(void **state)
{
	listener *l = *state;
	static const char line[] = "{\"result\":\"caf\xe9\"}";

	say_bytes(l, line, sizeof(line) - 1);
	assert_true(l->messages.has_result);
	assert_int_equal(l->messages.result.data[0], '"');
	assert_non_null(strstr(l->messages.result.data, "xE9"));
	assert_int_equal(l->context.lines, 1);
	assert_memory_equal(l->context.log.data, "warn ", 5);
}

/* Bug guarded against: garbage on descriptor 3 fails the job or goes unseen. */
static void
test_garbage(void **state)
{
	listener *l = *state;

	say(l, "hello");
	say(l, "[1]");
	say(l, "{\"a\":");
	say(l, "");
	say(l, "  ");
	assert_int_equal(l->context.lines, 3);
	assert_false(l->messages.has_result);
	say(l, "{\"unknown\":true}");
	assert_int_equal(l->context.lines, 3);
}

/* Bug guarded against: an oversized result is cut and stored as if it were whole. */
static void
test_result_oversize(void **state)
{
	listener *l = *state;
	size_t size = LIMIT_JSON + 1;
	buffer line = BUFFER_INIT;

	buffer_append(&line, "{\"result\":\"");
	for (size_t i = 0; i < size - 2; i++)
		buffer_append_char(&line, 'x');
	buffer_append(&line, "\"}");
	say_bytes(l, line.data, line.length);
	assert_int_equal(l->messages.oversize, size);

	/* Far over the limit only a part is kept: the size is told all the same. */
	messages_line(line.data, 1000, 5000000, &l->messages);
	assert_int_equal(l->messages.oversize, 5000000 - 11);

	/* The last one counts. */
	say(l, "{\"result\":7}");
	assert_int_equal(l->messages.oversize, 0);
	assert_string_equal(l->messages.result.data, "7");
	buffer_free(&line);
}

/* Bug guarded against: a negative or absurd delay reaches the database. */
static void
test_retry_after(void **state)
{
	listener *l = *state;

	say(l, "{\"retry_after_s\":1.5}");
	assert_int_equal(l->messages.delay_ms, 1500);
	say(l, "{\"retry_after_s\":-1}");
	say(l, "{\"retry_after_s\":\"soon\"}");
	assert_int_equal(l->messages.delay_ms, 1500);
	assert_int_equal(l->context.lines, 2);
	say(l, "{\"retry_after_s\":1e300}");
	assert_int_equal(l->messages.delay_ms, (int64_t) LIMIT_RETRY_S * 1000);
}

/* Bug guarded against: the level or the context of a log line is dropped. */
static void
test_log(void **state)
{
	listener *l = *state;

	say(l,
	    "{\"log\":{\"level\":\"error\",\"message\":\"disk\",\"context\":{\"n\":3}}}");
	say(l, "{\"log\":{\"message\":\"plain\"}}");
	say(l, "{\"log\":\"no object\"}");
	assert_string_equal(l->context.log.data,
	                    "error disk\ninfo plain\nwarn log has no message\n");
	assert_string_equal(l->context.contexts.data, "{\"n\":3}\n");
}

/* Bug guarded against: an error of another name is stored as info, and a filter hides it. */
static void
test_levels(void **state)
{
	static const char *const levels[] = {
		"\"Debug\"", "\"INFO\"",     "null",     "\"WARN\"", "\"warning\"", "\"ERROR\"",
		"\"fatal\"", "\"CRITICAL\"", "\"loud\"", "\"\"",     "40"};
	listener *l = *state;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
	{
		auto_buffer line = BUFFER_INIT;

		buffer_appendf(&line, "{\"log\":{\"level\":%s,\"message\":\"%zu\"}}", levels[i],
		               i);
		say(l, line.data);
	}
	assert_string_equal(l->context.log.data,
	                    "debug 0\ninfo 1\ninfo 2\nwarn 3\nwarn 4\nerror 5\n"
	                    "error 6\nerror 7\nwarn 8\nwarn 9\nwarn 10\n");
}

/* Bug guarded against: progress and counts vanish; or what is too long, without a mark. */
static void
test_progress(void **state)
{
	listener *l = *state;
	auto_buffer large = BUFFER_INIT;

	say(l, "{\"progress\":{\"done\":3,\"total\":9},\"count\":{\"detections\":17}}");
	assert_string_equal(l->context.log.data, "debug progress\ndebug count\n");
	assert_string_equal(l->context.contexts.data,
	                    "{\"progress\":{\"done\":3,\"total\":9}}\n"
	                    "{\"count\":{\"detections\":17}}\n");
	assert_string_equal(l->context.counts.data, "detections 17\n");
	buffer_appendf(&large, "{\"progress\":{\"x\":\"%*s\"},", LIMIT_LOG_LINE, "");
	buffer_appendf(&large, "\"log\":{\"message\":\"m\",\"context\":\"%*s\"}}",
	               LIMIT_LOG_LINE, "");
	say(l, large.data);
	assert_string_equal(l->context.log.data,
	                    "debug progress\ndebug count\ninfo m\ndebug progress\n");
	assert_true(l->context.contexts.length > 2 * LIMIT_LOG_LINE);
}

typedef struct heard
{
	int lines;
	size_t kept;
	size_t length;
} heard;

static void
hear(const char *line, size_t kept, size_t length, void *closure)
{
	heard *h = closure;

	(void) line;
	h->lines++;
	h->kept += kept;
	h->length += length;
}

/* Bug guarded against: a line without an end is kept whole in memory. */
static void
test_lines_bounded(void **state)
{
	heard h = {0};
	lines l = {.limit = 10, .callback = hear, .closure = &h};

	(void) state;
	for (int i = 0; i < 1000; i++)
		lines_add(&l, "0123456789abcdef", 16);
	assert_true(l.kept.capacity < 4096);
	lines_add(&l, "\nab\n\nend", 8);
	lines_end(&l);
	lines_end(&l);
	assert_int_equal(h.lines, 4);
	assert_int_equal(h.kept, 10 + 2 + 0 + 3);
	assert_int_equal(h.length, 16000 + 2 + 0 + 3);
	lines_free(&l);
}

/*
 * Bug guarded against: of several jobs the end of one is stored with another, or a line that
 * nobody can place is.
 */
static void
test_several_jobs(void **state)
{
	listener *l = *state;
	pawl_job jobs[3] = {{.id = 7}, {.id = 8}, {.id = 9}};
	const pawl_job *list[] = {&jobs[0], &jobs[1], &jobs[2]};
	messages_said said[3] = {{0}};

	l->messages.jobs = list;
	l->messages.said = said;
	l->messages.n = 3;
	say(l, "{\"job\": 8, \"result\": [1]}");
	say(l, "{\"error\": \"bad\", \"final\": true, \"retry_after_s\": 2}");
	say(l, "{\"job\": 10, \"result\": 5}");
	say(l, "{\"job\": \"9\", \"result\": 5}");
	say(l, "{\"result\": oops}");
	messages_line("{\"job\": 9, \"result", 10, LIMIT_MESSAGE + 1, &l->messages);
	assert_string_equal(l->context.told.data,
	                    "1 result [1]\n0 error bad\n0 delay 2000\n");
	assert_true(said[1].verdict_set && said[1].verdict == PAWL_COMPLETE);
	assert_true(said[0].verdict_set && said[0].verdict == PAWL_FAIL_FINAL);
	assert_false(said[2].verdict_set);
	assert_int_equal(l->messages.cut, LIMIT_MESSAGE + 1);
	assert_int_equal(l->context.selected, 0);
	assert_false(l->messages.has_result);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_result_verbatim),
		TEST(test_last_result),
		TEST(test_result_nul),
		TEST(test_result_invalid),
		TEST(test_garbage),
		TEST(test_result_oversize),
		TEST(test_retry_after),
		TEST(test_log),
		TEST(test_levels),
		TEST(test_progress),
		cmocka_unit_test(test_lines_bounded),
		cmocka_unit_test_setup_teardown(test_several_jobs, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
