/*
 * output_writers.h - the formats behind output.h; included by output*.c alone
 */
#ifndef PAWL_CLI_OUTPUT_WRITERS_H
#define PAWL_CLI_OUTPUT_WRITERS_H

#include "base/buffer.h"
#include "cli/output.h"

/* RFC 4180, but lines end in a newline alone; NULL is an empty field. */
void csv_heading(buffer *b, const output_column *columns, size_t n);
void
csv_row(buffer *b, const output_column *columns, size_t n, const char *const *values);

/* libsmartcols; table_print writes to stdout. */
typedef struct table_writer table_writer;
table_writer *table_new(const output_column *columns, size_t n);
void table_row(table_writer *table, const char *const *values);
void table_print(table_writer *table);
void table_free(table_writer *table);

#endif
