/*
 * upsert_header.h - which column of the file is which of the table
 */
#ifndef PAWL_CLI_UPSERT_HEADER_H
#define PAWL_CLI_UPSERT_HEADER_H

#include <stddef.h>

#include "cli/csv.h"

/* Lists of names end in NULL. */
typedef struct upsert_header
{
	char **keys;         /* of --key */
	char **update;       /* of --update; NULL: none */
	char **names;        /* of the file's header */
	const char **values; /* of names those that are no keys, in their order */
	size_t *places;      /* in the file: of the keys, then of the values */
	size_t n_keys;
	size_t n_columns; /* of the file */
} upsert_header;

/* Read the lists of the command line: update may be NULL.  ERR_ARGUMENT. */
PAWL_CHECK pawl_status upsert_header_begin(upsert_header *header, const char *key,
                                           const char *update, pawl_error *error);

/* Read the first row of the file. */
PAWL_CHECK pawl_status upsert_header_read(upsert_header *header, const csv_row *row,
                                          pawl_error *error);
void upsert_header_free(upsert_header *header);

#endif
