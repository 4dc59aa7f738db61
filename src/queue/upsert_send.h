/*
 * upsert_send.h - inside of an upsert: what its transactions and its probes share
 */
#ifndef PAWL_QUEUE_UPSERT_SEND_H
#define PAWL_QUEUE_UPSERT_SEND_H

#include <stdbool.h>

#include "queue/upsert.h"
#include "queue/upsert_target.h"

struct upsert
{
	db *db;
	const pawl_upsert_spec *spec;
	upsert_target target;
	char *insert; /* the statement; see upsert_statement.h */
	int lock_timeout_ms;
	int timeout_ms;
};

/* The rows of one transaction, or some of them. */
typedef struct upsert_rows
{
	const char *const *cells;
	const size_t *order; /* the rows' places in cells, from 0; NULL: as they stand */
	size_t first;
	size_t count;
} upsert_rows;

/* The place in cells of row i, 0 <= i < rows->count. */
size_t upsert_row_place(const upsert_rows *rows, size_t i);

/* The rows as parameters of the statements; to be freed. */
db_params *upsert_params(const upsert *u, const upsert_rows *rows);

/* Is the error of what stands in a row, so that other rows may pass? */
bool upsert_is_rows_fault(const pawl_error *error);

#endif
