/*
 * session.c - see session.h; main thread alone
 */
#include "cli/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/talk.h"
#include "db/embedded.h"
#include "db/migrate.h"

/* What the user has said; set by the main thread before the call that it bounds. */
static int64_t last_ms = CLOCK_NEVER;

/*
 * Inside a handler it is the job's session, by the name that the worker has given to
 * all of them (PGAPPNAME): who waits for it is told the job, and the watch for waits
 * knows which sessions belong to one job.
 */
static pawl_status
make_db(const command_call *call, db **ret_db, pawl_error *error)
{
	const char *conninfo = call->common.conninfo != NULL ? call->common.conninfo : "";
	const char *job = getenv("PAWL_JOB");

	if (job != NULL && job[0] != '\0' && job[strspn(job, "0123456789")] == '\0')
		return db_new(conninfo, "job", job, ret_db, error);
	return db_new(conninfo, "cli", call->command->name, ret_db, error);
}

pawl_status
session_connect(const command_call *call, db **ret_db, pawl_error *error)
{
	auto_session *own_db = NULL;
	pawl_status status = make_db(call, &own_db, error);

	if (status == PAWL_OK)
		status = db_open(own_db, error);
	if (status != PAWL_OK)
		return status;
	*ret_db = own_db;
	own_db = NULL;
	return PAWL_OK;
}

pawl_status
session_open(const command_call *call, db **ret_db, pawl_error *error)
{
	auto_session *own_db = NULL;
	pawl_status status = session_connect(call, &own_db, error);

	if (status == PAWL_OK)
		status = migrate_check(own_db, error);
	if (status != PAWL_OK)
		return status;
	*ret_db = own_db;
	own_db = NULL;
	return PAWL_OK;
}

void
session_until(int64_t deadline_ms)
{
	last_ms = deadline_ms;
}

queue_call
session_call(db *own_db)
{
	int64_t end_ms = clock_ms() + SESSION_TRY_MS;

	return (queue_call){.db = own_db,
	                    .limits = DB_LIMITS_DEFAULT,
	                    .deadline_ms = end_ms < last_ms ? end_ms : last_ms};
}

queue_call
session_first_call(db *own_db)
{
	return (queue_call){
		.db = own_db, .limits = DB_LIMITS_DEFAULT, .deadline_ms = CALL_ONCE};
}

bool
session_again(queue_call *call, pawl_status status)
{
	bool gone = status == PAWL_ERR_CONNECT || status == PAWL_ERR_CONNECTION;

	if (call->deadline_ms != CALL_ONCE || (!gone && status != PAWL_ERR_TRANSIENT))
		return false;
	*call = session_call(call->db);
	if (gone && call->deadline_ms > clock_ms())
		talk("the connection to the server is lost; trying for %d s to have another",
		     (int) ((call->deadline_ms - clock_ms() + 999) / 1000));
	return true;
}

pawl_status
session_query(db *own_db, const char *name, const db_params *params,
              db_result **ret_result, pawl_error *error)
{
	const embedded_file *file = embedded_find(&EMBEDDED_QUERIES, name);
	queue_call call = session_first_call(own_db);
	pawl_status status;

	assert(file != NULL);
	do
		status = call_run(&call, file->text, params, ret_result, error);
	while (session_again(&call, status));
	return status;
}

pawl_status
session_pause(db *own_db, int64_t milliseconds, int64_t deadline_ms, pawl_error *error)
{
	int64_t end_ms = clock_ms() + milliseconds;
	bool notified;

	if (clock_ms() >= deadline_ms)
		return error_set(error, PAWL_ERR_TIMEOUT, "timed out");
	if (end_ms > deadline_ms)
		end_ms = deadline_ms;
	while (clock_ms() < end_ms)
	{
		pawl_status status = db_wait(own_db, -1, end_ms, &notified, error);

		if (status != PAWL_OK)
			return status;
	}
	return PAWL_OK;
}

void
session_cleanup(db **own_db)
{
	db_free(*own_db);
}

void
session_row(const db_result *result, int row, const char **ret_values, size_t n)
{
	assert((size_t) db_columns(result) >= n);
	for (size_t i = 0; i < n; i++)
		ret_values[i] =
			db_is_null(result, row, (int) i) ? NULL : db_text(result, row, (int) i);
}
