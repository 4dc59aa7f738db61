/*
 * handler_sql.c - a handler in a shared object that writes on its group's own connection
 *
 * For test_group_kill.py and test_group_stop.py.  The job's args are one SQL statement, a
 * JSON string; it is run on the group's connection with the parameters
 *
 * $1 job	$2 fence	$3 attempt	$4 group
 *
 * and the job is complete when it went well, in the same transaction.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>

#include "pawl.h"

#define UNQUOTE "SELECT $1::jsonb #>> '{}'"

pawl_verdict pawl_handle(pawl_context *context, const pawl_job *job, void *closure);

static PGresult *
run_statement(PGconn *group, const pawl_job *job, const char *sql)
{
	char id[32], fence[32], attempt[32];
	const char *const values[] = {id, fence, attempt, job->group_key};

	snprintf(id, sizeof(id), "%" PRId64, job->id);
	snprintf(fence, sizeof(fence), "%" PRId64, job->fence);
	snprintf(attempt, sizeof(attempt), "%d", job->attempt);
	return PQexecParams(group, sql, 4, NULL, values, NULL, NULL, 0);
}

pawl_verdict
pawl_handle(pawl_context *context, const pawl_job *job, void *closure)
{
	PGconn *group = pawl_context_connection(context);
	pawl_verdict verdict = PAWL_FAIL;
	PGresult *text, *result = NULL;

	(void) closure;
	if (group == NULL)
	{
		pawl_context_error(context, "no connection of the group's own");
		return PAWL_FAIL;
	}
	text = PQexecParams(group, UNQUOTE, 1, NULL, &job->args, NULL, NULL, 0);
	if (PQresultStatus(text) == PGRES_TUPLES_OK)
		result = run_statement(group, job, PQgetvalue(text, 0, 0));
	if (PQresultStatus(result) == PGRES_COMMAND_OK ||
	    PQresultStatus(result) == PGRES_TUPLES_OK)
		verdict = PAWL_COMPLETE;
	else
		pawl_context_error(context, "%s", PQerrorMessage(group));
	PQclear(text);
	PQclear(result);
	return verdict;
}
