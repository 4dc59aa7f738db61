/*
 * work.c - see work.h; runs on whichever thread owns the work
 */
#include "worker/work.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

const settle_verb work_settles[] = {
	[WORK_COMPLETE] = settle_complete_many,
	[WORK_FAIL] = settle_fail_many,
	[WORK_SNOOZE] = settle_snooze_many,
	[WORK_RELEASE] = settle_release_many,
};
static_assert(sizeof(work_settles) / sizeof(work_settles[0]) == WORK_VERBS,
              "a verb is missing");

/* Copy a text to *end and step over it. */
static const char *
put_text(char **end, const char *text)
{
	size_t size = strlen(text) + 1;
	char *start = *end;

	memcpy(start, text, size);
	*end += size;
	return start;
}

work *
work_new(const claim_job *claimed, unsigned epoch)
{
	/* without a description there are none of these */
	const char *kind = claimed->kind != NULL ? claimed->kind : "";
	const char *queue = claimed->queue != NULL ? claimed->queue : "";
	const char *args = claimed->args != NULL ? claimed->args : "{}";
	size_t size = strlen(kind) + strlen(queue) + strlen(args) + 3;
	char *end;
	work *w;

	if (claimed->meta != NULL)
		size += strlen(claimed->meta) + 1;
	if (claimed->stage != NULL)
		size += strlen(claimed->stage) + 1;
	if (claimed->group_key != NULL)
		size += strlen(claimed->group_key) + 1;
	w = calloc(1, sizeof(*w) + size);
	if (w == NULL)
		return NULL;
	end = w->texts;
	w->job = (pawl_job){
		.id = claimed->job,
		.fence = claimed->fence,
		.kind = put_text(&end, kind),
		.queue = put_text(&end, queue),
		.args = put_text(&end, args),
		.meta = claimed->meta != NULL ? put_text(&end, claimed->meta) : NULL,
		.attempt = claimed->attempt,
		.timeout_ms = claimed->timeout_ms,
		.batch = claimed->batch,
		.stage = claimed->stage != NULL ? put_text(&end, claimed->stage) : NULL,
		.group_key =
			claimed->group_key != NULL ? put_text(&end, claimed->group_key) : NULL,
		.run_key = claimed->run_key,
	};
	assert(end == w->texts + size);
	w->suspect = claimed->crashes > 0;
	w->epoch = epoch;
	w->interrupt_fd = -1;
	w->deadline_ms = CLOCK_NEVER;
	w->category = "error";
	w->delay_ms = -1;
	atomic_init(&w->interrupt, PAWL_RUNNING_ON);
	return w;
}

void
work_free(work *w)
{
	if (w == NULL)
		return;
	counters_free(&w->counters);
	free(w->result);
	free(w->counts);
	free(w->error);
	free(w);
}

void
work_conclude(work *w, work_verb verb)
{
	w->verb = verb;
	w->concluded = true;
}

void
work_fail(work *w, bool final, const char *format, ...)
{
	va_list args;

	free(w->error);
	va_start(args, format);
	if (vasprintf(&w->error, format, args) < 0)
		w->error = NULL;
	va_end(args);
	w->final = final;
	work_conclude(w, WORK_FAIL);
}

settle_row
work_row(const work *w)
{
	return (settle_row){
		.job = w->job.id,
		.fence = w->job.fence,
		.result = w->result,
		.counts = w->counts,
		.error = w->error,
		.category = w->category,
		.retry = !w->final,
		.delay_ms = w->delay_ms,
	};
}

void
work_list_add(work_list *list, work *w)
{
	w->next = NULL;
	if (list->last != NULL)
		list->last->next = w;
	else
		list->first = w;
	list->last = w;
	list->n++;
}

work *
work_list_take(work_list *list)
{
	work *w = list->first;

	if (w == NULL)
		return NULL;
	list->first = w->next;
	if (list->first == NULL)
		list->last = NULL;
	list->n--;
	w->next = NULL;
	return w;
}

void
work_list_move(work_list *from, work_list *to, size_t max)
{
	for (size_t i = 0; i < max && from->first != NULL; i++)
		work_list_add(to, work_list_take(from));
}

void
work_list_free(work_list *list)
{
	work *w;

	while ((w = work_list_take(list)) != NULL)
		work_free(w);
}
