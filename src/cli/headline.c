/*
 * headline.c - see headline.h
 */
#include "cli/headline.h"

#include <stdio.h>

#include "base/error.h"
#include "cli/age.h"
#include "cli/session.h"
#include "cli/talk.h"

/* As in sql/queries/oldest_runnable.sql. */
enum
{
	OLDEST_JOB,
	OLDEST_QUEUE,
	OLDEST_GROUP,
	OLDEST_PLACE,
	OLDEST_AGE,
	OLDEST_SURE,
	OLDEST_PAUSED_JOB,
	OLDEST_PAUSED_QUEUE,
	OLDEST_PAUSED_AGE
};

static void
append_job(buffer *b, const db_result *oldest, int job, int queue)
{
	buffer_appendf(b, "job %s of queue \"%s\"", db_text(oldest, 0, job),
	               db_text(oldest, 0, queue));
}

static void
append_runnable(buffer *b, const db_result *oldest)
{
	const char *group = db_text(oldest, 0, OLDEST_GROUP);
	char age[AGE_SIZE];

	buffer_append(b, "oldest runnable job: ");
	if (db_is_null(oldest, 0, OLDEST_JOB))
	{
		buffer_append(b, db_bool(oldest, 0, OLDEST_SURE)
		                     ? "none"
		                     : "not found among the first that were looked at");
		return;
	}
	buffer_appendf(b, "%s%s (", db_bool(oldest, 0, OLDEST_SURE) ? "" : "at least ",
	               age_text(db_int(oldest, 0, OLDEST_AGE), age));
	append_job(b, oldest, OLDEST_JOB, OLDEST_QUEUE);
	if (group[0] != '\0')
		buffer_appendf(b, ", group \"%s\"", group);
	buffer_append(b, ")");
}

static void
append_paused(buffer *b, const db_result *oldest)
{
	char age[AGE_SIZE];

	if (db_is_null(oldest, 0, OLDEST_PAUSED_JOB))
		return;
	buffer_appendf(b, "; paused: %s (",
	               age_text(db_int(oldest, 0, OLDEST_PAUSED_AGE), age));
	append_job(b, oldest, OLDEST_PAUSED_JOB, OLDEST_PAUSED_QUEUE);
	buffer_append(b, ")");
}

static void
show_line(const command_call *call, const char *line)
{
	auto_buffer shown = BUFFER_INIT;

	if (call->common.format != OUTPUT_TABLE)
	{
		talk("%s", line);
		return;
	}
	output_printable(&shown, line);
	if (buffer_ok(&shown))
		(void) printf("%s\n", shown.data);
}

pawl_status
headline_show(const command_call *call, db *own_db, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *oldest = NULL;
	auto_buffer line = BUFFER_INIT;
	pawl_status status;

	status = session_query(own_db, "oldest_runnable", params, &oldest, error);
	if (status != PAWL_OK)
		return status;
	append_runnable(&line, oldest);
	append_paused(&line, oldest);
	if (!buffer_ok(&line))
		return error_memory(error);
	show_line(call, line.data);
	return PAWL_OK;
}
