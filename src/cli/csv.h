/*
 * csv.h - rows of a CSV file, in constant memory
 *
 * As PostgreSQL's COPY ... CSV has it: fields are separated by commas; quotes around a
 * field, doubled inside; lines end in LF, CRLF or CR; a field that is empty and not
 * quoted is NULL.  Blanks belong to the field.  A blank line is left out, and so is a
 * byte order mark before the first.  Text is UTF-8.
 */
#ifndef PAWL_CLI_CSV_H
#define PAWL_CLI_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pawl.h"

typedef struct csv_reader csv_reader;

/* A row; its texts are valid until the next call. */
typedef struct csv_row
{
	const char **fields; /* NULL: SQL's NULL */
	size_t count;
	size_t bytes; /* of its texts, each with its NUL */
	int64_t line; /* that it begins on, from 1 */
} csv_row;

/* Reads from a descriptor, which stays the caller's.  NULL: no memory. */
csv_reader *csv_new(int fd);
void csv_reader_free(csv_reader *reader);

/*
 * The next row.  *ret_end: there is none.  ERR_ARGUMENT for what is not CSV, or longer
 * than LIMIT_CSV_ROW; row->line is then the line where it was seen.  ERR_SYSTEM when it
 * cannot be read.
 */
PAWL_CHECK pawl_status csv_next(csv_reader *reader, csv_row *ret_row, bool *ret_end,
                                pawl_error *error);

/* How many bytes were read so far. */
int64_t csv_bytes(const csv_reader *reader);

/* The fields of one line of text, for lists on the command line. */
PAWL_CHECK pawl_status csv_split(const char *text, char ***ret_words, size_t *ret_count,
                                 pawl_error *error);
void csv_words_free(char **words);

#endif
