/*
 * fake_context.h - a pawl_context for tests of handlers: remembers what it is told
 *
 * Included by one file of a test program; stands in for the worker's.
 */
#ifndef PAWL_TESTS_FAKE_CONTEXT_H
#define PAWL_TESTS_FAKE_CONTEXT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buffer.h"
#include "pawl.h"

struct pawl_context
{
	pawl_interrupt interrupt;
	int interrupt_fd;
	char *result;
	char *error;
	int64_t delay_ms; /* -1: not told */
	buffer log;       /* "info message\n" each */
	int lines;
	size_t longest;
	buffer contexts; /* of the lines that have one, a line each */
	buffer counts;   /* "name n\n" each */
	buffer told;     /* of several jobs: "1 result 7\n", "0 error ...\n" */
	size_t selected;
	void (*on_log)(pawl_context *context, const char *message);
	void *closure;
};

static inline pawl_context
context_new(void)
{
	return (pawl_context){.delay_ms = -1, .interrupt_fd = eventfd(0, EFD_CLOEXEC)};
}

static inline void
context_free(pawl_context *context)
{
	close(context->interrupt_fd);
	free(context->result);
	free(context->error);
	buffer_free(&context->log);
	buffer_free(&context->contexts);
	buffer_free(&context->counts);
	buffer_free(&context->told);
}

static inline void
context_interrupt(pawl_context *context, pawl_interrupt why)
{
	context->interrupt = why;
	eventfd_write(context->interrupt_fd, 1);
}

void
pawl_context_select(pawl_context *context, size_t i)
{
	context->selected = i;
}

pawl_interrupt
pawl_context_interrupted(pawl_context *context)
{
	return context->interrupt;
}

int
pawl_context_interrupt_fd(pawl_context *context)
{
	return context->interrupt_fd;
}

void
pawl_context_result(pawl_context *context, const char *json)
{
	free(context->result);
	context->result = strdup(json);
	buffer_appendf(&context->told, "%zu result %s\n", context->selected, json);
}

void
pawl_context_error(pawl_context *context, const char *format, ...)
{
	va_list arguments;

	free(context->error);
	va_start(arguments, format);
	if (vasprintf(&context->error, format, arguments) < 0)
		abort();
	va_end(arguments);
	buffer_appendf(&context->told, "%zu error %s\n", context->selected, context->error);
}

void
pawl_context_count(pawl_context *context, const char *name, int64_t n)
{
	buffer_appendf(&context->counts, "%s %lld\n", name, (long long) n);
}

void
pawl_context_delay(pawl_context *context, int64_t delay_ms)
{
	context->delay_ms = delay_ms;
	buffer_appendf(&context->told, "%zu delay %lld\n", context->selected,
	               (long long) delay_ms);
}

void
pawl_context_log(pawl_context *context, pawl_level level, const char *message,
                 size_t length, const char *context_json)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	buffer_appendf(&context->log, "%s ", names[level]);
	buffer_append_bytes(&context->log, message, length);
	buffer_append(&context->log, "\n");
	context->lines++;
	if (length > context->longest)
		context->longest = length;
	if (context_json != NULL)
		buffer_appendf(&context->contexts, "%s\n", context_json);
	if (context->on_log != NULL)
		context->on_log(context, message);
}

#endif
