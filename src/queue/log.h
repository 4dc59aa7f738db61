/*
 * log.h - store log lines, many in one statement
 */
#ifndef PAWL_QUEUE_LOG_H
#define PAWL_QUEUE_LOG_H

#include "queue/call.h"

/* Of one statement: a commit is dear, and its arrays are in memory twice. */
#define LOG_BATCH 4000
#define LOG_BATCH_BYTES (1024 * 1024)

typedef struct log_line
{
	int64_t job;
	int64_t fence;
	int64_t at_us;
	pawl_level level;
	const char *message; /* valid UTF-8 */
	const char *context; /* JSON text or NULL */
} log_line;

/* n at most LOG_BATCH; all or none. */
PAWL_CHECK pawl_status log_many(const queue_call *call, const log_line *lines, size_t n,
                                pawl_error *error);

/* "debug", "info", "warn", "error" */
const char *log_level_name(pawl_level level);

#endif
