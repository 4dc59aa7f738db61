/*
 * upkeep.c - see upkeep.h; called by the steward, suspects_waiting by the claimer
 */
#include "queue/upkeep.h"

#include <assert.h>
#include <stdio.h>

#include "base/error.h"

static const char *const names[] = {"recover",    "promote", "fold",
                                    "partitions", "watch",   "retain"};
static_assert(sizeof(names) / sizeof(names[0]) == UPKEEP_DUTIES, "a name for each");

/* A time of ours; 0 is none. */
static void
param_time(db_params *params, int64_t time_us)
{
	if (time_us == 0)
		db_param_null(params);
	else
		db_param_int(params, time_us);
}

#define TIME(n) "to_timestamp(0) + $" #n "::bigint * interval '1 microsecond'"

/* A due time is rounded down: what lies on it is behind no mark. */
#define LOOK                                                                           \
	"SELECT 'recover' = ANY (todo), 'promote' = ANY (todo), 'fold' = ANY (todo),"      \
	" 'partitions' = ANY (todo), 'watch' = ANY (todo), 'retain' = ANY (todo),"         \
	" suspects, groups, (extract(epoch FROM looked_at) * 1000000)::bigint,"            \
	" (extract(epoch FROM due) * 1000000)::bigint - 1,"                                \
	" ceil(extract(epoch FROM next_due - clock_timestamp()) * 1000)::bigint"           \
	" FROM pawl.upkeep_look($1::uuid, $2::text[],"                                     \
	" make_interval(secs => $3::float8 / 1000), " TIME(4) ")"
#define LOOK_COLUMNS (UPKEEP_DUTIES + 5)

/* What is to be done stands in the first columns, in the order of the duties. */
static void
read_seen(const db_result *result, upkeep_seen *ret_seen)
{
	int column = UPKEEP_DUTIES;

	*ret_seen = (upkeep_seen){.next_ms = -1};
	for (int i = 0; i < UPKEEP_DUTIES; i++)
		ret_seen->todo[i] = db_bool(result, 0, i);
	ret_seen->suspects = db_bool(result, 0, column++);
	ret_seen->groups = db_bool(result, 0, column++);
	if (!db_is_null(result, 0, column))
		ret_seen->at_us = db_int(result, 0, column);
	if (!db_is_null(result, 0, ++column))
		ret_seen->due_us = db_int(result, 0, column);
	if (!db_is_null(result, 0, ++column))
	{
		int64_t next_ms = db_int(result, 0, column);

		ret_seen->next_ms = next_ms > 0 ? next_ms : 0;
	}
}

pawl_status
upkeep_look(const queue_call *call, const char *worker,
            const bool wanted[UPKEEP_DUTIES], int64_t duty_ms, int64_t since_us,
            upkeep_seen *ret_seen, stall_work *ret_work, pawl_error *error)
{
	static const char sql[] = LOOK;
	static const char sql_of_work[] = "SELECT l.*, " STALL_COLUMNS " FROM (" LOOK ") l"
									  " CROSS JOIN pawl.work_waiting($1::uuid) w";
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	const char *duties[UPKEEP_DUTIES];
	size_t n = 0;
	pawl_status status;

	for (int i = 0; i < UPKEEP_DUTIES; i++)
		if (wanted[i])
			duties[n++] = names[i];
	db_param_text(params, worker);
	call_param_texts(params, duties, n);
	db_param_int(params, duty_ms);
	param_time(params, since_us);
	status =
		call_run(call, ret_work != NULL ? sql_of_work : sql, params, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) != 1)
		return error_set(error, PAWL_ERR_DATABASE, "unexpected answer of upkeep_look");
	read_seen(result, ret_seen);
	if (ret_work != NULL)
		stall_read(result, LOOK_COLUMNS, ret_work);
	return PAWL_OK;
}

pawl_status
upkeep_recover(const queue_call *call, int64_t *ret_n, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_int(params, UPKEEP_CHUNK);
	return call_run_int(call, "SELECT pawl.recover($1::int)", params, ret_n, error);
}

pawl_status
upkeep_promote(const queue_call *call, int64_t since_us, int64_t *ret_n,
               pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_int(params, UPKEEP_CHUNK);
	param_time(params, since_us);
	return call_run_int(call, "SELECT pawl.promote($1::int, " TIME(2) ")", params,
	                    ret_n, error);
}

pawl_status
upkeep_fold_batches(const queue_call *call, int64_t cursor, int n,
                    upkeep_folded *ret_folded, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status;

	db_param_int(params, cursor);
	db_param_int(params, n);
	status =
		call_run(call, "SELECT next, more FROM pawl.fold_batches($1::bigint, $2::int)",
	             params, &result, error);
	if (status != PAWL_OK)
		return status;
	if (db_rows(result) != 1)
		return error_set(error, PAWL_ERR_DATABASE, "unexpected answer of fold_batches");
	ret_folded->next = db_int(result, 0, 0);
	ret_folded->more = db_bool(result, 0, 1);
	return PAWL_OK;
}

pawl_status
upkeep_next_batch(const queue_call *call, int64_t cursor, int64_t *ret_batch,
                  pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_int(params, cursor);
	return call_run_int(call, "SELECT pawl.next_batch($1::bigint)", params, ret_batch,
	                    error);
}

pawl_status
upkeep_fold(const queue_call *call, int64_t batch, bool *ret_more, pawl_error *error)
{
	auto_params *params = db_params_new();

	db_param_int(params, batch);
	return call_run_bool(call, "SELECT pawl.fold($1::bigint) = 'more'", params,
	                     ret_more, error);
}

pawl_status
upkeep_extend_partitions(const queue_call *call, int64_t *ret_n, pawl_error *error)
{
	auto_params *params = db_params_new();

	return call_run_int(call, "SELECT pawl.extend_partitions()", params, ret_n, error);
}

pawl_status
upkeep_retain(const queue_call *call, upkeep_step *ret_step, pawl_error *error)
{
	auto_params *params = db_params_new();
	auto_result *result = NULL;
	pawl_status status =
		call_run(call, "SELECT step, part, gone, kept FROM pawl.retain()", params,
	             &result, error);

	if (status != PAWL_OK)
		return status;
	*ret_step = (upkeep_step){.gone = 0};
	if (db_rows(result) == 0)
		return PAWL_OK;
	snprintf(ret_step->name, sizeof(ret_step->name), "%s", db_text(result, 0, 0));
	snprintf(ret_step->part, sizeof(ret_step->part), "%s", db_text(result, 0, 1));
	ret_step->gone = db_int(result, 0, 2);
	ret_step->kept = db_int(result, 0, 3);
	return PAWL_OK;
}

pawl_status
upkeep_suspects_waiting(const queue_call *call, const char *const *queues,
                        size_t n_queues, const char *const *kinds, size_t n_kinds,
                        bool *ret_waiting, pawl_error *error)
{
	auto_params *params = db_params_new();

	call_param_texts(params, queues, n_queues);
	call_param_texts(params, kinds, n_kinds);
	return call_run_bool(call, "SELECT pawl.suspects_waiting($1::text[], $2::text[])",
	                     params, ret_waiting, error);
}
