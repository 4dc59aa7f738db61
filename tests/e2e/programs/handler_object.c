/*
 * handler_object.c - a handler in a shared object, for test_embed.py
 */
#include <string.h>

#include "pawl.h"

pawl_verdict pawl_handle(pawl_context *context, const pawl_job *job, void *closure);

/* Answers its args; logs a line; fails when it is told to. */
pawl_verdict
pawl_handle(pawl_context *context, const pawl_job *job, void *closure)
{
	static const char line[] = "from the object";

	(void) closure;
	pawl_context_log(context, PAWL_WARN, line, sizeof(line) - 1, "{\"n\": 1}");
	if (strcmp(job->args, "\"fail\"") == 0)
	{
		pawl_context_error(context, "told to fail");
		return PAWL_FAIL_FINAL;
	}
	pawl_context_result(context, job->args);
	return PAWL_COMPLETE;
}
