/*
 * handler_many.c - takes up to four jobs at once, for test_group_handlers.py
 *
 * The args of each are a word, its verdict: ok, fail, final, snooze, release, or silent
 * (none is set).  own: all of the call write into effect on the group's connection.  The
 * result of each, and a line of its log, tell how many jobs the call had and which it was.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "pawl.h"

extern const size_t pawl_handle_jobs;
void pawl_handle_many(pawl_context *context, const pawl_job *const *jobs, size_t n,
                      pawl_verdict *verdicts, void *closure);

const size_t pawl_handle_jobs = 4;

static bool
says(const pawl_job *job, const char *word)
{
	return strstr(job->args, word) != NULL;
}

static void
write_all(PGconn *pg, const pawl_job *const *jobs, size_t n)
{
	char sql[200];

	for (size_t i = 0; i < n; i++)
	{
		snprintf(sql, sizeof(sql),
		         "INSERT INTO effect (job, fence, attempt) VALUES (%lld, %lld, %d)",
		         (long long) jobs[i]->id, (long long) jobs[i]->fence, jobs[i]->attempt);
		PQclear(PQexec(pg, sql));
	}
}

static void
answer(pawl_context *context, const pawl_job *job, size_t i, size_t n,
       pawl_verdict *ret_verdict)
{
	bool first = job->attempt == 1;
	char text[64];

	pawl_context_select(context, i);
	snprintf(text, sizeof(text), "%zu of %zu", i, n);
	pawl_context_log(context, PAWL_INFO, text, strlen(text), NULL);
	snprintf(text, sizeof(text), "[%zu, %zu]", i, n);
	pawl_context_result(context, text);
	pawl_context_count(context, "seen", (int64_t) i + 1);
	pawl_context_delay(context, 0);
	if (first && says(job, "silent"))
		return;
	*ret_verdict = PAWL_COMPLETE;
	if (says(job, "final"))
		*ret_verdict = PAWL_FAIL_FINAL;
	else if (first && says(job, "fail"))
		*ret_verdict = PAWL_FAIL;
	else if (first && says(job, "snooze"))
		*ret_verdict = PAWL_SNOOZE;
	else if (first && says(job, "release"))
		*ret_verdict = PAWL_RELEASE;
	if (*ret_verdict == PAWL_FAIL || *ret_verdict == PAWL_FAIL_FINAL)
		pawl_context_error(context, "told to fail, as %zu of %zu", i, n);
}

void
pawl_handle_many(pawl_context *context, const pawl_job *const *jobs, size_t n,
                 pawl_verdict *verdicts, void *closure)
{
	(void) closure;
	for (size_t i = 0; i < n; i++)
	{
		if (says(jobs[i], "own"))
		{
			write_all(pawl_context_connection(context), jobs, n);
			break;
		}
	}
	for (size_t i = 0; i < n; i++)
		answer(context, jobs[i], i, n, &verdicts[i]);
}
