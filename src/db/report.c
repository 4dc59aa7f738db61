/*
 * report.c - what libpq says, as a pawl_error
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "db/report.h"
#include "db/sqlstate.h"

#define LINE_SIZE 1024

/* Copy one line: line breaks and tabs become one space, none at the end. */
static void
copy_line(char *line, size_t size, const char *text, size_t length)
{
	size_t done = 0;

	for (size_t i = 0; i < length && done + 1 < size; i++)
	{
		char c = text[i];

		if (c == '\n' || c == '\t' || c == ' ')
		{
			if (done > 0 && line[done - 1] != ' ')
				line[done++] = ' ';
		}
		else
			line[done++] = c;
	}
	while (done > 0 && line[done - 1] == ' ')
		done--;
	line[done] = '\0';
}

/*
 * libpq's own text: the first line is the message, the rest the detail.  It tries some
 * servers twice and says the same of both.
 */
static pawl_status
report_text(pawl_error *error, pawl_status status, const char *text)
{
	char line[LINE_SIZE];
	char rest[LINE_SIZE];
	size_t first = strcspn(text, "\n");

	copy_line(line, sizeof(line), text, first);
	error_set(error, status, "%s", line[0] != '\0' ? line : pawl_status_text(status));
	copy_line(rest, sizeof(rest), text + first, strlen(text + first));
	if (rest[0] != '\0' && strcmp(rest, line) != 0)
		error_detail(error, "%s", rest);
	return status;
}

/* A name that is missing, and it is one of ours. */
static bool
names_schema(const char *sqlstate, const char *message)
{
	if (strcmp(sqlstate, "3F000") != 0 && strcmp(sqlstate, "42883") != 0 &&
	    strcmp(sqlstate, "42P01") != 0)
		return false;
	return strstr(message, "pawl.") != NULL || strstr(message, "\"pawl\"") != NULL;
}

static pawl_status
class_of(const PGresult *result, const char *sqlstate, const char *message,
         bool timed_out)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity != NULL &&
	    (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
		return PAWL_ERR_CONNECTION;
	if (names_schema(sqlstate, message))
		return PAWL_ERR_SCHEMA;
	if (strcmp(sqlstate, "57014") == 0 && !timed_out)
		return PAWL_ERR_DATABASE;
	return sqlstate_status(sqlstate);
}

pawl_status
report_result(pawl_error *error, const PGresult *result, bool timed_out)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	pawl_status status;

	/* libpq made it up itself: what it could not read, or a lost connection. */
	if (sqlstate == NULL || message == NULL)
		return report_text(error, PAWL_ERR_CONNECTION, PQresultErrorMessage(result));

	status = class_of(result, sqlstate, message, timed_out);
	error_set(error, status, "%s", message);
	error_sqlstate(error, sqlstate);
	if (detail != NULL)
		error_detail(error, "%s", detail);
	if (status == PAWL_ERR_SCHEMA)
		error_hint(error, "%s", REPORT_SCHEMA_HINT);
	else if (hint != NULL)
		error_hint(error, "%s", hint);
	return status;
}

pawl_status
report_connect(pawl_error *error, const PGconn *pg)
{
	return report_text(error, PAWL_ERR_CONNECT, PQerrorMessage(pg));
}

pawl_status
report_lost(pawl_error *error, const char *text)
{
	return report_text(error, PAWL_ERR_CONNECTION, text);
}
