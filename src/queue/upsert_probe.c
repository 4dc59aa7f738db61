/*
 * upsert_probe.c - see upsert_probe.h; runs on the thread of its caller
 *
 * A lock is looked for in the server's own order of the rows, so that the key found is
 * the one that was waited for: everything before it was had.
 */
#include "queue/upsert_probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "queue/upsert_statement.h"

/* For the whole search; a statement has two thirds of it. */
#define PROBE_MS 3000
#define PROBE_STATEMENT_MS 2000

/* A lock that is free is had at once; one that is held a little is none of interest. */
#define LOCK_MS 10
/* A bad row may stand behind one that somebody else is just writing. */
#define ROW_LOCK_MS 1000

#define VALUE_BYTES 60 /* of a key's value in a message */

typedef enum answer
{
	FREE,
	HIT,
	OTHER
} answer;

typedef struct probe
{
	upsert *u;
	upsert_rows rows;
	db_limits limits;
	int64_t deadline_ms;
	bool (*is_hit)(const pawl_error *error);
	pawl_error error; /* of the last hit */
} probe;

static probe
probe_begin(upsert *u, const upsert_rows *rows, int lock_timeout_ms,
            bool (*is_hit)(const pawl_error *error))
{
	probe p = {.u = u,
	           .rows = *rows,
	           .limits = DB_LIMITS_DEFAULT,
	           .deadline_ms = clock_ms() + PROBE_MS,
	           .is_hit = is_hit};

	p.limits.lock_timeout_ms = lock_timeout_ms;
	p.limits.statement_timeout_ms = PROBE_STATEMENT_MS;
	p.limits.session_path = true;
	return p;
}

/* Insert rows first .. first + count - 1, constraints that can wait too; roll back. */
static answer
try_part(probe *p, size_t first, size_t count)
{
	upsert_rows part = p->rows;
	auto_params *params = NULL;
	auto_txn txn = {0};
	pawl_error error;
	pawl_status status;

	if (clock_ms() >= p->deadline_ms)
		return OTHER;
	part.first += first;
	part.count = count;
	params = upsert_params(p->u, &part);
	status = db_begin(p->u->db, &p->limits, &txn, &error);
	if (status == PAWL_OK)
		status = db_exec(&txn, p->u->insert, params, NULL, &error);
	if (status == PAWL_OK)
		status = db_exec(&txn, "SET CONSTRAINTS ALL IMMEDIATE", NULL, NULL, &error);
	if (status == PAWL_OK)
		return FREE;
	if (!p->is_hit(&error))
		return OTHER;
	p->error = error;
	return HIT;
}

/* The first row that is hit, given that one is; UPSERT_NO_ROW when none is found. */
static size_t
search(probe *p)
{
	size_t low = 0;
	size_t high = p->rows.count;

	while (high - low > 1)
	{
		size_t half = (high - low) / 2;
		answer found = try_part(p, low, half);

		if (found == OTHER)
			return UPSERT_NO_ROW;
		if (found == HIT)
			high = low + half;
		else
			low += half;
	}
	return try_part(p, low, 1) == HIT ? low : UPSERT_NO_ROW;
}

/* ------------------------------------------------------------ a lock ------------- */

static bool
is_lock(const pawl_error *error)
{
	return strcmp(error->sqlstate, "55P03") == 0;
}

/* The places of the rows in the server's order; NULL when that cannot be had. */
static size_t *
find_order(probe *p, const upsert_rows *rows, size_t *ret_count)
{
	auto_buffer statement = BUFFER_INIT;
	auto_params *params = upsert_params(p->u, rows);
	auto_result *result = NULL;
	size_t *order;
	size_t n;

	upsert_statement_order(&statement, &p->u->target);
	if (!buffer_ok(&statement) || db_run_once(p->u->db, &p->limits, statement.data,
	                                          params, &result, NULL) != PAWL_OK)
		return NULL;
	n = (size_t) db_rows(result);
	order = malloc((n + 1) * sizeof(*order));
	for (size_t i = 0; order != NULL && i < n; i++)
		order[i] = (size_t) db_int(result, (int) i, 0) - 1;
	*ret_count = n;
	return order;
}

/* "(aa, nt) = (CA1, CA2)", as PostgreSQL writes it in its own details. */
static void
append_key(buffer *out, const upsert *u, const char *const *row)
{
	buffer_append_char(out, '(');
	for (size_t i = 0; i < u->target.keys; i++)
		buffer_appendf(out, "%s%s", i > 0 ? ", " : "", u->target.columns[i].name);
	buffer_append(out, ") = (");
	for (size_t i = 0; i < u->target.keys; i++)
		buffer_appendf(out, "%s%.*s%s", i > 0 ? ", " : "", VALUE_BYTES, row[i],
		               strlen(row[i]) > VALUE_BYTES ? "..." : "");
	buffer_append_char(out, ')');
}

void
upsert_probe_lock(upsert *u, const upsert_rows *rows, pawl_error *error)
{
	probe p = probe_begin(u, rows, LOCK_MS, is_lock);
	auto_free size_t *order = find_order(&p, rows, &p.rows.count);
	auto_buffer key = BUFFER_INIT;
	size_t found;

	if (order == NULL)
		return;
	p.rows.order = order;
	if (try_part(&p, 0, 0) != FREE)
		return; /* the whole relation is locked: no key is the one */
	found = search(&p);
	if (found == UPSERT_NO_ROW)
		return;
	append_key(&key, u, rows->cells + order[found] * u->target.count);
	if (buffer_ok(&key))
		db_name_key(u->db, key.data, error);
}

/* ------------------------------------------------------------ a bad row ---------- */

void
upsert_probe_row(upsert *u, const upsert_rows *rows, size_t *ret_row, pawl_error *error)
{
	probe p = probe_begin(u, rows, ROW_LOCK_MS, upsert_is_rows_fault);
	size_t found = search(&p);

	if (found == UPSERT_NO_ROW)
		return;
	*ret_row = upsert_row_place(rows, found);
	*error = p.error;
}
