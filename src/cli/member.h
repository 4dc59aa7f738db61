/*
 * member.h - one thing and its members: a line each, or an object
 */
#ifndef PAWL_CLI_MEMBER_H
#define PAWL_CLI_MEMBER_H

#include "cli/command.h"

/* "name   value", further lines of a value below its first. */
void member_append(buffer *b, const char *name, const char *value);

/* Of a row: those that are not NULL. */
void member_append_row(buffer *b, const output_column *columns, size_t n,
                       const char *const *values);

/*
 * Show a row in the format of the call: lines for people, an object (JSON, one a line) or
 * a row of CSV.  note: a remark for people and objects; "": none.  The exit code.
 */
int member_show(const command_call *call, const output_column *columns, size_t n,
                const char *const *values, const char *note);

/* Append the object without its closing brace, the note as its last member. */
void member_append_json(buffer *b, const output_column *columns, size_t n,
                        const char *const *values, const char *note);

#endif
