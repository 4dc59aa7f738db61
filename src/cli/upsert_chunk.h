/*
 * upsert_chunk.h - rows of a file on their way to one transaction
 */
#ifndef PAWL_CLI_UPSERT_CHUNK_H
#define PAWL_CLI_UPSERT_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "cli/csv.h"

typedef struct upsert_chunk
{
	size_t columns;
	buffer text;     /* of the cells, each with its NUL */
	size_t *offsets; /* of each cell; row after row */
	int64_t *lines;  /* of each row */
	size_t rows;
	size_t capacity; /* rows */
} upsert_chunk;

/* Empty it first (= {.columns = n}). */
void upsert_chunk_free(upsert_chunk *chunk);
void upsert_chunk_clear(upsert_chunk *chunk);

/* Append a row; cell i of it is field places[i] of the file's. */
PAWL_CHECK pawl_status upsert_chunk_add(upsert_chunk *chunk, const csv_row *row,
                                        const size_t *places, pawl_error *error);

/* Its cells, to be freed; NULL when memory has run out. */
const char **upsert_chunk_cells(const upsert_chunk *chunk);

#endif
