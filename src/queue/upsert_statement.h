/*
 * upsert_statement.h - the statements of an upsert, as text
 */
#ifndef PAWL_QUEUE_UPSERT_STATEMENT_H
#define PAWL_QUEUE_UPSERT_STATEMENT_H

#include "base/buffer.h"
#include "queue/upsert_target.h"

/*
 * Both take a text[] for each column, keys first.
 *
 * insert: upserts the rows; answers how many of them are new.
 * order: answers the places of the rows, from 1, in the order in which insert takes
 * them; of several rows with one key the one that counts.
 */
void upsert_statement_insert(buffer *out, const upsert_target *target);
void upsert_statement_order(buffer *out, const upsert_target *target);

#endif
