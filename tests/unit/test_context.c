/*
 * test_context.c - a call of a handler for several jobs, and what becomes of each
 *
 * Bugs guarded against: the result, the error or the counters of one job stored with
 * another; a verdict that the handler has not set taken for success; the timeout of one job
 * that is not that of the call; a cancel of one job that stops the others; the lines that
 * say why a job failed are left to a timer, and hidden by it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "worker/context.h"

#define N 4

/* A worker without threads, and works of one group. */
typedef struct bench
{
	pawl_worker *worker;
	worker_handler handler;
	pawl_context context;
	work *works[N];
} bench;

static work *
make_work(const worker_handler *handler, int64_t id, int64_t timeout_ms)
{
	claim_job claimed = {.job = id,
	                     .fence = id * 10,
	                     .kind = "k",
	                     .args = "{}",
	                     .queue = "q",
	                     .attempt = 1,
	                     .timeout_ms = timeout_ms,
	                     .stage = "main",
	                     .group_key = "acme/orders",
	                     .run_key = 3};
	work *w = work_new(&claimed, 1);

	assert_non_null(w);
	w->handler = handler;
	return w;
}

static int
set_up(void **state)
{
	static bench b;
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;

	b = (bench){.handler = {.max = N}};
	assert_int_equal(pawl_worker_new(&options, &b.worker, NULL), PAWL_OK);
	log_queue_init(&b.worker->log);
	b.context = (pawl_context){.worker = b.worker, .interrupt_fd = -1};
	for (int i = 0; i < N; i++)
		b.works[i] = make_work(&b.handler, i + 1, 0);
	*state = &b;
	return 0;
}

static int
tear_down(void **state)
{
	bench *b = *state;

	for (int i = 0; i < N; i++)
		work_free(b->works[i]);
	log_queue_destroy(&b->worker->log);
	pawl_worker_free(b->worker);
	return 0;
}

static void
answer_each(pawl_context *context, const pawl_job *const *jobs, size_t n,
            pawl_verdict *verdicts, void *closure)
{
	assert_int_equal(n, N);
	assert_null(closure);
	for (size_t i = 0; i < n; i++)
	{
		assert_int_equal(jobs[i]->id, i + 1);
		assert_string_equal(jobs[i]->group_key, "acme/orders");
		assert_int_equal(jobs[i]->run_key, 3);
		assert_int_equal(verdicts[i], PAWL_FAIL);
	}
	pawl_context_select(context, 2);
	pawl_context_error(context, "it was %d", 2);
	pawl_context_delay(context, 50);
	pawl_context_select(context, 1);
	pawl_context_result(context, "[1]");
	pawl_context_count(context, "seen", 7);
	verdicts[1] = PAWL_COMPLETE;
	verdicts[2] = PAWL_FAIL_FINAL;
	verdicts[3] = PAWL_SNOOZE;
	pawl_context_select(context, 3);
	pawl_context_count(context, "seen", 8);
}

static void
each_has_its_own(void **state)
{
	bench *b = *state;
	work **w = b->works;

	b->handler.call_many = answer_each;
	context_run(&b->context, w, N);
	assert_true(w[0]->verb == WORK_FAIL && !w[0]->final && w[0]->result == NULL);
	assert_string_equal(w[0]->error, "handler failed without a message");
	assert_int_equal(w[1]->verb, WORK_COMPLETE);
	assert_string_equal(w[1]->result, "[1]");
	assert_string_equal(w[1]->counts, "{\"seen\":7}");
	assert_true(w[2]->verb == WORK_FAIL && w[2]->final && w[2]->delay_ms == 50);
	assert_string_equal(w[2]->error, "it was 2");
	assert_true(w[3]->verb == WORK_SNOOZE && w[3]->delay_ms == 60000);
	assert_null(w[3]->counts);
	for (int i = 0; i < N; i++)
		assert_true(w[i]->concluded);
}

static void
look_at_interrupts(pawl_context *context, const pawl_job *const *jobs, size_t n,
                   pawl_verdict *verdicts, void *closure)
{
	bench *b = closure;

	(void) jobs;
	(void) verdicts;
	assert_int_equal(pawl_context_interrupted(context), PAWL_RUNNING_ON);
	atomic_store(&b->works[1]->interrupt, PAWL_CANCELLED);
	assert_int_equal(pawl_context_interrupted(context), PAWL_RUNNING_ON);
	pawl_context_select(context, 1);
	assert_int_equal(pawl_context_interrupted(context), PAWL_CANCELLED);
	pawl_context_select(context, 0);
	atomic_store(&b->works[n - 1]->interrupt, PAWL_LEASE_LOST);
	assert_int_equal(pawl_context_interrupted(context), PAWL_LEASE_LOST);
	assert_null(pawl_context_connection(context)); /* an executor's */
}

static void
interrupts_of_one_and_of_all(void **state)
{
	bench *b = *state;

	b->handler.call_many = look_at_interrupts;
	b->handler.closure = b;
	context_run(&b->context, b->works, N);
}

/* Until the shortest timeout has passed. */
static void
wait_for_timeout(pawl_context *context, const pawl_job *const *jobs, size_t n,
                 pawl_verdict *verdicts, void *closure)
{
	(void) jobs;
	(void) closure;
	while (pawl_context_interrupted(context) != PAWL_TIMED_OUT)
		assert_true(clock_ms() < context->deadline_ms + 10000);
	for (size_t i = 1; i < n; i++)
		verdicts[i] = PAWL_COMPLETE;
}

static void
the_first_timeout_counts(void **state)
{
	bench *b = *state;

	work_free(b->works[2]);
	b->works[2] = make_work(&b->handler, 3, 20);
	b->handler.call_many = wait_for_timeout;
	context_run(&b->context, b->works, N);
	assert_string_equal(b->works[0]->category, "timeout");
	assert_int_equal(b->works[2]->verb, WORK_COMPLETE);
}

static pawl_verdict
answer_one(pawl_context *context, const pawl_job *job, void *closure)
{
	(void) closure;
	assert_int_equal(job->id, 1);
	pawl_context_result(context, "1");
	return PAWL_COMPLETE;
}

static void
one_alone(void **state)
{
	bench *b = *state;

	b->handler.call = answer_one;
	context_run(&b->context, b->works, 1);
	assert_string_equal(b->works[0]->result, "1");
	assert_int_equal(b->works[0]->verb, WORK_COMPLETE);
}

/* Says a line, and then what the test has told it to answer. */
static pawl_verdict
say(pawl_context *context, const pawl_job *job, void *closure)
{
	static char oversized[LIMIT_JSON + 2];

	memset(oversized, '1', LIMIT_JSON + 1);
	pawl_context_log(context, PAWL_INFO, "said", 4, NULL);
	pawl_context_result(context, job->id == 4 ? oversized : "1");
	return *(const pawl_verdict *) closure;
}

/* The last one fails by its result. */
static void
a_failure_hurries_its_lines(void **state)
{
	pawl_verdict verdicts[N] = {PAWL_COMPLETE, PAWL_FAIL, PAWL_FAIL_FINAL,
	                            PAWL_COMPLETE};
	bench *b = *state;
	log_queue *log = &b->worker->log;

	b->handler.call = say;
	for (size_t i = 0; i < N; i++)
	{
		b->handler.closure = &verdicts[i];
		context_run(&b->context, b->works + i, 1);
		assert_int_equal(log->lines.n, i + 1);
		assert_true(log->urgent == (i > 0));
		log->urgent = false;
	}
	assert_int_equal(b->works[3]->verb, WORK_FAIL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_has_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(interrupts_of_one_and_of_all, set_up,
	                                    tear_down),
		cmocka_unit_test_setup_teardown(the_first_timeout_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failure_hurries_its_lines, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
