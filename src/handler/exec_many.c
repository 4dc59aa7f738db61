/*
 * exec_many.c - a program for several jobs of a group at once
 *
 * Called on the thread of a group's runner; a job without a group comes alone, on an
 * executor's.  What exec.c does for one job is done for all; each has its own end, by what
 * was said of it, or else by the program's (exec.h).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/text.h"
#include "handler/exec_attempt.h"

/* ------------------------------------------------------------ payload ------------ */

static void
add_text(buffer *out, const char *name, const char *text)
{
	if (text == NULL)
		return;
	buffer_appendf(out, ",\"%s\":", name);
	text_quote_json(out, text, strlen(text));
}

static void
add_number(buffer *out, const char *name, int64_t n)
{
	if (n != 0)
		buffer_appendf(out, ",\"%s\":%" PRId64, name, n);
}

static void
add_job(buffer *out, const pawl_job *job)
{
	buffer_appendf(out, "{\"job\":%" PRId64 ",\"fence\":%" PRId64 ",\"attempt\":%d",
	               job->id, job->fence, job->attempt);
	add_text(out, "queue", job->queue);
	add_number(out, "batch", job->batch);
	add_text(out, "stage", job->stage);
	add_text(out, "group", job->group_key);
	add_number(out, "run", job->run_key);
	if (job->meta != NULL)
		buffer_appendf(out, ",\"meta\":%s", job->meta);
	buffer_append(out, ",\"args\":");
	buffer_append(out, job->args);
	buffer_append(out, "}\n");
}

/* The first that is over ends the attempt of all; 0: none has one. */
static int64_t
shortest_timeout(const pawl_job *const *jobs, size_t n)
{
	int64_t shortest_ms = 0;

	for (size_t i = 0; i < n; i++)
	{
		int64_t timeout_ms = jobs[i]->timeout_ms;

		if (timeout_ms > 0 && (shortest_ms == 0 || timeout_ms < shortest_ms))
			shortest_ms = timeout_ms;
	}
	return shortest_ms;
}

/* ------------------------------------------------------------ verdicts ----------- */

/* What the program's end means for the first of which it has said nothing. */
static pawl_verdict
judge_rest(run *r, const siginfo_t *end)
{
	pawl_verdict verdict = exec_judge(r, end);

	if (verdict != PAWL_COMPLETE || r->messages.cut == 0)
		return verdict;
	pawl_context_error(r->context,
	                   "a message of %zu bytes exceeds the limit of %d bytes",
	                   r->messages.cut, LIMIT_MESSAGE);
	return PAWL_FAIL;
}

/* end is NULL: it was not started, and the first job has been told why. */
static void
judge_all(run *r, const siginfo_t *end, pawl_verdict *verdicts)
{
	const messages_said *said = r->messages.said;
	pawl_verdict rest = PAWL_RELEASE;
	bool judged = false;

	for (size_t i = 0; i < r->n; i++)
	{
		pawl_context_select(r->context, i);
		if (said[i].verdict_set)
			verdicts[i] = said[i].verdict;
		else if (judged)
			verdicts[i] = rest;
		else
		{
			verdicts[i] = end != NULL ? judge_rest(r, end) : PAWL_FAIL;
			judged = true;
			if (verdicts[i] == PAWL_COMPLETE || verdicts[i] == PAWL_SNOOZE)
				rest = verdicts[i];
		}
	}
}

/* ------------------------------------------------------------ run ---------------- */

static void
run_all(run *r, const pawl_job *const *jobs, pawl_verdict *verdicts)
{
	auto_buffer payload = BUFFER_INIT;
	siginfo_t end;

	for (size_t i = 0; i < r->n; i++)
		add_job(&payload, jobs[i]);
	if (!buffer_ok(&payload))
	{
		pawl_context_error(r->context, "out of memory");
		judge_all(r, NULL, verdicts);
		return;
	}
	r->payload = payload.data;
	r->payload_length = payload.length;
	judge_all(r, exec_execute(r, &end) ? &end : NULL, verdicts);
}

void
exec_run_many(pawl_context *context, const pawl_job *const *jobs, size_t n,
              pawl_verdict *verdicts, void *closure)
{
	auto_free messages_said *said = calloc(n, sizeof(*said));
	run r;

	for (size_t i = 0; i < n; i++)
		verdicts[i] = PAWL_RELEASE;
	if (said == NULL || pawl_context_interrupted(context) != PAWL_RUNNING_ON)
		return;
	exec_begin(&r, context, jobs[0], closure);
	r.n = n;
	r.timeout_ms = shortest_timeout(jobs, n);
	r.messages.jobs = jobs;
	r.messages.n = n;
	r.messages.said = said;
	run_all(&r, jobs, verdicts);
	exec_end(&r);
}
