/*
 * context.c - see context.h and pawl.h; runs on the executor's or runner's thread
 */
#include "worker/context.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/text.h"

#define SNOOZE_MS 60000 /* unless the handler says otherwise */

/* The work of which the handler speaks. */
static work *
current(const pawl_context *context)
{
	assert(context->selected < context->n);
	return context->works[context->selected];
}

void
pawl_context_select(pawl_context *context, size_t i)
{
	assert(i < context->n);
	context->selected = i;
}

/* ------------------------------------------------------------ interrupts --------- */

/* What was told of the current work; what is the end of one is the end of all but a
 * cancel. */
static pawl_interrupt
interrupt_of(const pawl_context *context)
{
	int interrupt = atomic_load(&current(context)->interrupt);

	for (size_t i = 0; i < context->n && interrupt == PAWL_RUNNING_ON; i++)
	{
		int other = atomic_load(&context->works[i]->interrupt);

		if (other != PAWL_CANCELLED)
			interrupt = other;
	}
	return (pawl_interrupt) interrupt;
}

/* Told, or seen when it had ended. */
static bool
is_timed_out(pawl_context *context)
{
	if (context->deadline_ms != CLOCK_NEVER && clock_ms() >= context->deadline_ms)
		context->timed_out = true;
	return context->timed_out;
}

pawl_interrupt
pawl_context_interrupted(pawl_context *context)
{
	pawl_interrupt interrupt = interrupt_of(context);

	if (interrupt != PAWL_RUNNING_ON)
		return interrupt;
	return is_timed_out(context) ? PAWL_TIMED_OUT : PAWL_RUNNING_ON;
}

int
pawl_context_interrupt_fd(pawl_context *context)
{
	return context->interrupt_fd;
}

/* ------------------------------------------------------------ results ------------ */

void
pawl_context_result(pawl_context *context, const char *json)
{
	work *w = current(context);

	free(w->result);
	w->result = NULL;
	w->result_bytes = json != NULL ? strlen(json) : 0;
	if (json != NULL && w->result_bytes <= LIMIT_JSON)
	{
		w->result = strdup(json);
		if (w->result == NULL)
			w->result_bytes = SIZE_MAX; /* a failure, told in context_conclude */
	}
}

void
pawl_context_error(pawl_context *context, const char *format, ...)
{
	work *w = current(context);
	auto_buffer text = BUFFER_INIT;
	auto_free char *raw = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&raw, format, args);
	va_end(args);
	if (length < 0)
	{
		raw = NULL;
		return;
	}
	text_escape(&text, raw, (size_t) length, LIMIT_ERROR_TEXT);
	if (!buffer_ok(&text))
		return;
	free(w->error);
	w->error = buffer_take(&text);
}

void
pawl_context_count(pawl_context *context, const char *name, int64_t n)
{
	counters_add(&current(context)->counters, name, n);
}

void
pawl_context_delay(pawl_context *context, int64_t delay_ms)
{
	current(context)->delay_ms = delay_ms > 0 ? delay_ms : 0;
}

void
pawl_context_log(pawl_context *context, pawl_level level, const char *message,
                 size_t length, const char *context_json)
{
	const pawl_job *job = &current(context)->job;

	log_queue_add(&context->worker->log, job->id, job->fence, level, message, length,
	              context_json);
}

/* ------------------------------------------------------------ conclusions -------- */

/* False: they cannot be stored, and the work has failed. */
static bool
conclude_counts(work *w)
{
	const char *wrong = w->counters.wrong;
	auto_buffer json = BUFFER_INIT;

	if (wrong == NULL && w->counters.n > 0 && w->job.stage != NULL)
	{
		counters_json(&w->counters, &json);
		w->counts = buffer_take(&json);
		if (w->counts == NULL)
			wrong = "out of memory for the counters";
	}
	if (wrong != NULL)
		work_fail(w, false, "%s", wrong);
	return wrong == NULL;
}

static void
conclude_complete(work *w)
{
	if (w->result_bytes == SIZE_MAX)
		work_fail(w, false, "out of memory for the result");
	else if (w->result_bytes > LIMIT_JSON)
		work_fail(w, false, "result of %zu bytes exceeds the limit of %d bytes",
		          w->result_bytes, LIMIT_JSON);
	else if (conclude_counts(w))
		work_conclude(w, WORK_COMPLETE);
}

static void
conclude_fail(pawl_context *context, work *w, bool final)
{
	/* what was stopped by a drain is not to blame: it is given back */
	if (!final && atomic_load(&w->interrupt) == PAWL_DRAINING)
	{
		work_conclude(w, WORK_RELEASE);
		return;
	}
	if (is_timed_out(context))
		w->category = "timeout";
	w->final = final;
	if (w->error == NULL && context->timed_out)
		work_fail(w, final, "timed out after %" PRId64 " ms", w->job.timeout_ms);
	else if (w->error == NULL)
		work_fail(w, final, "handler failed without a message");
	work_conclude(w, WORK_FAIL);
}

static void
conclude(pawl_context *context, work *w, pawl_verdict verdict)
{
	switch (verdict)
	{
		case PAWL_COMPLETE:
			conclude_complete(w);
			break;
		case PAWL_FAIL:
			conclude_fail(context, w, false);
			break;
		case PAWL_FAIL_FINAL:
			conclude_fail(context, w, true);
			break;
		case PAWL_SNOOZE:
			if (w->delay_ms < 0)
				w->delay_ms = SNOOZE_MS;
			work_conclude(w, WORK_SNOOZE);
			break;
		case PAWL_RELEASE:
			work_conclude(w, WORK_RELEASE);
			break;
		default:
			work_fail(w, false, "handler answered an unknown verdict %d",
			          (int) verdict);
	}
	if (w->verb == WORK_FAIL) /* whose lines say why */
		log_queue_hurry(&context->worker->log);
	counters_free(&w->counters);
}

/* ------------------------------------------------------------ a call ------------- */

/* The time of all begins; the first that is over is that of the call. */
static void
begin(pawl_context *context, work *const *works, size_t n)
{
	int64_t now_ms = clock_ms();

	context->works = works;
	context->n = n;
	context->selected = 0;
	context->deadline_ms = CLOCK_NEVER;
	context->timed_out = false;
	for (size_t i = 0; i < n; i++)
	{
		work *w = works[i];

		assert(w->job.timeout_ms >= 0 && w->handler == works[0]->handler);
		w->deadline_ms =
			w->job.timeout_ms == 0 ? CLOCK_NEVER : now_ms + w->job.timeout_ms;
		if (w->deadline_ms < context->deadline_ms)
			context->deadline_ms = w->deadline_ms;
	}
}

/* False: without memory, and nothing was called. */
static bool
call_many(pawl_context *context, pawl_verdict *verdicts)
{
	const worker_handler *handler = context->works[0]->handler;
	auto_free const pawl_job **jobs = calloc(context->n, sizeof(*jobs));

	if (jobs == NULL)
		return false;
	for (size_t i = 0; i < context->n; i++)
	{
		jobs[i] = &context->works[i]->job;
		verdicts[i] = PAWL_FAIL;
	}
	handler->call_many(context, jobs, context->n, verdicts, handler->closure);
	return true;
}

static void
run_many(pawl_context *context)
{
	auto_free pawl_verdict *verdicts = calloc(context->n, sizeof(*verdicts));
	bool called = verdicts != NULL && call_many(context, verdicts);

	for (size_t i = 0; i < context->n; i++)
	{
		if (called)
			conclude(context, context->works[i], verdicts[i]);
		else
			work_fail(context->works[i], false, "out of memory");
	}
}

void
context_run(pawl_context *context, work *const *works, size_t n)
{
	const worker_handler *handler = works[0]->handler;

	assert(handler != NULL && n >= 1 && n <= handler->max);
	begin(context, works, n);
	if (handler->call_many != NULL)
		run_many(context);
	else
	{
		pawl_verdict verdict = handler->call(context, &works[0]->job, handler->closure);

		conclude(context, works[0], verdict);
	}
	context->works = NULL;
	context->n = 0;
}
