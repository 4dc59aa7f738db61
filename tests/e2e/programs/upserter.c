/*
 * upserter.c - pawl_upsert in a program: test_upsert.py
 *
 * Usage: upserter CONNINFO TABLE KEYS VALUES UPDATE FILE [NAME=NUMBER]...
 *
 * KEYS, VALUES and UPDATE are names with commas between, VALUES and UPDATE may be empty;
 * FILE has a row a line, cells with tabs between, \N for NULL.  Names are chunk, lock,
 * timeout, single and progress.  For each line on stdin all rows are upserted once, and
 * a line tells what came of it:
 *
 *	ok ROWS CREATED EXISTING
 *	error STATUS SQLSTATE MESSAGE|DETAIL|HINT
 *
 * Before it, with progress=1, one "so far ROWS CREATED EXISTING" for each commit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pawl.h"

#define COLUMNS_MAX 16
#define CELLS_MAX 4000000

static void
fail(const char *what)
{
	(void) fprintf(stderr, "upserter: %s\n", what);
	exit(2);
}

static size_t
split(char *text, char separator, const char **words, size_t most)
{
	size_t n = 0;

	while (text != NULL && *text != '\0')
	{
		char *end = strchr(text, separator);

		if (n == most)
			fail("too many words");
		words[n++] = text;
		if (end == NULL)
			break;
		*end = '\0';
		text = end + 1;
	}
	return n;
}

/* The cells of the file; they live as long as the program. */
static size_t
read_cells(const char *path, size_t columns, const char **cells)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	size_t n = 0;

	if (file == NULL)
		fail(path);
	while (getline(&line, &size, file) > 0)
	{
		char *kept;

		line[strcspn(line, "\n")] = '\0';
		kept = strdup(line);
		if (n + columns > CELLS_MAX || kept == NULL)
			fail("too many rows");
		for (size_t i = 0; i < columns; i++)
		{
			char *end = kept != NULL ? strchr(kept, '\t') : NULL;

			if (end != NULL)
				*end = '\0';
			if (kept == NULL)
				fail("a row is too short");
			cells[n++] = strcmp(kept, "\\N") == 0 ? NULL : kept;
			kept = end != NULL ? end + 1 : NULL;
		}
	}
	free(line);
	(void) fclose(file);
	return n / columns;
}

static void
show_progress(const pawl_upsert_result *so_far, void *closure)
{
	(void) closure;
	printf("so far %" PRId64 " %" PRId64 " %" PRId64 "\n", so_far->rows,
	       so_far->created, so_far->existing);
}

static void
set_option(pawl_upsert_spec *spec, const char *word)
{
	const char *value = strchr(word, '=');
	size_t length = value != NULL ? (size_t) (value - word) : 0;
	long number = value != NULL ? strtol(value + 1, NULL, 10) : 0;

	if (strncmp(word, "chunk", length) == 0)
		spec->chunk_rows = (int) number;
	else if (strncmp(word, "lock", length) == 0)
		spec->lock_timeout_ms = number;
	else if (strncmp(word, "timeout", length) == 0)
		spec->timeout_ms = number;
	else if (strncmp(word, "single", length) == 0)
		spec->single_transaction = number != 0;
	else if (strncmp(word, "progress", length) == 0)
		spec->progress = show_progress;
	else
		fail(word);
}

static void
upsert_once(pawl_client *client, const pawl_upsert_spec *spec, const char *const *cells,
            size_t n)
{
	pawl_upsert_result result = {-1, -1, -1};
	pawl_error error = {.status = PAWL_OK};
	pawl_status status = pawl_upsert(client, spec, cells, n, &result, &error);

	if (status == PAWL_OK && error.status != PAWL_OK)
		fail("a success has left the error of an earlier try");
	if (status == PAWL_OK)
		printf("ok %" PRId64 " %" PRId64 " %" PRId64 "\n", result.rows, result.created,
		       result.existing);
	else
		printf("error %s %s %s|%s|%s\n", pawl_status_name(status),
		       error.sqlstate[0] != '\0' ? error.sqlstate : "-", error.message,
		       error.detail, error.hint);
	if (status != PAWL_OK && result.rows != -1)
		fail("a failure has touched the result");
	(void) fflush(stdout);
}

int
main(int argc, char **argv)
{
	static const char *cells[CELLS_MAX];
	const char *keys[COLUMNS_MAX] = {NULL};
	const char *values[COLUMNS_MAX] = {NULL};
	const char *update[COLUMNS_MAX] = {NULL};
	pawl_upsert_spec spec = {.keys = keys, .values = values, .update = update};
	pawl_client *client = NULL;
	pawl_error error;
	char go[16];
	size_t columns;
	size_t n;

	if (argc < 7)
		return 2;
	spec.table = argv[2];
	columns = split(argv[3], ',', keys, COLUMNS_MAX - 1);
	columns += split(argv[4], ',', values, COLUMNS_MAX - 1);
	(void) split(argv[5], ',', update, COLUMNS_MAX - 1);
	n = read_cells(argv[6], columns, cells);
	for (int i = 7; i < argc; i++)
		set_option(&spec, argv[i]);
	if (pawl_client_open(argv[1], &client, &error) != PAWL_OK)
		fail(error.message);
	while (fgets(go, sizeof(go), stdin) != NULL)
		upsert_once(client, &spec, cells, n);
	pawl_client_close(client);
	return 0;
}
