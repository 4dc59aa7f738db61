/*
 * upsert.c - an upsert from its specification to its sums
 *
 * Runs on the thread of its caller.  The statements are in upsert_statement.c, one
 * transaction in upsert_send.c.
 */
#include "queue/upsert.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "queue/upsert_send.h"
#include "queue/upsert_statement.h"

/* ------------------------------------------------------------ preparing ---------- */

static pawl_status
check_numbers(const pawl_upsert_spec *spec, pawl_error *error)
{
	if (spec->lock_timeout_ms < 0 || spec->lock_timeout_ms > INT_MAX)
		return error_set(error, PAWL_ERR_ARGUMENT, "lock_timeout is out of range");
	if (spec->timeout_ms < 0 || spec->timeout_ms > INT_MAX)
		return error_set(error, PAWL_ERR_ARGUMENT, "timeout is out of range");
	if (spec->chunk_rows < 0 || spec->chunk_rows > LIMIT_UPSERT_ROWS)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "chunk_rows %d is not within 0 and %d", spec->chunk_rows,
		                 LIMIT_UPSERT_ROWS);
	return PAWL_OK;
}

pawl_status
upsert_new(db *conn, const pawl_upsert_spec *spec, upsert **ret_upsert,
           pawl_error *error)
{
	auto_upsert *u = calloc(1, sizeof(*u));
	auto_buffer statement = BUFFER_INIT;
	pawl_status status = check_numbers(spec, error);

	if (u == NULL)
		return error_memory(error);
	if (status == PAWL_OK)
		status = upsert_target_find(conn, spec, &u->target, error);
	if (status != PAWL_OK)
		return status;
	upsert_statement_insert(&statement, &u->target);
	u->insert = buffer_take(&statement);
	if (u->insert == NULL)
		return error_memory(error);
	u->db = conn;
	u->spec = spec;
	u->lock_timeout_ms = spec->lock_timeout_ms > 0 ? (int) spec->lock_timeout_ms
	                                               : UPSERT_LOCK_TIMEOUT_MS;
	u->timeout_ms = spec->timeout_ms > 0 ? (int) spec->timeout_ms : UPSERT_TIMEOUT_MS;
	*ret_upsert = take(u);
	return PAWL_OK;
}

void
upsert_free(upsert *u)
{
	if (u == NULL)
		return;
	upsert_target_free(&u->target);
	free(u->insert);
	free(u);
}

void
upsert_cleanup(upsert **u)
{
	upsert_free(*u);
}

/* ------------------------------------------------------------ all rows ----------- */

static pawl_status
check_keys(const upsert *u, const char *const *cells, size_t n, pawl_error *error)
{
	for (size_t row = 0; row < n; row++)
	{
		for (size_t key = 0; key < u->target.keys; key++)
		{
			if (cells[row * u->target.count + key] == NULL)
				return error_set(error, PAWL_ERR_ARGUMENT,
				                 "row %zu: key column \"%s\" is NULL", row + 1,
				                 u->spec->keys[key]);
		}
	}
	return PAWL_OK;
}

static size_t
row_bytes(const upsert *u, const char *const *row)
{
	size_t bytes = 0;

	for (size_t i = 0; i < u->target.count; i++)
		bytes += row[i] != NULL ? strlen(row[i]) : 0;
	return bytes;
}

/* Rows of the next transaction: bounded in number and in bytes, at least one. */
static size_t
chunk_length(const upsert *u, const char *const *cells, size_t n)
{
	size_t most =
		u->spec->chunk_rows > 0 ? (size_t) u->spec->chunk_rows : UPSERT_CHUNK_ROWS;
	size_t bytes = 0;
	size_t rows = 0;

	while (rows < n && rows < most)
	{
		bytes += row_bytes(u, cells + rows * u->target.count);
		if (rows > 0 && bytes > LIMIT_UPSERT_CHUNK)
			break;
		rows++;
	}
	return rows;
}

static pawl_status
check_single(const upsert *u, const char *const *cells, size_t n, pawl_error *error)
{
	size_t bytes = 0;

	for (size_t row = 0; row < n; row++)
		bytes += row_bytes(u, cells + row * u->target.count);
	if (bytes > LIMIT_UPSERT_SINGLE)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%zu bytes exceed the limit of %d bytes for a single "
		                 "transaction",
		                 bytes, LIMIT_UPSERT_SINGLE);
	return PAWL_OK;
}

/* "row 17: ..." where one row is the cause; row counts from 0 over all. */
static void
name_row(pawl_error *error, size_t row)
{
	char message[sizeof(error->message)];
	pawl_error said;

	if (error == NULL)
		return;
	said = *error;
	memcpy(message, said.message, sizeof(message));
	(void) error_set(error, said.status, "row %zu: %s", row + 1, message);
	error_sqlstate(error, said.sqlstate);
	error_detail(error, "%s", said.detail);
	error_hint(error, "%s", said.hint);
}

static pawl_status
send_chunks(upsert *u, const char *const *cells, size_t n, pawl_upsert_result *ret_sums,
            pawl_error *error)
{
	const pawl_upsert_spec *spec = u->spec;

	for (size_t done = 0; done < n;)
	{
		const char *const *rows = cells + done * u->target.count;
		size_t length = spec->single_transaction ? n : chunk_length(u, rows, n - done);
		int64_t created = 0;
		size_t row;
		pawl_status status = upsert_send(u, rows, length, &created, &row, error);

		if (status != PAWL_OK && row != UPSERT_NO_ROW)
			name_row(error, done + row);
		if (status != PAWL_OK)
			return status;
		done += length;
		ret_sums->rows += (int64_t) length;
		ret_sums->created += created;
		ret_sums->existing += (int64_t) length - created;
		if (spec->progress != NULL)
			spec->progress(ret_sums, spec->progress_closure);
	}
	return PAWL_OK;
}

pawl_status
upsert_all(db *conn, const pawl_upsert_spec *spec, const char *const *cells, size_t n,
           pawl_upsert_result *ret_result, pawl_error *error)
{
	auto_upsert *u = NULL;
	pawl_upsert_result sums = {0};
	pawl_status status;

	if (n == 0)
	{
		*ret_result = sums;
		return PAWL_OK;
	}
	status = upsert_new(conn, spec, &u, error);
	if (status == PAWL_OK)
		status = check_keys(u, cells, n, error);
	if (status == PAWL_OK && spec->single_transaction)
		status = check_single(u, cells, n, error);
	if (status == PAWL_OK)
		status = send_chunks(u, cells, n, &sums, error);
	if (status == PAWL_OK)
		*ret_result = sums;
	return status;
}
