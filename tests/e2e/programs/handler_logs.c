/*
 * handler_logs.c - a handler in a shared object that logs, for test_logs.py
 *
 * What it does is its args, a JSON string:
 *
 * "rollback"	logs on a connection of its own inside a transaction, and by the worker,
 *				and rolls back
 * "hostile"	logs what no server would take as it is
 * anything else: three lines
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pawl.h"

#define LARGE (10 * 1000 * 1000)

pawl_verdict pawl_handle(pawl_context *context, const pawl_job *job, void *closure);

static void
say(pawl_context *context, pawl_level level, const char *message)
{
	pawl_context_log(context, level, message, strlen(message), NULL);
}

static pawl_verdict
roll_back(pawl_context *context, const pawl_job *job)
{
	PGconn *connection = PQconnectdb("");
	char sql[200];
	bool done = true;
	const char *const statements[] = {"BEGIN", sql, "ROLLBACK"};

	snprintf(sql, sizeof(sql), "SELECT pawl.log(%lld, %lld, 'within the transaction')",
	         (long long) job->id, (long long) job->fence);
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
	{
		PGresult *result = PQexec(connection, statements[i]);

		done = done && PQresultStatus(result) <= PGRES_TUPLES_OK;
		PQclear(result);
		if (i == 1)
			say(context, PAWL_INFO, "by the worker");
	}
	PQfinish(connection);
	return done ? PAWL_COMPLETE : PAWL_FAIL_FINAL;
}

static void
say_hostile(pawl_context *context)
{
	static const char bytes[] = "nul \0 esc \033[31m bad \xff\xfe end";
	char *large = malloc(LARGE);

	if (large == NULL)
		abort();
	memset(large, 'x', LARGE);
	pawl_context_log(context, PAWL_INFO, bytes, sizeof(bytes) - 1, NULL);
	pawl_context_log(context, PAWL_INFO, large, LARGE, NULL);
	large[LARGE - 1] = '\0';
	pawl_context_log(context, PAWL_INFO, "large context", 13, large);
	pawl_context_log(context, PAWL_INFO, "nul context", 11, "{\"a\": \"\\u0000\"}");
	pawl_context_log(context, PAWL_INFO, "broken context", 14, "{\"a\": ");
	pawl_context_log(context, PAWL_INFO, "bytes context", 13, "{\"a\": \"\xff\"}");
	pawl_context_log(context, (pawl_level) 17, "no level", 8, NULL);
	pawl_context_log(context, PAWL_INFO, "", 0, "[1]");
	free(large);
}

pawl_verdict
pawl_handle(pawl_context *context, const pawl_job *job, void *closure)
{
	(void) closure;
	if (strcmp(job->args, "\"rollback\"") == 0)
		return roll_back(context, job);
	if (strcmp(job->args, "\"hostile\"") == 0)
		say_hostile(context);
	else
		for (int i = 0; i < 3; i++)
			say(context, PAWL_INFO, "a line");
	return PAWL_COMPLETE;
}
