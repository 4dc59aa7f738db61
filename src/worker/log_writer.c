/*
 * log_writer.c - stores log lines, many in one statement
 *
 * The thread owns the connection "log" and the lines that it has taken from the queue.
 * What cannot be stored now is tried again while the queue fills up behind it; a batch
 * with a line that the server refuses is divided down to that line, which is stored
 * with a mark for its context, or dropped and counted.  Nothing of this reaches a handler.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "worker/outage.h"
#include "worker/wait.h"

/* Nobody waits for the log: it gives way soon. */
static const db_limits limits = {
	.lock_timeout_ms = 2000, .statement_timeout_ms = 10000, .idle_timeout_ms = 10000};

#define DROPPED_TELL_MS 10000

/* Instead of a context that is broken JSON, or JSON that no jsonb can be (\u0000). */
static const char REFUSED_CONTEXT[] = "{\"cut\": \"not jsonb\"}";

/* At the end: how long lines that cannot be stored are tried. */
#define LAST_TRIES_MS 3000

typedef struct log_writer
{
	pawl_worker *worker;
	log_queue *queue;
	db *db;
	outage outage;
	log_line *lines; /* LOG_BATCH; not touched before there are so many */
	uint64_t dropped_told;
	int64_t told_ms;
	int64_t end_ms; /* give up then; 0: the run goes on */
} log_writer;

static void
drop(log_writer *self, size_t n)
{
	log_queue_drop(self->queue, n);
}

/* last: whatever the interval. */
static void
tell_dropped(log_writer *self, bool last)
{
	uint64_t dropped = log_queue_dropped(self->queue);

	self->worker->counts.log_dropped = (int64_t) dropped;
	if (dropped == self->dropped_told ||
	    (clock_ms() < self->told_ms + DROPPED_TELL_MS && !last))
		return;
	worker_notice(self->worker, PAWL_WARN, "log: %" PRIu64 " lines dropped",
	              dropped - self->dropped_told);
	self->dropped_told = dropped;
	self->told_ms = clock_ms();
}

/* Wait before another try; false: no more tries. */
static bool
wait_for_retry(log_writer *self, int64_t pause_ms)
{
	int64_t until_ms = clock_ms() + pause_ms;
	bool ended;

	tell_dropped(self, false);
	pthread_mutex_lock(&self->queue->mutex);
	while (clock_ms() < until_ms && !self->queue->ended)
		wait_cond(&self->queue->cond, &self->queue->mutex, until_ms);
	ended = self->queue->ended;
	if (ended && self->end_ms == 0)
		self->end_ms = clock_ms() + LAST_TRIES_MS;
	while (clock_ms() < until_ms && clock_ms() < self->end_ms)
		wait_cond(&self->queue->cond, &self->queue->mutex, until_ms);
	pthread_mutex_unlock(&self->queue->mutex);
	return !ended || clock_ms() < self->end_ms;
}

/* Store n lines, trying again while it is not their fault. */
static pawl_status
store(log_writer *self, log_line *lines, size_t n, pawl_error *error)
{
	queue_call call = {.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};

	for (;;)
	{
		pawl_status status = log_many(&call, lines, n, error);

		if (status == PAWL_OK)
		{
			outage_over(&self->outage);
			self->worker->counts.log_lines += (int64_t) n;
			return status;
		}
		if (outage_is_data(error))
			return status;
		if (!wait_for_retry(self, outage_failed(&self->outage, status, error)))
			return status;
	}
}

/* Store them, divided as far as needed. */
static void
store_or_divide(log_writer *self, log_line *lines, size_t n)
{
	pawl_error error;
	pawl_status status = store(self, lines, n, &error);

	if (status == PAWL_OK)
		return;
	if (!outage_is_data(&error))
		drop(self, n); /* the end has come */
	else if (n > 1)
	{
		store_or_divide(self, lines, n / 2);
		store_or_divide(self, lines + n / 2, n - n / 2);
	}
	else if (lines[0].context != NULL && lines[0].context != REFUSED_CONTEXT)
	{
		lines[0].context = REFUSED_CONTEXT;
		store_or_divide(self, lines, 1);
	}
	else
	{
		(void) outage_failed(&self->outage, status, &error);
		drop(self, 1);
	}
}

/* At the end of the run a server that is silent is not waited for again and again. */
static bool
tries_are_over(const log_writer *self)
{
	return self->end_ms != 0 && clock_ms() >= self->end_ms;
}

void *
log_writer_main(void *arg)
{
	log_line lines[LOG_BATCH];
	log_writer self = {.worker = arg, .lines = lines};
	log_list taken = {0};

	self.queue = &self.worker->log;
	outage_init(&self.outage, self.worker, "log");
	self.db = worker_db(self.worker, "log");
	while (log_queue_take(self.queue, &taken))
	{
		size_t n = 0;

		for (const log_entry *entry = taken.first; entry != NULL; entry = entry->next)
			self.lines[n++] = entry->line;
		if (n > 0 && self.db != NULL && !tries_are_over(&self))
			store_or_divide(&self, self.lines, n);
		else
			drop(&self, n);
		log_queue_forget(self.queue, &taken);
		tell_dropped(&self, false);
	}
	tell_dropped(&self, true);
	db_free(self.db);
	return NULL;
}
