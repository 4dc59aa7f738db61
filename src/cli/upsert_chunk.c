/*
 * upsert_chunk.c - see upsert_chunk.h; main thread alone
 */
#include "cli/upsert_chunk.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define FIRST_ROWS 1024
#define NO_TEXT SIZE_MAX /* the offset of a cell that is NULL */

void
upsert_chunk_free(upsert_chunk *chunk)
{
	buffer_free(&chunk->text);
	free(chunk->offsets);
	free(chunk->lines);
}

void
upsert_chunk_clear(upsert_chunk *chunk)
{
	buffer_clear(&chunk->text);
	chunk->rows = 0;
}

static bool
make_room(upsert_chunk *chunk)
{
	size_t capacity = chunk->capacity > 0 ? chunk->capacity * 2 : FIRST_ROWS;
	size_t *offsets;
	int64_t *lines;

	if (chunk->rows < chunk->capacity)
		return true;
	offsets = realloc(chunk->offsets, capacity * chunk->columns * sizeof(*offsets));
	if (offsets == NULL)
		return false;
	chunk->offsets = offsets;
	lines = realloc(chunk->lines, capacity * sizeof(*lines));
	if (lines == NULL)
		return false;
	chunk->lines = lines;
	chunk->capacity = capacity;
	return true;
}

pawl_status
upsert_chunk_add(upsert_chunk *chunk, const csv_row *row, const size_t *places,
                 pawl_error *error)
{
	size_t *offsets;

	if (!make_room(chunk))
		return error_memory(error);
	offsets = chunk->offsets + chunk->rows * chunk->columns;
	for (size_t i = 0; i < chunk->columns; i++)
	{
		const char *field = row->fields[places[i]];

		offsets[i] = field != NULL ? chunk->text.length : NO_TEXT;
		if (field != NULL)
			buffer_append_bytes(&chunk->text, field, strlen(field) + 1);
	}
	chunk->lines[chunk->rows++] = row->line;
	return buffer_ok(&chunk->text) ? PAWL_OK : error_memory(error);
}

const char **
upsert_chunk_cells(const upsert_chunk *chunk)
{
	size_t n = chunk->rows * chunk->columns;
	const char **cells = malloc((n + 1) * sizeof(*cells));

	for (size_t i = 0; cells != NULL && i < n; i++)
		cells[i] =
			chunk->offsets[i] != NO_TEXT ? chunk->text.data + chunk->offsets[i] : NULL;
	return cells;
}
