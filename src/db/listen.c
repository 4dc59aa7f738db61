/*
 * listen.c - LISTEN, and waiting for a notification
 *
 * An accelerator: behind a pooler in transaction mode nothing may ever come, and
 * nothing depends on it.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "db/listen.h"
#include "db/txn.h"

/* PostgreSQL's NAMEDATALEN - 1. */
#define CHANNEL_LENGTH_MAX 63

/* To the n channels from the first on, in one transaction. */
static pawl_status
listen_to(db *conn, int first, int n, pawl_error *error)
{
	char sql[sizeof("LISTEN \"\"") + CHANNEL_LENGTH_MAX];
	pawl_status status = PAWL_OK;

	txn_start(conn, &DB_LIMITS_DEFAULT);
	for (int i = first; i < first + n && status == PAWL_OK; i++)
	{
		snprintf(sql, sizeof(sql), "LISTEN \"%s\"", conn->channels[i]);
		status = txn_exec(conn, sql, NULL, NULL, error);
	}
	if (status == PAWL_OK)
		status = txn_commit(conn, clock_ms(), error);
	return status;
}

pawl_status
listen_renew(db *conn, pawl_error *error)
{
	pawl_status status = PAWL_OK;

	if (conn->channel_count > 0)
		status = listen_to(conn, 0, conn->channel_count, error);
	if (status != PAWL_OK)
		db_close(conn); /* without its ears it is not what was asked for */
	return status;
}

/* Its index; channel_count when it is not known yet. */
static int
find_channel(const db *conn, const char *channel)
{
	int i = 0;

	while (i < conn->channel_count && strcmp(conn->channels[i], channel) != 0)
		i++;
	return i;
}

pawl_status
db_listen(db *conn, const char *channel, pawl_error *error)
{
	bool was_open = db_is_open(conn);
	pawl_status status;

	ASSERT_OWNER(conn);
	assert(strlen(channel) <= CHANNEL_LENGTH_MAX && strchr(channel, '"') == NULL);
	if (find_channel(conn, channel) == conn->channel_count)
	{
		char *copy = strdup(channel);

		assert(conn->channel_count < CHANNELS_MAX);
		if (copy == NULL)
			return error_memory(error);
		conn->channels[conn->channel_count++] = copy;
	}
	status = connection_ready(conn, CLOCK_NEVER, error);
	if (status == PAWL_OK && was_open)
		status = listen_to(conn, find_channel(conn, channel), 1, error);
	return status;
}

/* ---------------------------------------------------------------- waiting ------- */

/* Read what the server has sent; false when it has hung up. */
static bool
hear(db *conn)
{
	if (PQconsumeInput(conn->pg) != 1)
		return false;
	connection_drain(conn);
	return PQstatus(conn->pg) == CONNECTION_OK;
}

/* Tell a notification once. */
static bool
take_notified(db *conn)
{
	bool notified = conn->notified;

	conn->notified = false;
	return notified;
}

pawl_status
db_wait(db *conn, int wake_fd, int64_t deadline_ms, bool *ret_notified,
        pawl_error *error)
{
	struct pollfd fds[2] = {{.fd = wake_fd, .events = POLLIN}, {.fd = -1}};

	ASSERT_OWNER(conn);
	assert(conn->state == DB_IDLE || conn->state == DB_CLOSED);
	assert(wake_fd >= 0 || deadline_ms != CLOCK_NEVER || conn->pg != NULL);
	while (!conn->notified)
	{
		int ready;

		fds[1] = (struct pollfd){.fd = conn->pg != NULL ? PQsocket(conn->pg) : -1,
		                         .events = POLLIN};
		ready = poll(fds, 2, clock_poll_ms(deadline_ms));
		if (ready < 0 && errno != EINTR)
			return error_set(error, PAWL_ERR_SYSTEM, "could not wait: %m");
		assert(ready <= 0 || (fds[0].revents & POLLNVAL) == 0);
		if (ready > 0 && fds[1].revents != 0 && !hear(conn))
		{
			db_close(conn);
			break;
		}
		if ((ready > 0 && fds[0].revents != 0) || clock_ms() >= deadline_ms)
			break;
	}
	*ret_notified = take_notified(conn);
	return PAWL_OK;
}
