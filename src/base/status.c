/*
 * status.c - names, texts and exit codes of pawl_status, from the one list
 */
#include <stddef.h>

#include "base/error.h"

typedef struct status_row
{
	const char *name;
	const char *text;
	int exit_code;
} status_row;

static const status_row ROWS[] = {
#define X(name, exit_code, text) {"PAWL_" #name, text, exit_code},
	PAWL_STATUS_LIST(X)
#undef X
};

/* A status may come from a caller's memory: an unknown one is answered, not trusted. */
static const status_row *
row_of(pawl_status status)
{
	static const status_row UNKNOWN = {"PAWL_ERR_?", "unknown status", 1};
	size_t index = (size_t) status;

	if (index >= sizeof(ROWS) / sizeof(ROWS[0]))
		return &UNKNOWN;
	return &ROWS[index];
}

const char *
pawl_status_name(pawl_status status)
{
	return row_of(status)->name;
}

const char *
pawl_status_text(pawl_status status)
{
	return row_of(status)->text;
}

int
error_exit_code(pawl_status status)
{
	return row_of(status)->exit_code;
}
