/*
 * upsert_statement.c - the statements of an upsert, as text
 *
 * For a table t (aa, nt, note), keys aa and nt, note updated:
 *
 *	WITH made AS (INSERT INTO public.t AS t (aa, nt, note)
 *		SELECT DISTINCT ON (c1 COLLATE "C", c2 COLLATE "C") c1, c2, c3
 *		FROM (SELECT CAST(u.c1 AS text) AS c1, ..., u.n
 *			FROM (SELECT unnest($1::text[]) AS c1, ...,
 *				generate_subscripts($1::text[], 1) AS n) u) r
 *		ORDER BY c1 COLLATE "C", c2 COLLATE "C", n DESC
 *		ON CONFLICT (aa, nt) DO UPDATE SET note = EXCLUDED.note
 *			WHERE set_config('pawl.upsert', ROW(t.aa, t.nt)::text, true) IS NOT NULL
 *		RETURNING current_setting('pawl.upsert', true)
 *			IS DISTINCT FROM ROW(t.aa, t.nt)::text AS created)
 *	SELECT count(*) FILTER (WHERE created) FROM made
 *
 * DISTINCT ON can only be had by sorting, a statement that writes is never run in
 * parallel, and nothing stands between the sort and the INSERT: the rows are taken in
 * that order, whatever the statistics say.
 *
 * Which rows are new is told by the condition, which is asked for each row that exists
 * and for no other, and leaves its key behind; RETURNING follows row by row.  The system
 * column xmax would tell it too, but not of a partitioned table; a count of what was
 * asked would be wrong beside a trigger that leaves rows out.
 */
#include "queue/upsert_statement.h"

/* "c1", "c2", ... of the first n columns; with their collation, if that is wanted. */
static void
append_places(buffer *out, const upsert_target *target, size_t n, bool collate)
{
	for (size_t i = 0; i < n; i++)
		buffer_appendf(out, "%sc%zu%s", i > 0 ? ", " : "", i + 1,
		               collate ? target->columns[i].collate : "");
}

/* The names of the first n columns, with a prefix. */
static void
append_names(buffer *out, const upsert_target *target, size_t n, const char *prefix)
{
	for (size_t i = 0; i < n; i++)
		buffer_appendf(out, "%s%s%s", i > 0 ? ", " : "", prefix,
		               target->columns[i].name);
}

/* FROM: the rows, each column of its type, n their places. */
static void
append_rows(buffer *out, const upsert_target *target)
{
	buffer_append(out, " FROM (SELECT ");
	for (size_t i = 0; i < target->count; i++)
		buffer_appendf(out, "CAST(u.c%zu AS %s) AS c%zu, ", i + 1,
		               target->columns[i].type, i + 1);
	buffer_append(out, "u.n FROM (SELECT ");
	for (size_t i = 0; i < target->count; i++)
		buffer_appendf(out, "pg_catalog.unnest($%zu::pg_catalog.text[]) AS c%zu, ",
		               i + 1, i + 1);
	buffer_append(out, "pg_catalog.generate_subscripts($1::pg_catalog.text[], 1) AS n)"
	                   " AS u) AS r");
}

/* SELECT what, in the order of the keys and each key once. */
static void
append_sorted(buffer *out, const upsert_target *target, bool places)
{
	buffer_append(out, "SELECT DISTINCT ON (");
	append_places(out, target, target->keys, true);
	buffer_append(out, ") ");
	if (places)
		buffer_append(out, "n");
	else
		append_places(out, target, target->count, false);
	append_rows(out, target);
	buffer_append(out, " ORDER BY ");
	append_places(out, target, target->keys, true);
	buffer_append(out, target->updates ? ", n DESC" : ", n");
}

static void
append_key_text(buffer *out, const upsert_target *target)
{
	buffer_append(out, "ROW(");
	append_names(out, target, target->keys, "t.");
	buffer_append(out, ")::pg_catalog.text");
}

static void
append_update(buffer *out, const upsert_target *target)
{
	const char *comma = "";

	buffer_append(out, "UPDATE SET ");
	for (size_t i = 0; i < target->count; i++)
	{
		const upsert_column *column = &target->columns[i];

		if (!column->updated)
			continue;
		buffer_appendf(out, "%s%s = EXCLUDED.%s", comma, column->name, column->name);
		comma = ", ";
	}
	buffer_append(out, " WHERE pg_catalog.set_config('pawl.upsert', ");
	append_key_text(out, target);
	buffer_append(out, ", true) IS NOT NULL"
	                   " RETURNING pg_catalog.current_setting('pawl.upsert', true)"
	                   " IS DISTINCT FROM ");
	append_key_text(out, target);
}

void
upsert_statement_insert(buffer *out, const upsert_target *target)
{
	buffer_appendf(out, "WITH made AS (INSERT INTO %s AS t (", target->relation);
	append_names(out, target, target->count, "");
	buffer_append(out, ") ");
	append_sorted(out, target, false);
	buffer_append(out, " ON CONFLICT (");
	append_names(out, target, target->keys, "");
	buffer_append(out, ") DO ");
	if (target->updates)
		append_update(out, target);
	else
		buffer_append(out, "NOTHING RETURNING true");
	buffer_append(out, " AS created) SELECT pg_catalog.count(*) FILTER (WHERE created)"
	                   " FROM made");
}

void
upsert_statement_order(buffer *out, const upsert_target *target)
{
	append_sorted(out, target, true);
}
