/*
 * result.c - what a statement answered, in text format
 *
 * A db_result is libpq's PGresult under a name that needs no libpq-fe.h.
 */
#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include "db/db.h"

static const PGresult *
pg(const db_result *result)
{
	assert(result != NULL);
	return (const PGresult *) result;
}

int
db_rows(const db_result *result)
{
	return PQntuples(pg(result));
}

int
db_columns(const db_result *result)
{
	return PQnfields(pg(result));
}

const char *
db_column_name(const db_result *result, int column)
{
	assert(column >= 0 && column < db_columns(result));
	return PQfname(pg(result), column);
}

bool
db_is_null(const db_result *result, int row, int column)
{
	assert(row >= 0 && row < db_rows(result));
	assert(column >= 0 && column < db_columns(result));
	return PQgetisnull(pg(result), row, column) != 0;
}

const char *
db_text(const db_result *result, int row, int column)
{
	assert(row >= 0 && row < db_rows(result));
	assert(column >= 0 && column < db_columns(result));
	return PQgetvalue(pg(result), row, column);
}

int64_t
db_int(const db_result *result, int row, int column)
{
	return strtoll(db_text(result, row, column), NULL, 10);
}

bool
db_bool(const db_result *result, int row, int column)
{
	return db_text(result, row, column)[0] == 't';
}

void
db_result_free(db_result *result)
{
	PQclear((PGresult *) result);
}

void
db_result_cleanup(db_result **result)
{
	db_result_free(*result);
}
