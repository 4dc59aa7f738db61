/*
 * embedded.h - the SQL of the schema, part of the program
 *
 * Generated at build by scripts/embed-sql from sql/; read-only, sorted by name.  A
 * file's name is given without directory and ".sql", its checksum is the SHA-256 of its
 * text in hexadecimal.
 */
#ifndef PAWL_DB_EMBEDDED_H
#define PAWL_DB_EMBEDDED_H

#include <stddef.h>

typedef struct embedded_file
{
	const char *name;
	const char *text;
	const char *checksum;
} embedded_file;

typedef struct embedded_list
{
	const embedded_file *files;
	size_t count;
} embedded_list;

extern const embedded_list EMBEDDED_MIGRATIONS; /* sql/migrations: "0001_tables", ... */
extern const embedded_list EMBEDDED_VIEWS;      /* sql/views */
extern const embedded_list EMBEDDED_FUNCTIONS;  /* sql/functions */
extern const embedded_list EMBEDDED_QUERIES;    /* sql/queries */
extern const embedded_list EMBEDDED_STEPS;  /* sql/migrate: what migrate itself runs */
extern const embedded_file EMBEDDED_GRANTS; /* sql/grants.sql; may be empty */

/* The file of that name, or NULL. */
const embedded_file *embedded_find(const embedded_list *list, const char *name);

#endif
