/*
 * watch.c - see watch.h; runs on the steward's thread
 *
 * Of the waits of one cycle only one is cancelled in a look, the last that has begun:
 * the others may go on then, and what still waits is looked at again.
 */
#include "worker/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "queue/waits.h"

/* Where a message about a wait is put together. */
typedef struct wait_words
{
	char waiter[64];
	char holder[64];
	char place[700]; /* the relation, the key */
} wait_words;

/* "session 4242 of job 17" */
static void
name_session(char *ret_text, size_t size, const db_result *rows, int row, int pid,
             int job)
{
	if (db_is_null(rows, row, job))
		(void) snprintf(ret_text, size, "session %s", db_text(rows, row, pid));
	else
		(void) snprintf(ret_text, size, "session %s of job %s", db_text(rows, row, pid),
		                db_text(rows, row, job));
}

/* One line, whatever a key or a name holds. */
static void
make_one_line(char *text)
{
	text[text_valid_utf8(text, strlen(text))] = '\0';
	for (; *text != '\0'; text++)
	{
		if ((unsigned char) *text < ' ')
			*text = ' ';
	}
}

static wait_words
put_in_words(const db_result *rows, int row, const char *key)
{
	wait_words w = {.place = ""};

	name_session(w.waiter, sizeof(w.waiter), rows, row, WAITS_WAITER, WAITS_JOB);
	name_session(w.holder, sizeof(w.holder), rows, row, WAITS_HOLDER, WAITS_HOLDER_JOB);
	if (!db_is_null(rows, row, WAITS_RELATION))
		(void) snprintf(w.place, sizeof(w.place), " on %.150s%s%s",
		                db_text(rows, row, WAITS_RELATION),
		                key[0] != '\0' ? ", key " : "", key);
	make_one_line(w.place);
	return w;
}

static void
tell_found(pawl_worker *worker, const db_result *rows, int row, const wait_words *w)
{
	char then[64] = "it is only reported";

	if (worker->wait_cancel_ms >= 0)
		(void) snprintf(then, sizeof(then),
		                "if it lasts %" PRId64 " ms its statement is cancelled",
		                worker->wait_cancel_ms);
	worker_notice(
		worker, PAWL_WARN,
		"silent wait: %s waits%s since %s for %s, idle in transaction, both of "
		"process %.40s; %s",
		w->waiter, w->place, db_text(rows, row, WAITS_SINCE), w->holder,
		db_text(rows, row, WAITS_PROCESS), then);
}

/* Cancel it, and record that, or that this user may not. */
static pawl_status
end_wait(pawl_worker *worker, const queue_call *call, const db_result *rows, int row,
         const wait_words *w, bool *ret_cancelled, pawl_error *error)
{
	pawl_error refusal;
	bool fresh = false;
	pawl_status status = waits_cancel(call, rows, row, ret_cancelled, &refusal);

	if (status == PAWL_OK && !*ret_cancelled)
		return PAWL_OK; /* it has moved on */
	if (status != PAWL_OK && strcmp(refusal.sqlstate, "42501") != 0)
	{
		*error = refusal;
		return status;
	}
	status = waits_ended(call, rows, row, *ret_cancelled ? "cancelled" : "refused",
	                     &fresh, error);
	if (status == PAWL_OK && fresh && *ret_cancelled)
		worker_notice(worker, PAWL_WARN, "silent wait: cancelled the statement of %s%s",
		              w->waiter, w->place);
	else if (status == PAWL_OK && fresh)
		worker_notice(worker, PAWL_WARN,
		              "silent wait: may not cancel the statement of %s: this worker's "
		              "role needs pg_signal_backend for it",
		              w->waiter);
	return status;
}

/* One silent wait; *knot is the cycle of which one was cancelled in this look. */
static pawl_status
watch_row(pawl_worker *worker, const queue_call *call, const db_result *rows, int row,
          int64_t *knot, pawl_error *error)
{
	char key[WAITS_KEY_SIZE];
	bool created = false;
	bool cancelled = false;
	int64_t lasted_ms = 0;
	pawl_status status;
	wait_words w;

	waits_key(call, rows, row, key);
	w = put_in_words(rows, row, key);
	status = waits_found(call, rows, row, key, &created, &lasted_ms, error);
	if (status != PAWL_OK)
		return status;
	if (created)
	{
		worker->counts.silent_waits++;
		tell_found(worker, rows, row, &w);
	}
	if (worker->wait_cancel_ms < 0 || lasted_ms < worker->wait_cancel_ms ||
	    *knot == db_int(rows, row, WAITS_KNOT))
		return PAWL_OK;
	status = end_wait(worker, call, rows, row, &w, &cancelled, error);
	if (status == PAWL_OK && cancelled)
		*knot = db_int(rows, row, WAITS_KNOT);
	return status;
}

pawl_status
watch_look(pawl_worker *worker, const queue_call *call, pawl_error *error)
{
	auto_result *rows = NULL;
	int64_t waiter = 0;
	int64_t knot = 0;
	pawl_status status = waits_look(call, true, LIMIT_SILENT_WAITS, &rows, error);
	int n = status == PAWL_OK ? db_rows(rows) : 0;

	/* the rows of a cycle follow each other, and so do those of a waiter */
	for (int row = 0; row < n && db_is_open(call->db); row++)
	{
		pawl_error own;
		pawl_status answer;

		if (db_int(rows, row, WAITS_WAITER) == waiter)
			continue;
		waiter = db_int(rows, row, WAITS_WAITER);
		answer = watch_row(worker, call, rows, row, &knot, &own);
		if (answer != PAWL_OK && status == PAWL_OK)
		{
			/* told, and no reason to leave the others alone */
			status = answer;
			*error = own;
		}
	}
	return status;
}
