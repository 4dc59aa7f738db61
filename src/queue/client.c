/*
 * client.c - the client of pawl.h: one connection, the verbs of an application
 *
 * Runs on the thread that opened it, which the db layer asserts.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "db/migrate.h"
#include "queue/batch.h"
#include "queue/cancel.h"
#include "queue/push.h"
#include "queue/retry.h"
#include "queue/state.h"
#include "queue/upsert.h"

/* How long one call goes on trying: the statement_timeout of one transaction. */
#define CLIENT_TRY_MS 30000

const char *
pawl_version(void)
{
	return PAWL_VERSION;
}

struct pawl_client
{
	db *db;
};

static queue_call
client_call(pawl_client *client)
{
	return (queue_call){.db = client->db,
	                    .limits = DB_LIMITS_DEFAULT,
	                    .deadline_ms = clock_ms() + CLIENT_TRY_MS};
}

pawl_status
pawl_client_open(const char *conninfo, pawl_client **ret_client, pawl_error *error)
{
	pawl_client *client = calloc(1, sizeof(*client));
	pawl_status status;

	if (client == NULL)
		return error_memory(error);
	status = db_new(conninfo != NULL ? conninfo : "", "client", "", &client->db, error);
	if (status == PAWL_OK)
		status = db_open(client->db, error);
	if (status == PAWL_OK)
		status = migrate_check(client->db, error);
	if (status != PAWL_OK)
	{
		pawl_client_close(client);
		return status;
	}
	*ret_client = client;
	return PAWL_OK;
}

void
pawl_client_close(pawl_client *client)
{
	if (client == NULL)
		return;
	db_free(client->db);
	free(client);
}

pawl_status
pawl_push(pawl_client *client, const pawl_job_spec *spec, int64_t *ret_job,
          bool *ret_created, pawl_error *error)
{
	queue_call call = client_call(client);

	return push_one(&call, spec, ret_job, ret_created, error);
}

pawl_status
pawl_push_many(pawl_client *client, const pawl_job_spec *specs, size_t n,
               int64_t *ret_jobs, bool *ret_created, pawl_error *error)
{
	queue_call call = client_call(client);

	return push_many(&call, specs, n, ret_jobs, ret_created, error);
}

pawl_status
pawl_batch_open(pawl_client *client, const pawl_batch_spec *spec, int64_t *ret_batch,
                pawl_error *error)
{
	queue_call call = client_call(client);

	return batch_open(&call, spec, ret_batch, error);
}

pawl_status
pawl_batch_seal(pawl_client *client, int64_t batch, pawl_error *error)
{
	queue_call call = client_call(client);
	auto_free char *state = NULL;

	return batch_seal(&call, batch, &state, error);
}

pawl_status
pawl_job_state(pawl_client *client, int64_t job, pawl_state *ret_state,
               pawl_error *error)
{
	queue_call call = client_call(client);

	return state_of(&call, job, ret_state, error);
}

pawl_status
pawl_cancel(pawl_client *client, int64_t job, const char *reason, pawl_state *ret_was,
            pawl_error *error)
{
	queue_call call = client_call(client);

	return cancel_job(&call, job, reason, ret_was, error);
}

pawl_status
pawl_retry(pawl_client *client, int64_t job, pawl_state *ret_was, pawl_error *error)
{
	queue_call call = client_call(client);

	return retry_job(&call, job, ret_was, error);
}

pawl_status
pawl_upsert(pawl_client *client, const pawl_upsert_spec *spec, const char *const *cells,
            size_t n, pawl_upsert_result *ret_result, pawl_error *error)
{
	return upsert_all(client->db, spec, cells, n, ret_result, error);
}
