/*
 * context.c - see context.h and pawl.h; runs on the executor's thread
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

void
context_begin(pawl_context *context, work *w)
{
	assert(w->job.timeout_ms >= 0);
	context->work = w;
	context->timed_out = false;
	w->deadline_ms =
		w->job.timeout_ms == 0 ? CLOCK_NEVER : clock_ms() + w->job.timeout_ms;
}

pawl_interrupt
pawl_context_interrupted(pawl_context *context)
{
	work *w = context->work;
	int interrupt = atomic_load(&w->interrupt);

	if (interrupt != PAWL_RUNNING_ON)
		return (pawl_interrupt) interrupt;
	if (w->deadline_ms != CLOCK_NEVER && clock_ms() >= w->deadline_ms)
	{
		context->timed_out = true;
		return PAWL_TIMED_OUT;
	}
	return PAWL_RUNNING_ON;
}

int
pawl_context_interrupt_fd(pawl_context *context)
{
	return context->interrupt_fd;
}

void
pawl_context_result(pawl_context *context, const char *json)
{
	work *w = context->work;

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
	work *w = context->work;
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
	counters_add(&context->counters, name, n);
}

void
pawl_context_delay(pawl_context *context, int64_t delay_ms)
{
	context->work->delay_ms = delay_ms > 0 ? delay_ms : 0;
}

void
pawl_context_log(pawl_context *context, pawl_level level, const char *message,
                 size_t length, const char *context_json)
{
	const pawl_job *job = &context->work->job;

	log_queue_add(&context->worker->log, job->id, job->fence, level, message, length,
	              context_json);
}

/* ------------------------------------------------------------ conclusions -------- */

/* False: they cannot be stored, and the work has failed. */
static bool
conclude_counts(pawl_context *context)
{
	work *w = context->work;
	const char *wrong = context->counters.wrong;
	auto_buffer json = BUFFER_INIT;

	if (wrong == NULL && context->counters.n > 0 && w->job.stage != NULL)
	{
		counters_json(&context->counters, &json);
		w->counts = buffer_take(&json);
		if (w->counts == NULL)
			wrong = "out of memory for the counters";
	}
	if (wrong != NULL)
		work_fail(w, false, "%s", wrong);
	return wrong == NULL;
}

static void
conclude_complete(pawl_context *context)
{
	work *w = context->work;

	if (w->result_bytes == SIZE_MAX)
		work_fail(w, false, "out of memory for the result");
	else if (w->result_bytes > LIMIT_JSON)
		work_fail(w, false, "result of %zu bytes exceeds the limit of %d bytes",
		          w->result_bytes, LIMIT_JSON);
	else if (conclude_counts(context))
		work_conclude(w, WORK_COMPLETE);
}

static void
conclude_fail(pawl_context *context, bool final)
{
	work *w = context->work;

	/* what was stopped by a drain is not to blame: it is given back */
	if (!final && atomic_load(&w->interrupt) == PAWL_DRAINING)
	{
		work_conclude(w, WORK_RELEASE);
		return;
	}
	if (w->deadline_ms != CLOCK_NEVER && clock_ms() >= w->deadline_ms)
		context->timed_out = true;
	if (context->timed_out)
		w->category = "timeout";
	w->final = final;
	if (w->error == NULL && context->timed_out)
		work_fail(w, final, "timed out after %" PRId64 " ms", w->job.timeout_ms);
	else if (w->error == NULL)
		work_fail(w, final, "handler failed without a message");
	work_conclude(w, WORK_FAIL);
	log_queue_hurry(&context->worker->log);
}

void
context_conclude(pawl_context *context, pawl_verdict verdict)
{
	work *w = context->work;

	switch (verdict)
	{
		case PAWL_COMPLETE:
			conclude_complete(context);
			break;
		case PAWL_FAIL:
			conclude_fail(context, false);
			break;
		case PAWL_FAIL_FINAL:
			conclude_fail(context, true);
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
	counters_free(&context->counters);
	context->work = NULL;
}
