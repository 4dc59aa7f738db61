/*
 * upsert_target.h - the table of an upsert and its columns, as the catalog has them
 */
#ifndef PAWL_QUEUE_UPSERT_TARGET_H
#define PAWL_QUEUE_UPSERT_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "db/db.h"

/* Fragments of SQL, quoted where they need it. */
typedef struct upsert_column
{
	char *name;
	char *type;    /* what its text is cast to */
	char *collate; /* " COLLATE ..." of its order, or "" */
	bool updated;  /* overwritten where the key exists */
} upsert_column;

typedef struct upsert_target
{
	char *relation;
	upsert_column *columns; /* keys first */
	size_t keys;
	size_t count; /* of columns, keys included */
	bool updates; /* at least one column is updated */
} upsert_target;

/* Empty it first (= {0}); freed by the caller, on failure too. */
PAWL_CHECK pawl_status upsert_target_find(db *conn, const pawl_upsert_spec *spec,
                                          upsert_target *ret_target, pawl_error *error);
void upsert_target_free(upsert_target *target);

#endif
