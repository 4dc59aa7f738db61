/*
 * log_queue.h - log lines on their way from handlers to the log writer
 *
 * Adding never waits for anything but the queue's own mutex, which is held for a few
 * instructions.  When the queue is full the line is not taken, and counted.
 */
#ifndef PAWL_WORKER_LOG_QUEUE_H
#define PAWL_WORKER_LOG_QUEUE_H

#include <pthread.h>

#include "queue/log.h"

/*
 * What a stall of the database may pile up: 100,000 lines of 100 bytes with what the
 * queue adds to each, a second of a very talkative worker; and what a kill -9 may lose
 * at most.
 */
#define LOG_QUEUE_LINES 100000
#define LOG_QUEUE_BYTES (24 * 1024 * 1024)

#define LOG_FLUSH_MS 100 /* a line waits at most so long */

typedef struct log_entry
{
	struct log_entry *next;
	log_line line; /* message and context lie behind the struct */
	size_t bytes;
	char texts[];
} log_entry;

typedef struct log_list
{
	log_entry *first;
	log_entry *last;
	size_t n;
} log_list;

typedef struct log_queue
{
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	log_list lines;
	size_t bytes;     /* also of those that the writer has taken and not stored */
	size_t taken;     /* how many those are */
	int64_t first_ms; /* when the oldest line came; CLOCK_NEVER: no line */
	bool urgent;
	bool ended;
	uint64_t dropped;
} log_queue;

void log_queue_init(log_queue *q);
void log_queue_destroy(log_queue *q);

/* Any thread: any bytes; context is JSON text or NULL. */
void log_queue_add(log_queue *q, int64_t job, int64_t fence, pawl_level level,
                   const char *message, size_t length, const char *context);

/* Any thread: store what is there at once; the end of the run. */
void log_queue_hurry(log_queue *q);
void log_queue_end(log_queue *q);

/*
 * Writer: wait until lines are due and take at most LOG_BATCH of them, of LOG_BATCH_BYTES
 * and a line.  False: the end, and nothing is left.
 */
bool log_queue_take(log_queue *q, log_list *ret_lines);

/* Writer: these are stored or given up; frees them. */
void log_queue_forget(log_queue *q, log_list *lines);

/* Writer: count lines as dropped; how many have been dropped so far. */
void log_queue_drop(log_queue *q, uint64_t n);
uint64_t log_queue_dropped(log_queue *q);
bool log_queue_is_ended(log_queue *q);

#endif
