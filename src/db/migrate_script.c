/*
 * migrate_script.c - the whole of a migration as one script for psql
 *
 * For administrators who do not let a program change a schema.  It may be run on a
 * database of any version: what has been applied is left out by \if.  Functions and views
 * are dropped and created anew.
 */
#include <string.h>

#include "db/migration.h"

#define LIMITS                                                                         \
	"SET LOCAL lock_timeout = '5s';\n"                                                 \
	"SET LOCAL statement_timeout = '10min';\n"                                         \
	"SET LOCAL idle_in_transaction_session_timeout = '60s';\n"

static void
append_step(buffer *out, const char *step, const char *end)
{
	buffer_append(out, migration_step_text(step));
	buffer_append(out, end);
}

/* Each part: a transaction with limits that waits its turn. */
static void
append_begin(buffer *out, const char *title)
{
	buffer_appendf(out, "\n-- %s\n", title);
	buffer_append(out,
	              "START TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;\n");
	buffer_append(out, LIMITS);
	append_step(out, "settings", ";\n");
	append_step(out, "lock", ";\n");
}

static void
append_bootstrap(buffer *out)
{
	append_begin(out, "roles, schema, versions");
	append_step(out, "roles", "");
	append_step(out, "schema", "");
	append_step(out, "become", ";\n");
	append_step(out, "table", "");
	buffer_append(out, "COMMIT;\n");
}

static void
append_migration(buffer *out, int version, const embedded_file *file)
{
	append_begin(out, file->name);
	append_step(out, "become", ";\n");
	buffer_appendf(out,
	               "SELECT coalesce(max(m.version), 0) < %d AS pawl_apply "
	               "FROM pawl.migration m\n\\gset\n\\if :pawl_apply\n",
	               version);
	buffer_append(out, file->text);
	buffer_appendf(out,
	               "INSERT INTO pawl.migration (version, name, checksum, applied_at)\n"
	               "VALUES (%d, '%s', '%s', clock_timestamp());\n\\endif\nCOMMIT;\n",
	               version, file->name, file->checksum);
}

static void
append_grants(buffer *out, const embedded_file *grants)
{
	buffer_append(out, "SELECT count(*) = 4 AS pawl_grant FROM pg_roles r WHERE "
	                   "r.rolname IN ('pawl_owner', 'pawl_producer', 'pawl_worker', "
	                   "'pawl_reader')\n\\gset\n\\if :pawl_grant\n");
	buffer_append(out, grants->text);
	buffer_appendf(out, "COMMENT ON SCHEMA pawl IS 'pawl %s';\n\\endif\n",
	               grants->checksum);
}

static void
append_objects(buffer *out, const migration_set *set)
{
	append_begin(out, "views, functions, grants");
	append_step(out, "become", ";\n");
	append_step(out, "drop", "\\gexec\n");
	for (size_t i = 0; i < set->views.count; i++)
	{
		const embedded_file *file = &set->views.files[i];

		buffer_append(out, file->text);
		buffer_appendf(out, "COMMENT ON VIEW pawl.%s IS 'pawl %s';\n", file->name,
		               file->checksum);
	}
	for (size_t i = 0; i < set->functions.count; i++)
	{
		buffer_append(out, set->functions.files[i].text);
		objects_mark_query(out, &set->functions.files[i]);
		buffer_append(out, "\\gexec\n");
	}
	append_grants(out, set->grants);
	buffer_append(out, "COMMIT;\n");
}

static void
append_partitions(buffer *out)
{
	append_begin(out, "partitions ahead of need");
	append_step(out, "become", ";\n");
	buffer_append(out, "SELECT pawl.extend_partitions(100);\nCOMMIT;\n");
}

void
migrate_script(int to, buffer *out)
{
	migration_set set = migration_set_embedded();
	int newest = (int) set.migrations.count;
	int last = to > 0 && to < newest ? to : newest;

	buffer_appendf(out,
	               "-- The schema pawl up to version %d, as \"pawl migrate up\" makes "
	               "it; for psql.\n"
	               "\\set ON_ERROR_STOP on\n\\set QUIET on\n\\o /dev/null\n",
	               last);
	append_bootstrap(out);
	for (int version = 1; version <= last; version++)
		append_migration(out, version, &set.migrations.files[version - 1]);
	if (last == newest)
	{
		append_objects(out, &set);
		append_partitions(out);
	}
	buffer_appendf(out, "\\o\n\\echo the schema is at version %d\n", last);
}
