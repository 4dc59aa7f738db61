/*
 * handler_own.c - writes on the connection of its group, for test_group_handlers.py
 *
 * Its args are a word.  On the first attempt it does what the word says, on later ones it
 * inserts a row into effect and answers PAWL_COMPLETE:
 *
 * begin write			kills its worker there
 * hold settle commit	tells the test's triggers to stop the settle there
 * naive				writes by another connection and kills its worker
 * fail					answers PAWL_FAIL after writing
 * the others			misuse the connection: see MISUSE
 */
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pawl.h"

pawl_verdict pawl_handle(pawl_context *context, const pawl_job *job, void *closure);

static const struct
{
	const char *word;
	const char *sql;
} MISUSE[] = {
	{"commits", "COMMIT"},
	{"rolls-back", "ROLLBACK"},
	{"begins", "COMMIT; BEGIN"},
	{"chains", "COMMIT AND CHAIN"},
	{"error", "SELECT 1 / 0"},
	{"copy", "COPY effect FROM STDIN"},
	{"session", "SET search_path = nowhere; SET ROLE nobody_in_particular;"
                " CREATE TEMP TABLE effect (job bigint); PREPARE mine AS SELECT 1;"
                " SELECT pg_advisory_lock(7)"},
	{"deallocates", "DEALLOCATE ALL"},
};

/* Where the test's triggers stop a settle. */
static const char *const STEPS[] = {"hold", "settle", "commit"};

static bool
run(PGconn *pg, const char *sql)
{
	PGresult *result = PQexec(pg, sql);
	ExecStatusType status = PQresultStatus(result);

	PQclear(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static bool
write_effect(PGconn *pg, const pawl_job *job)
{
	char sql[200];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO effect (job, fence, attempt) VALUES (%lld, %lld, %d)",
	         (long long) job->id, (long long) job->fence, job->attempt);
	return run(pg, sql);
}

static void
write_elsewhere(const pawl_job *job)
{
	PGconn *pg = PQconnectdb("");

	if (write_effect(pg, job))
		kill(getpid(), SIGKILL);
	PQfinish(pg);
}

/* A short result that PostgreSQL writes with more than a million digits. */
static void
answer_too_much(pawl_context *context)
{
	char result[200];

	snprintf(result, sizeof(result),
	         "[1e100000,1e100000,1e100000,1e100000,1e100000,1e100000,1e100000,"
	         "1e100000,1e100000,1e100000,1e100000]");
	pawl_context_result(context, result);
}

/* On its first attempt, after writing. */
static void
act(pawl_context *context, PGconn *pg, const pawl_job *job, const char *word)
{
	char sql[200];

	if (strcmp(word, "write") == 0)
		kill(getpid(), SIGKILL);
	for (size_t i = 0; i < sizeof(MISUSE) / sizeof(MISUSE[0]); i++)
	{
		if (strcmp(word, MISUSE[i].word) == 0)
			(void) run(pg, MISUSE[i].sql);
	}
	if (strcmp(word, "unfinished") == 0)
		(void) PQsendQuery(pg, "SELECT pg_sleep(60)");
	else if (strcmp(word, "pipeline") == 0)
		(void) (PQenterPipelineMode(pg) &&
		        PQsendQueryParams(pg, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0));
	else if (strcmp(word, "completes") == 0)
	{
		snprintf(sql, sizeof(sql), "SELECT pawl.complete(%lld, %lld)",
		         (long long) job->id, (long long) job->fence);
		(void) run(pg, sql);
	}
	else if (strcmp(word, "large") == 0)
		answer_too_much(context);
	else if (strcmp(word, "json") == 0)
		pawl_context_result(context, "{");
	for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++)
	{
		snprintf(sql, sizeof(sql),
		         "SELECT set_config('test.step', '%s', true),"
		         " set_config('test.queue', '%.50s', true)",
		         word, job->queue);
		if (strcmp(word, STEPS[i]) == 0)
			(void) run(pg, sql);
	}
}

pawl_verdict
pawl_handle(pawl_context *context, const pawl_job *job, void *closure)
{
	bool first = job->attempt == 1;
	char word[32] = "";
	PGconn *pg;

	(void) closure;
	pawl_context_delay(context, 0);
	(void) sscanf(job->args, "\"%31[^\"]", word);
	if (first && strcmp(word, "naive") == 0)
		write_elsewhere(job);
	pg = pawl_context_connection(context);
	if (pg == NULL || pg != pawl_context_connection(context))
	{
		pawl_context_error(context, "no connection");
		return PAWL_FAIL;
	}
	if (first && strcmp(word, "begin") == 0)
		kill(getpid(), SIGKILL);
	if (!write_effect(pg, job))
	{
		pawl_context_error(context, "could not write: %s", PQerrorMessage(pg));
		return PAWL_FAIL;
	}
	if (first)
		act(context, pg, job, word);
	if (first && strcmp(word, "fail") == 0)
		return PAWL_FAIL;
	return PAWL_COMPLETE;
}
