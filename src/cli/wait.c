/*
 * wait.c - see wait.h
 *
 * It looks, because nothing tells: a notification for each end of a job would cost
 * every worker a lock at its commit.
 */
#include "cli/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/session.h"
#include "queue/state.h"

#define FIRST_PAUSE_MS 20
#define LONGEST_PAUSE_MS 1000

/* Jobs of one look. */
#define LOOK_MAX 1000

const wait_options WAIT_DEFAULTS = {.timeout_ms = INT64_MAX};

const option_spec WAIT_OPTIONS[] = {
	{.name = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(wait_options, timeout_ms),
     .value = "DURATION",
     .help = "wait at most so long (no limit)"},
	OPTIONS_END,
};

int64_t
wait_deadline(int64_t duration_ms)
{
	int64_t now_ms = clock_ms();

	return duration_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + duration_ms;
}

pawl_status
wait_until(db *own_db, wait_look look, void *closure, int64_t deadline_ms,
           size_t *ret_left, pawl_error *error)
{
	int64_t pause_ms = FIRST_PAUSE_MS;

	session_until(deadline_ms);
	for (;;)
	{
		size_t left = 0;
		pawl_status status = look(own_db, closure, &left, error);

		if (status == PAWL_OK && left > 0)
			status = session_pause(own_db, pause_ms, deadline_ms, error);
		*ret_left = left;
		if (status != PAWL_OK || left == 0)
			return status;
		pause_ms = pause_ms * 3 / 2;
		if (pause_ms > LONGEST_PAUSE_MS)
			pause_ms = LONGEST_PAUSE_MS;
	}
}

/* ------------------------------------------------------------ jobs --------------- */

typedef struct waited_jobs
{
	waited_job *jobs;
	size_t n;
} waited_jobs;

/* The job of this id in a window of the jobs, or NULL. */
static waited_job *
find_job(waited_job *jobs, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
	{
		if (jobs[i].id == id && !jobs[i].ended)
			return &jobs[i];
	}
	return NULL;
}

static pawl_status
take_state(waited_job *jobs, size_t n, const db_result *result, int row,
           pawl_error *error)
{
	int64_t id = db_int(result, row, 0);
	pawl_state state;
	waited_job *job;

	if (db_is_null(result, row, 1))
		return error_set(error, PAWL_ERR_NOT_FOUND, "job %" PRId64 " does not exist",
		                 id);
	if (!state_parse(db_text(result, row, 1), &state))
		return error_set(error, PAWL_ERR_DATABASE, "job %" PRId64 " has no known state",
		                 id);
	if (state < PAWL_STATE_SUCCEEDED)
		return PAWL_OK;
	/* the same id may have been given twice */
	while ((job = find_job(jobs, n, id)) != NULL)
	{
		job->ended = true;
		job->state = state;
		(void) snprintf(job->error, sizeof(job->error), "%s", db_text(result, row, 2));
	}
	return PAWL_OK;
}

/* One look at those of a window that have not ended; how many are left. */
static pawl_status
look_at_window(db *own_db, waited_job *jobs, size_t n, size_t *ret_left,
               pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;
	size_t left = 0;

	if (params == NULL)
		return error_memory(error);
	db_param_array_begin(params);
	for (size_t i = 0; i < n; i++)
	{
		if (jobs[i].ended)
			continue;
		db_param_array_int(params, jobs[i].id);
		left++;
	}
	db_param_array_end(params);
	if (left == 0)
		return PAWL_OK;
	status = session_query(own_db, "job_states", params, &result, error);
	for (int row = 0; status == PAWL_OK && row < db_rows(result); row++)
		status = take_state(jobs, n, result, row, error);
	for (size_t i = 0; i < n; i++)
		*ret_left += !jobs[i].ended;
	return status;
}

static pawl_status
look(db *own_db, void *closure, size_t *ret_left, pawl_error *error)
{
	const waited_jobs *all = closure;
	pawl_status status = PAWL_OK;

	for (size_t at = 0; at < all->n && status == PAWL_OK; at += LOOK_MAX)
		status = look_at_window(own_db, all->jobs + at,
		                        all->n - at < LOOK_MAX ? all->n - at : LOOK_MAX,
		                        ret_left, error);
	return status;
}

pawl_status
wait_jobs(db *own_db, waited_job *jobs, size_t n, int64_t deadline_ms,
          pawl_error *error)
{
	waited_jobs all = {.jobs = jobs, .n = n};
	size_t left;
	pawl_status status = wait_until(own_db, look, &all, deadline_ms, &left, error);

	if (status == PAWL_ERR_TIMEOUT)
		return error_set(error, status, "timed out: %zu of %zu jobs have not ended",
		                 left, n);
	return status;
}
