/*
 * upsert.h - rows for a user's own table, in the one order that does not deadlock
 *
 * The order is decided in one place, by the server, in the statement itself: the rows
 * go as an array for each column, and INSERT takes them from a SELECT DISTINCT ON the
 * keys, ORDER BY the keys (upsert_statement.c).  So it is that of any program that sorts
 * in SQL, whatever its locale, and the caller's order does not matter.
 *
 * A transaction is one statement with its COMMIT: nothing of the caller's runs inside,
 * nothing is held between two.  So several upserts of one program cannot make a cycle
 * with those of another either, as statements in one long transaction could, sorted
 * though each of them is.
 *
 * What fails for one row, or waits for one, is looked for by upsert_probe.c.
 */
#ifndef PAWL_QUEUE_UPSERT_H
#define PAWL_QUEUE_UPSERT_H

#include <stddef.h>
#include <stdint.h>

#include "db/db.h"

typedef struct upsert upsert;

/* No one row is known to be the cause. */
#define UPSERT_NO_ROW SIZE_MAX

/* Defaults of pawl_upsert_spec. */
#define UPSERT_LOCK_TIMEOUT_MS 5000
#define UPSERT_TIMEOUT_MS 30000
#define UPSERT_CHUNK_ROWS 10000

/*
 * Check a specification, look up table and columns, compose the statements.  spec and
 * what it points to must outlive the upsert.  ERR_ARGUMENT, ERR_NOT_FOUND.
 */
PAWL_CHECK pawl_status upsert_new(db *conn, const pawl_upsert_spec *spec,
                                  upsert **ret_upsert, pawl_error *error);
void upsert_free(upsert *u);
void upsert_cleanup(upsert **u);
#define auto_upsert __attribute__((cleanup(upsert_cleanup))) upsert

/*
 * Upsert n rows (n > 0) in one transaction.  On success *ret_created of them are new;
 * on failure nothing was done, and *ret_row is the row that is the cause, from 0, or
 * UPSERT_NO_ROW.
 */
PAWL_CHECK pawl_status upsert_send(upsert *u, const char *const *cells, size_t n,
                                   int64_t *ret_created, size_t *ret_row,
                                   pawl_error *error);

/* The whole of pawl_upsert. */
PAWL_CHECK pawl_status upsert_all(db *conn, const pawl_upsert_spec *spec,
                                  const char *const *cells, size_t n,
                                  pawl_upsert_result *ret_result, pawl_error *error);

#endif
