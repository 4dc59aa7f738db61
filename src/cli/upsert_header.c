/*
 * upsert_header.c - see upsert_header.h; main thread alone
 */
#include "cli/upsert_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define NOT_THERE SIZE_MAX

/* The place of a name among n, or NOT_THERE. */
static size_t
find_name(char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
	{
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return NOT_THERE;
}

static pawl_status
read_list(const char *option, const char *text, char ***ret_words, size_t *ret_count,
          pawl_error *error)
{
	pawl_status status = csv_split(text, ret_words, ret_count, error);

	if (status != PAWL_OK)
		return status;
	for (size_t i = 0; i < *ret_count; i++)
	{
		if ((*ret_words)[i][0] == '\0')
			return error_set(error, PAWL_ERR_ARGUMENT, "%s: a name is empty", option);
	}
	if (*ret_count == 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s: a name is empty", option);
	return PAWL_OK;
}

pawl_status
upsert_header_begin(upsert_header *header, const char *key, const char *update,
                    pawl_error *error)
{
	size_t n_update = 0;
	pawl_status status = read_list("--key", key, &header->keys, &header->n_keys, error);

	if (status == PAWL_OK && update != NULL)
		status = read_list("--update", update, &header->update, &n_update, error);
	return status;
}

/* The names of the row, each there and each once. */
static pawl_status
copy_names(upsert_header *header, const csv_row *row, pawl_error *error)
{
	header->names = calloc(row->count + 1, sizeof(*header->names));
	if (header->names == NULL)
		return error_memory(error);
	for (size_t i = 0; i < row->count; i++)
	{
		const char *name = row->fields[i];

		if (name == NULL || name[0] == '\0')
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "the header has no name for column %zu", i + 1);
		if (find_name(header->names, i, name) != NOT_THERE)
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "the header names column \"%s\" twice", name);
		header->names[i] = strdup(name);
		if (header->names[i] == NULL)
			return error_memory(error);
	}
	header->n_columns = row->count;
	return PAWL_OK;
}

/* Each name of a list is one of the header's. */
static pawl_status
check_list(const upsert_header *header, char *const *list, pawl_error *error)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
	{
		if (find_name(header->names, header->n_columns, list[i]) == NOT_THERE)
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "the header does not name column \"%s\"", list[i]);
	}
	return PAWL_OK;
}

pawl_status
upsert_header_read(upsert_header *header, const csv_row *row, pawl_error *error)
{
	pawl_status status = copy_names(header, row, error);
	size_t n = 0;
	size_t values = 0;

	if (status == PAWL_OK)
		status = check_list(header, header->keys, error);
	if (status == PAWL_OK)
		status = check_list(header, header->update, error);
	if (status != PAWL_OK)
		return status;
	header->values = calloc(row->count + 1, sizeof(*header->values));
	header->places = calloc(row->count + header->n_keys, sizeof(*header->places));
	if (header->values == NULL || header->places == NULL)
		return error_memory(error);
	for (size_t i = 0; i < header->n_keys; i++)
		header->places[n++] = find_name(header->names, row->count, header->keys[i]);
	for (size_t i = 0; i < row->count; i++)
	{
		if (find_name(header->keys, header->n_keys, header->names[i]) != NOT_THERE)
			continue;
		header->values[values++] = header->names[i];
		header->places[n++] = i;
	}
	return PAWL_OK;
}

void
upsert_header_free(upsert_header *header)
{
	csv_words_free(header->keys);
	csv_words_free(header->update);
	csv_words_free(header->names);
	free(header->values);
	free(header->places);
}
