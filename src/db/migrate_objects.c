/*
 * migrate_objects.c - functions, views and grants, kept equal to the program's
 *
 * A comment on each, "pawl <checksum>", says which text it came from.  All that has
 * changed is created anew in one transaction: callers see the old ones or the new ones.
 * A file's name is the name of what it defines; a file of functions may define several
 * overloads.  What has no such comment is not ours and left alone.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "db/migration.h"

#define KIND_VIEW "VIEW"
#define KIND_FUNCTION "FUNCTION"

enum
{
	COLUMN_KIND,
	COLUMN_NAME,
	COLUMN_IDENTITY,
	COLUMN_CHECKSUM
};

/* ---------------------------------------------------------------- comparing ----- */

static bool
row_is(const db_result *made, int row, const char *kind, const char *name)
{
	return strcmp(db_text(made, row, COLUMN_KIND), kind) == 0 &&
	       strcmp(db_text(made, row, COLUMN_NAME), name) == 0;
}

/* All that has this name was made from this very text, and there is something. */
static bool
is_current(const db_result *made, const char *kind, const embedded_file *file)
{
	bool found = false;

	for (int row = 0; row < db_rows(made); row++)
	{
		if (!row_is(made, row, kind, file->name))
			continue;
		if (strcmp(db_text(made, row, COLUMN_CHECKSUM), file->checksum) != 0)
			return false;
		found = true;
	}
	return found;
}

/* No file defines it any more. */
static bool
is_left_over(const migration_set *set, const db_result *made, int row)
{
	bool view = strcmp(db_text(made, row, COLUMN_KIND), KIND_VIEW) == 0;

	return embedded_find(view ? &set->views : &set->functions,
	                     db_text(made, row, COLUMN_NAME)) == NULL;
}

static bool
grants_current(const migration_set *set, const migration_state *state)
{
	return set->grants == NULL || !state->has_roles ||
	       strcmp(state->grants, set->grants->checksum) == 0;
}

static bool
list_current(const db_result *made, const char *kind, const embedded_list *list)
{
	for (size_t i = 0; i < list->count; i++)
	{
		if (!is_current(made, kind, &list->files[i]))
			return false;
	}
	return true;
}

static bool
all_current(const migration_set *set, const db_result *made,
            const migration_state *state)
{
	for (int row = 0; row < db_rows(made); row++)
	{
		if (is_left_over(set, made, row))
			return false;
	}
	return list_current(made, KIND_VIEW, &set->views) &&
	       list_current(made, KIND_FUNCTION, &set->functions) &&
	       grants_current(set, state);
}

pawl_status
objects_changed(const migration_set *set, db_txn *txn, const migration_state *state,
                bool *ret_changed, pawl_error *error)
{
	auto_result *made = NULL;
	pawl_status status = migration_query(txn, "objects", &made, error);

	if (status == PAWL_OK)
		*ret_changed = !all_current(set, made, state);
	return status;
}

/* ---------------------------------------------------------------- creating ------ */

/* Run the statements that a query answers. */
static pawl_status
run_answers(db_txn *txn, const char *sql, pawl_error *error)
{
	auto_result *commands = NULL;
	pawl_status status = db_exec(txn, sql, NULL, &commands, error);

	for (int row = 0; status == PAWL_OK && row < db_rows(commands); row++)
		status = db_exec(txn, db_text(commands, row, 0), NULL, NULL, error);
	return status;
}

/* Append text with every place replaced by 'value', which needs no escaping. */
static void
append_filled(buffer *out, const char *text, const char *place, const char *value)
{
	const char *found;

	assert(strpbrk(value, "'\\") == NULL);
	while ((found = strstr(text, place)) != NULL)
	{
		buffer_append_bytes(out, text, (size_t) (found - text));
		buffer_appendf(out, "'%s'", value);
		text = found + strlen(place);
	}
	buffer_append(out, text);
}

void
objects_mark_query(buffer *out, const embedded_file *file)
{
	auto_buffer named = BUFFER_INIT;

	append_filled(&named, migration_step_text("mark"), ":'name'", file->name);
	if (buffer_ok(&named))
		append_filled(out, named.data, ":'checksum'", file->checksum);
}

static pawl_status
mark_function(db_txn *txn, const embedded_file *file, pawl_error *error)
{
	auto_buffer query = BUFFER_INIT;

	objects_mark_query(&query, file);
	if (!buffer_ok(&query) || query.length == 0)
		return error_memory(error);
	return run_answers(txn, query.data, error);
}

static pawl_status
mark_view(db_txn *txn, const embedded_file *file, pawl_error *error)
{
	auto_buffer command = BUFFER_INIT;

	buffer_appendf(&command, "COMMENT ON VIEW pawl.%s IS 'pawl %s'", file->name,
	               file->checksum);
	if (!buffer_ok(&command))
		return error_memory(error);
	return db_exec(txn, command.data, NULL, NULL, error);
}

/* Which file it was is what the author of an error in it needs to know. */
static pawl_status
name_file(pawl_status status, const embedded_file *file, pawl_error *error)
{
	if (status == PAWL_ERR_DATABASE && error != NULL && error->detail[0] == '\0')
		error_detail(error, "It is the file \"%s\".", file->name);
	return status;
}

static pawl_status
create_list(db_txn *txn, const db_result *made, const char *kind,
            const embedded_list *list, int *created, pawl_error *error)
{
	bool view = strcmp(kind, KIND_VIEW) == 0;
	pawl_status status = PAWL_OK;

	for (size_t i = 0; i < list->count && status == PAWL_OK; i++)
	{
		const embedded_file *file = &list->files[i];

		if (is_current(made, kind, file))
			continue;
		status = name_file(db_exec_script(txn, file->text, error), file, error);
		if (status == PAWL_OK)
			status =
				view ? mark_view(txn, file, error) : mark_function(txn, file, error);
		(*created)++;
	}
	return status;
}

static pawl_status
drop_left_over(const migration_run *run, db_txn *txn, const db_result *made,
               pawl_error *error)
{
	pawl_status status = PAWL_OK;

	for (int row = 0; row < db_rows(made) && status == PAWL_OK; row++)
	{
		auto_buffer command = BUFFER_INIT;

		if (!is_left_over(run->set, made, row))
			continue;
		buffer_appendf(&command, "DROP %s %s", db_text(made, row, COLUMN_KIND),
		               db_text(made, row, COLUMN_IDENTITY));
		if (!buffer_ok(&command))
			return error_memory(error);
		status = db_exec(txn, command.data, NULL, NULL, error);
	}
	return status;
}

static pawl_status
apply_grants(const migration_run *run, db_txn *txn, pawl_error *error)
{
	const embedded_file *grants = run->set->grants;
	auto_buffer mark = BUFFER_INIT;
	pawl_status status =
		name_file(db_exec_script(txn, grants->text, error), grants, error);

	if (status != PAWL_OK)
		return status;
	migration_tell(run, "granting to the roles");
	buffer_appendf(&mark, "COMMENT ON SCHEMA pawl IS 'pawl %s'", grants->checksum);
	if (!buffer_ok(&mark))
		return error_memory(error);
	return db_exec(txn, mark.data, NULL, NULL, error);
}

/* Views before functions: a function may answer a view's rows. */
static pawl_status
create_changed(const migration_run *run, db_txn *txn, const db_result *made,
               const migration_state *state, pawl_error *error)
{
	const migration_set *set = run->set;
	int created = 0;
	pawl_status status =
		create_list(txn, made, KIND_VIEW, &set->views, &created, error);

	if (status == PAWL_OK)
		status =
			create_list(txn, made, KIND_FUNCTION, &set->functions, &created, error);
	if (status == PAWL_OK)
		status = drop_left_over(run, txn, made, error);
	if (status == PAWL_OK && set->grants != NULL && state->has_roles)
		status = apply_grants(run, txn, error);
	if (status == PAWL_OK && created > 0)
		migration_tell(run, "creating functions and views of %d files", created);
	return status;
}

/*
 * The first partitions come with the functions, in one transaction: who sees the schema
 * as current can push at once, while the many ahead of need are still being attached.
 */
static pawl_status
attach_first(const migration_run *run, db_txn *txn, pawl_error *error)
{
	if (embedded_find(&run->set->functions, "extend_partitions") == NULL)
		return PAWL_OK;
	return db_exec(txn, "SELECT pawl.extend_partitions(1)", NULL, NULL, error);
}

pawl_status
objects_apply(migration_run *run, db_txn *txn, int version, pawl_error *error)
{
	auto_result *made = NULL;
	migration_state state = {0};
	pawl_status status = migration_become(txn, error);

	(void) version;
	if (status == PAWL_OK && run->rebuild)
		status = run_answers(txn, migration_step_text("drop"), error);
	if (status == PAWL_OK)
		status = migration_read_state(txn, &state, error);
	if (status == PAWL_OK)
		status = migration_query(txn, "objects", &made, error);
	if (status != PAWL_OK || all_current(run->set, made, &state))
		return status;
	status = create_changed(run, txn, made, &state, error);
	if (status == PAWL_OK)
		status = attach_first(run, txn, error);
	return status;
}
