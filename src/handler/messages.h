/*
 * messages.h - what an exec handler's program says on descriptor 3
 *
 * One JSON object a line; a line may hold several members, unknown ones are ignored:
 *
 *	{"result": any JSON}				the result if the job completes; the last counts
 *	{"retry_after_s": 30}				wait so long before the next attempt
 *	{"log": {"level": "warn", "message": "...", "context": {...}}}
 *										a log line; level debug, info, warn or error,
 *										info unless told; context may be left out
 *	{"progress": {"done": 3, "total": 9}}
 *										logged at level debug, the member as context
 *	{"count": {"detections": 17}}		likewise; and added to the counters of the job's
 *										stage if the job completes: whole numbers
 *
 * Of several jobs:
 *
 *	{"job": 7, ...}						of which the line speaks; else of the first
 *	{"job": 7, "error": "..."}			it has failed; with "final": true for good
 *
 * A line that is no JSON object becomes a log line of level warn; if it begins as a
 * result does, it is also the result, as a JSON string with what is not UTF-8 escaped (of
 * several jobs it is not: nobody knows whose).
 */
#ifndef PAWL_HANDLER_MESSAGES_H
#define PAWL_HANDLER_MESSAGES_H

#include "base/buffer.h"
#include "pawl.h"

/* What is kept of a line: a result, and room for other members beside it. */
#define LIMIT_MESSAGE (LIMIT_JSON + 64 * 1024)

/* Longest retry_after_s: a year; what is meant to wait longer is not a retry. */
#define LIMIT_RETRY_S (366 * 24 * 3600)

/* Largest count: the whole numbers up to it are exact in a double. */
#define LIMIT_COUNT 9007199254740992.0

/* What was said of one of several jobs; the rest is told the context at once. */
typedef struct messages_said
{
	bool verdict_set;
	pawl_verdict verdict;
} messages_said;

typedef struct messages
{
	pawl_context *context;

	/* Several jobs: n of both; else NULL. */
	const pawl_job *const *jobs;
	messages_said *said;
	size_t n;
	size_t cut; /* bytes of a line that was too long for its job to be known, or 0 */

	buffer result;
	bool has_result;
	size_t oversize;  /* bytes of the last result when it is over LIMIT_JSON, or 0 */
	int64_t delay_ms; /* -1: not said */
} messages;

/* A lines_callback; closure is a struct messages. */
void messages_line(const char *line, size_t kept, size_t length, void *closure);

void messages_free(messages *m);

#endif
