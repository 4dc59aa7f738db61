/*
 * migrate_own.c - `pawl migrate up` with migrations of a test's own
 *
 * Usage: migrate_own CONNINFO MANIFEST
 *
 * Each line of the manifest is "migrations|views|functions NAME CHECKSUM PATH", in the
 * order of the numbers; what it names is a database's whole schema but the roles.
 * Notices go to stderr; the exit code is the program's for that status.  Until its
 * first release pawl has one migration, and the machinery is tested with these.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "db/migration.h"

#define FILES_MAX 64
#define WORD_MAX 512

typedef struct files
{
	embedded_file files[FILES_MAX];
	size_t count;
} files;

static void
fail(const char *what)
{
	perror(what);
	exit(2);
}

static char *
read_text(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (file == NULL || getdelim(&text, &size, '\0', file) < 0)
		fail(path);
	(void) fclose(file);
	return text;
}

static char *
copy(const char *word)
{
	char *made = strdup(word);

	if (made == NULL)
		fail("strdup");
	return made;
}

static void
add(files *list, const char *name, const char *checksum, const char *path)
{
	if (list->count == FILES_MAX)
		fail("too many files");
	list->files[list->count++] = (embedded_file){
		.name = copy(name), .checksum = copy(checksum), .text = read_text(path)};
}

static void
read_manifest(const char *path, files *migrations, files *views, files *functions)
{
	FILE *file = fopen(path, "r");
	char kind[WORD_MAX], name[WORD_MAX], checksum[WORD_MAX], place[WORD_MAX];

	if (file == NULL)
		fail(path);
	while (fscanf(file, "%511s %511s %511s %511s", kind, name, checksum, place) == 4)
		add(strcmp(kind, "migrations") == 0 ? migrations
		    : strcmp(kind, "views") == 0    ? views
		                                    : functions,
		    name, checksum, place);
	(void) fclose(file);
}

static void
tell(const char *text, void *closure)
{
	(void) closure;
	(void) fprintf(stderr, "%s\n", text);
}

static void
forget(const files *list)
{
	for (size_t i = 0; i < list->count; i++)
	{
		free((char *) (uintptr_t) list->files[i].name);
		free((char *) (uintptr_t) list->files[i].checksum);
		free((char *) (uintptr_t) list->files[i].text);
	}
}

int
main(int argc, char **argv)
{
	static files migrations, views, functions;
	migration_set set;
	pawl_error error = {.status = PAWL_OK};
	pawl_status status;
	db *conn = NULL;

	if (argc != 3)
		return 2;
	read_manifest(argv[2], &migrations, &views, &functions);
	set = (migration_set){.migrations = {migrations.files, migrations.count},
	                      .views = {views.files, views.count},
	                      .functions = {functions.files, functions.count}};
	status = db_new(argv[1], "migrate", "", &conn, &error);
	if (status == PAWL_OK)
		status = migrate_up_with(conn, &set, 0, tell, NULL, &error);
	db_free(conn);
	forget(&migrations);
	forget(&views);
	forget(&functions);
	if (status != PAWL_OK)
		(void) fprintf(stderr, "%s (%s) %s %s\n", error.message, error.sqlstate,
		               error.detail, error.hint);
	return error_exit_code(status);
}
