/*
 * test_log_queue.c - log lines on their way to the log writer
 *
 * Bugs guarded against: the line that would say why a job failed waits for thousands of
 * others; a handler that logs waits for the database; lines that are kept without end
 * while there is no database; what was dropped is counted twice or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "worker/log_queue.h"

static void
add(log_queue *q, int n)
{
	for (int i = 0; i < n; i++)
		log_queue_add(q, 1, 2, PAWL_INFO, "line", 4, NULL);
}

static size_t
take_lines(log_queue *q)
{
	log_list taken = {0};
	size_t n;

	(void) log_queue_take(q, &taken);
	n = taken.n;
	log_queue_forget(q, &taken);
	return n;
}

/* A second is what is promised; a full batch would never come. */
static void
test_flushed_in_time(void **state)
{
	int64_t began_ms = clock_ms();
	log_queue q;

	(void) state;
	log_queue_init(&q);
	add(&q, 3);
	assert_int_equal(take_lines(&q), 3);
	assert_true(clock_ms() - began_ms >= LOG_FLUSH_MS);
	assert_true(clock_ms() - began_ms < 1000);
	log_queue_destroy(&q);
}

/* How long three takes that need not wait have lasted, and that they took what is due. */
static int64_t
flush_at_once(void)
{
	int64_t began_ms = clock_ms();
	int64_t took_ms;
	log_queue q;

	log_queue_init(&q);
	add(&q, 1);
	log_queue_hurry(&q);
	assert_int_equal(take_lines(&q), 1);
	add(&q, LOG_BATCH + 7);
	assert_int_equal(take_lines(&q), LOG_BATCH);
	log_queue_end(&q);
	assert_int_equal(take_lines(&q), 7);
	took_ms = clock_ms() - began_ms;
	assert_int_equal(take_lines(&q), 0);
	log_queue_destroy(&q);
	return took_ms;
}

/*
 * A failure hurries, once; a full batch and the end do not wait either.  (The quickest of
 * a few: who waits does so each time, a busy machine does not.)
 */
static void
test_flushed_at_once(void **state)
{
	int turns = 0;

	(void) state;
	while (flush_at_once() >= LOG_FLUSH_MS)
		assert_true(++turns < 20);
}

/* Nobody takes lines: adding goes on, what does not fit is counted once. */
static void
test_full(void **state)
{
	log_queue q;

	(void) state;
	log_queue_init(&q);
	add(&q, LOG_QUEUE_LINES + 5);
	assert_int_equal(log_queue_dropped(&q), 5);
	assert_true(q.bytes <= LOG_QUEUE_BYTES);
	assert_int_equal(take_lines(&q), LOG_BATCH);
	add(&q, 1);
	assert_int_equal(log_queue_dropped(&q), 5);
	log_queue_destroy(&q);
}

/* Lines that the writer has taken and not stored count, too. */
static void
test_full_with_large_lines(void **state)
{
	static char large[8000];
	log_list taken = {0};
	log_queue q;
	size_t n;

	(void) state;
	log_queue_init(&q);
	memset(large, 'x', sizeof(large));
	while (log_queue_dropped(&q) == 0)
		log_queue_add(&q, 1, 2, PAWL_INFO, large, sizeof(large), NULL);
	n = q.lines.n;
	assert_true(n > 1000 && n < LOG_QUEUE_LINES);
	assert_true(log_queue_take(&q, &taken));
	assert_true(taken.n > 100 && taken.n * sizeof(large) < 2 * LOG_BATCH_BYTES);
	log_queue_add(&q, 1, 2, PAWL_INFO, large, sizeof(large), NULL);
	assert_int_equal(log_queue_dropped(&q), 2);
	log_queue_forget(&q, &taken);
	log_queue_add(&q, 1, 2, PAWL_INFO, large, sizeof(large), NULL);
	assert_int_equal(log_queue_dropped(&q), 2);
	log_queue_destroy(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flushed_in_time),
		cmocka_unit_test(test_flushed_at_once),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_full_with_large_lines),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
