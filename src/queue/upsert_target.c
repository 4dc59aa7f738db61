/*
 * upsert_target.c - see upsert_target.h; runs on the thread of its caller
 *
 * One look at the catalog (sql/queries/upsert_target.sql), and what can be refused by it
 * is refused here, before anything is sent.
 */
#include "queue/upsert_target.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "db/embedded.h"
#include "queue/upsert.h"

/* Columns of the query. */
enum
{
	RELATION,
	COLUMN_NAME,
	PRESENT,
	TYPE,
	COLLATE,
	GENERATED
};

void
upsert_target_free(upsert_target *target)
{
	for (size_t i = 0; target->columns != NULL && i < target->count; i++)
	{
		free(target->columns[i].name);
		free(target->columns[i].type);
		free(target->columns[i].collate);
	}
	free(target->columns);
	free(target->relation);
	*target = (upsert_target){0};
}

/* ------------------------------------------------------------ names -------------- */

static size_t
count_names(const char *const *names)
{
	size_t n = 0;

	while (names != NULL && names[n] != NULL)
		n++;
	return n;
}

static bool
is_among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
	{
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Every updated column is a value. */
static pawl_status
check_update(const pawl_upsert_spec *spec, pawl_error *error)
{
	for (size_t i = 0; i < count_names(spec->update); i++)
	{
		const char *name = spec->update[i];

		if (is_among(spec->keys, count_names(spec->keys), name))
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "column \"%s\" is a key and cannot be updated", name);
		if (!is_among(spec->values, count_names(spec->values), name))
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "column \"%s\" is to be updated, but the rows do not "
			                 "have it",
			                 name);
	}
	return PAWL_OK;
}

/* The names of all columns, keys first, each once; *ret_names is to be freed. */
static pawl_status
list_columns(const pawl_upsert_spec *spec, const char ***ret_names, size_t *ret_count,
             pawl_error *error)
{
	size_t keys = count_names(spec->keys);
	size_t values = count_names(spec->values);
	auto_free const char **names = NULL;

	if (spec->table == NULL || spec->table[0] == '\0')
		return error_set(error, PAWL_ERR_ARGUMENT, "the table's name is missing");
	if (keys == 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "the key columns are missing");
	if (keys + values > LIMIT_COLUMNS)
		return error_set(error, PAWL_ERR_ARGUMENT, "%zu columns exceed the limit of %d",
		                 keys + values, LIMIT_COLUMNS);
	names = calloc(keys + values, sizeof(*names));
	if (names == NULL)
		return error_memory(error);
	for (size_t i = 0; i < keys + values; i++)
	{
		names[i] = i < keys ? spec->keys[i] : spec->values[i - keys];
		if (is_among(names, i, names[i]))
			return error_set(error, PAWL_ERR_ARGUMENT, "column \"%s\" is named twice",
			                 names[i]);
	}
	*ret_names = take(names);
	*ret_count = keys + values;
	return PAWL_OK;
}

/* ------------------------------------------------------------ the catalog -------- */

static pawl_status
look_up(db *conn, const pawl_upsert_spec *spec, const char *const *names, size_t n,
        db_result **ret_result, pawl_error *error)
{
	const embedded_file *file = embedded_find(&EMBEDDED_QUERIES, "upsert_target");
	auto_params *params = db_params_new();
	db_limits limits = DB_LIMITS_DEFAULT;
	int64_t timeout_ms = spec->timeout_ms > 0 ? spec->timeout_ms : UPSERT_TIMEOUT_MS;
	pawl_error own = {.status = PAWL_OK};
	pawl_status status;

	assert(file != NULL);
	limits.session_path = true;
	db_param_text(params, spec->table);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
		db_param_array_text(params, names[i]);
	db_param_array_end(params);
	status = db_run(conn, &limits, clock_ms() + timeout_ms, file->text, params,
	                ret_result, &own);
	if (status != PAWL_OK && strcmp(own.sqlstate, "42602") == 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "\"%s\" is not a name of a table",
		                 spec->table);
	if (status != PAWL_OK && error != NULL)
		*error = own;
	return status;
}

static pawl_status
refuse_table(const char *table, pawl_error *error)
{
	(void) error_set(error, PAWL_ERR_NOT_FOUND, "there is no table \"%s\"", table);
	error_hint(error, "A name is folded to lower case unless it is in double quotes; "
	                  "without a schema it is looked for in the search_path.");
	return PAWL_ERR_NOT_FOUND;
}

static pawl_status
read_column(const db_result *result, size_t i, const char *name, upsert_target *target,
            pawl_error *error)
{
	int row = (int) i;
	upsert_column *column = &target->columns[i];

	if (!db_bool(result, row, PRESENT))
	{
		(void) error_set(error, PAWL_ERR_NOT_FOUND, "%s has no column \"%s\"",
		                 target->relation, name);
		error_hint(error, "Names of columns are taken exactly, upper and lower case.");
		return PAWL_ERR_NOT_FOUND;
	}
	if (db_bool(result, row, GENERATED))
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "column \"%s\" of %s is generated and cannot be written", name,
		                 target->relation);
	column->name = strdup(db_text(result, row, COLUMN_NAME));
	column->type = strdup(db_text(result, row, TYPE));
	column->collate = strdup(db_text(result, row, COLLATE));
	if (column->name == NULL || column->type == NULL || column->collate == NULL)
		return error_memory(error);
	return PAWL_OK;
}

pawl_status
upsert_target_find(db *conn, const pawl_upsert_spec *spec, upsert_target *ret_target,
                   pawl_error *error)
{
	auto_free const char **names = NULL;
	auto_result *result = NULL;
	size_t n = 0;
	pawl_status status = list_columns(spec, &names, &n, error);

	if (status == PAWL_OK)
		status = check_update(spec, error);
	if (status == PAWL_OK)
		status = look_up(conn, spec, names, n, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) == 0)
		return refuse_table(spec->table, error);
	assert((size_t) db_rows(result) == n);
	ret_target->keys = count_names(spec->keys);
	ret_target->relation = strdup(db_text(result, 0, RELATION));
	ret_target->columns = calloc(n, sizeof(*ret_target->columns));
	if (ret_target->relation == NULL || ret_target->columns == NULL)
		return error_memory(error);
	ret_target->count = n;
	for (size_t i = 0; i < n && status == PAWL_OK; i++)
	{
		bool updated = is_among(spec->update, count_names(spec->update), names[i]);

		ret_target->columns[i].updated = updated;
		ret_target->updates = ret_target->updates || updated;
		status = read_column(result, i, names[i], ret_target, error);
	}
	return status;
}
