/*
 * load.c - the handler of sink one: a batch into the table, exactly once
 *
 * Loaded into a worker: pawl work -L load=./load.so.  The job is one of a group, so it
 * has the group's own connection.  What is written there - the rows, the note that the
 * batch is loaded, the job of sink two - and the end of this job are one transaction: a
 * worker that is killed has done all of it or nothing, and one that has lost its group
 * meanwhile has done nothing.
 *
 * Sink two's job is of a group of its own: it is ordered among its like, whatever sink
 * one does meanwhile, and exists as soon as sink one has the batch, and not before.
 */
#include <libpq-fe.h>
#include <pawl.h>
#include <stddef.h>

/* The pause stands for what a warehouse does with the rows. */
static const char LOAD[] =
	"WITH batch (args) AS (SELECT $1::jsonb),"
	" rows AS (INSERT INTO package SELECT r.* FROM batch,"
	"  jsonb_populate_recordset(NULL::package, args->'packages') r RETURNING 1),"
	" note AS (INSERT INTO loaded (section, batch)"
	"  SELECT args->>'section', (args->>'batch')::int FROM batch)"
	"SELECT json_build_object('rows', (SELECT count(*) FROM rows)),"
	" pawl.push('replicate', args, group_key => 'files/' || (args->>'section')),"
	" pg_sleep(0.1) FROM batch";

pawl_verdict pawl_handle(pawl_context *context, const pawl_job *job, void *closure);

pawl_verdict
pawl_handle(pawl_context *context, const pawl_job *job, void *closure)
{
	PGconn *group = pawl_context_connection(context);
	pawl_verdict verdict = PAWL_COMPLETE;
	PGresult *result;

	(void) closure;
	if (group == NULL)
	{
		pawl_context_error(context, "the job has no group, or its connection is lost");
		return PAWL_FAIL;
	}
	result = PQexecParams(group, LOAD, 1, NULL, &job->args, NULL, NULL, 0);
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		pawl_context_result(context, PQgetvalue(result, 0, 0));
	else
	{
		pawl_context_error(context, "%s", PQerrorMessage(group));
		verdict = PAWL_FAIL;
	}
	PQclear(result);
	return verdict;
}
