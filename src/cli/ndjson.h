/*
 * ndjson.h - lines of a file, in constant memory, and what a line may say
 */
#ifndef PAWL_CLI_NDJSON_H
#define PAWL_CLI_NDJSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

/*
 * Longest line.  Args and meta have 1 MiB each as the server stores them; written with
 * escapes and spaces they may be longer.
 */
#define LIMIT_NDJSON_LINE (4 * 1024 * 1024)

typedef struct ndjson_reader ndjson_reader;

typedef enum ndjson_answer
{
	NDJSON_LINE,     /* a line that is not blank */
	NDJSON_TOO_LONG, /* it was skipped, without being kept */
	NDJSON_END,
	NDJSON_FAILED /* errno tells */
} ndjson_answer;

/* Reads from a descriptor, which stays the caller's.  NULL: no memory. */
ndjson_reader *ndjson_new(int fd);
void ndjson_free(ndjson_reader *reader);

/*
 * The next line: text without its end, valid until the next call, and its number,
 * from 1.  Blank lines are counted and left out.
 */
ndjson_answer ndjson_next(ndjson_reader *reader, const char **ret_text,
                          size_t *ret_length, int64_t *ret_line);

/* How many bytes were read so far. */
int64_t ndjson_bytes(const ndjson_reader *reader);

/*
 * Is the line a job?  Everything is checked that needs no server: UTF-8, JSON, an
 * object, members' names, types and bounds.  ERR_ARGUMENT without the line's number.
 */
PAWL_CHECK pawl_status ndjson_check(const char *text, size_t length, pawl_error *error);

#endif
