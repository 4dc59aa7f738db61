/*
 * log_queue.c - see log_queue.h
 */
#include "worker/log_queue.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "worker/wait.h"

void
log_queue_init(log_queue *q)
{
	memset(q, 0, sizeof(*q));
	pthread_mutex_init(&q->mutex, NULL);
	wait_cond_init(&q->cond);
	q->first_ms = CLOCK_NEVER;
}

static void
free_list(log_list *lines)
{
	while (lines->first != NULL)
	{
		log_entry *entry = lines->first;

		lines->first = entry->next;
		free(entry);
	}
	*lines = (log_list){0};
}

void
log_queue_destroy(log_queue *q)
{
	free_list(&q->lines);
	pthread_cond_destroy(&q->cond);
	pthread_mutex_destroy(&q->mutex);
}

static void
append(log_list *list, log_entry *entry)
{
	entry->next = NULL;
	if (list->last != NULL)
		list->last->next = entry;
	else
		list->first = entry;
	list->last = entry;
	list->n++;
}

/* ------------------------------------------------------------ lines -------------- */

/* A context that PostgreSQL would not take is told of, not passed on. */
static void
put_context(buffer *out, const char *context)
{
	size_t length = strlen(context);

	if (length > LIMIT_LOG_LINE)
		buffer_appendf(out, "{\"bytes_cut\": %zu}", length);
	else if (text_valid_utf8(context, length) != length)
		buffer_append(out, "{\"cut\": \"not UTF-8\"}");
	else
		buffer_append_bytes(out, context, length);
}

static log_entry *
new_entry(const char *message, size_t length, const char *context)
{
	auto_buffer text = BUFFER_INIT;
	size_t message_size;
	log_entry *entry;

	text_escape(&text, message, length, LIMIT_LOG_LINE);
	buffer_append_char(&text, '\0');
	message_size = text.length;
	if (context != NULL)
	{
		put_context(&text, context);
		buffer_append_char(&text, '\0');
	}
	if (!buffer_ok(&text))
		return NULL;
	entry = calloc(1, sizeof(*entry) + text.length);
	if (entry == NULL)
		return NULL;
	memcpy(entry->texts, text.data, text.length);
	entry->bytes = sizeof(*entry) + text.length;
	entry->line.message = entry->texts;
	entry->line.context = context != NULL ? entry->texts + message_size : NULL;
	return entry;
}

static bool
is_full(const log_queue *q, size_t bytes)
{
	return q->lines.n + q->taken >= LOG_QUEUE_LINES ||
	       q->bytes + bytes > LOG_QUEUE_BYTES;
}

void
log_queue_add(log_queue *q, int64_t job, int64_t fence, pawl_level level,
              const char *message, size_t length, const char *context)
{
	log_entry *entry = new_entry(message, length, context);
	bool refused;

	if (level < PAWL_DEBUG || level > PAWL_ERROR)
		level = PAWL_INFO;
	if (entry != NULL)
	{
		entry->line.job = job;
		entry->line.fence = fence;
		entry->line.at_us = clock_wall_us();
		entry->line.level = level;
	}

	pthread_mutex_lock(&q->mutex);
	refused = entry == NULL || is_full(q, entry->bytes);
	if (refused)
		q->dropped++;
	else
	{
		append(&q->lines, entry);
		q->bytes += entry->bytes;
		if (q->first_ms == CLOCK_NEVER)
			q->first_ms = clock_ms();
		if (q->lines.n == 1 || q->lines.n == LOG_BATCH)
			pthread_cond_signal(&q->cond);
	}
	pthread_mutex_unlock(&q->mutex);
	if (refused)
		free(entry);
}

void
log_queue_hurry(log_queue *q)
{
	auto_lock(&q->mutex);
	q->urgent = true;
	if (q->lines.n > 0)
		pthread_cond_signal(&q->cond);
}

void
log_queue_end(log_queue *q)
{
	auto_lock(&q->mutex);
	q->ended = true;
	pthread_cond_signal(&q->cond);
}

/* ------------------------------------------------------------ writer ------------- */

static bool
is_due(const log_queue *q)
{
	if (q->lines.n == 0)
		return q->ended;
	return q->ended || q->urgent || q->lines.n >= LOG_BATCH ||
	       clock_ms() >= q->first_ms + LOG_FLUSH_MS;
}

bool
log_queue_take(log_queue *q, log_list *ret_lines)
{
	size_t bytes = 0;

	auto_lock(&q->mutex);
	assert(ret_lines->n == 0);
	while (!is_due(q))
		wait_cond(&q->cond, &q->mutex,
		          q->lines.n > 0 ? q->first_ms + LOG_FLUSH_MS : CLOCK_NEVER);
	while (q->lines.first != NULL && ret_lines->n < LOG_BATCH &&
	       bytes < LOG_BATCH_BYTES)
	{
		log_entry *entry = q->lines.first;

		q->lines.first = entry->next;
		if (q->lines.first == NULL)
			q->lines.last = NULL;
		q->lines.n--;
		bytes += entry->bytes;
		append(ret_lines, entry);
	}
	q->taken += ret_lines->n;
	if (q->lines.n == 0)
	{
		q->first_ms = CLOCK_NEVER;
		q->urgent = false;
	}
	return ret_lines->n > 0 || !q->ended;
}

void
log_queue_forget(log_queue *q, log_list *lines)
{
	size_t bytes = 0;

	for (log_entry *entry = lines->first; entry != NULL; entry = entry->next)
		bytes += entry->bytes;
	pthread_mutex_lock(&q->mutex);
	assert(q->bytes >= bytes && q->taken >= lines->n);
	q->bytes -= bytes;
	q->taken -= lines->n;
	pthread_mutex_unlock(&q->mutex);
	free_list(lines);
}

void
log_queue_drop(log_queue *q, uint64_t n)
{
	auto_lock(&q->mutex);
	q->dropped += n;
}

uint64_t
log_queue_dropped(log_queue *q)
{
	auto_lock(&q->mutex);
	return q->dropped;
}

bool
log_queue_is_ended(log_queue *q)
{
	auto_lock(&q->mutex);
	return q->ended;
}
