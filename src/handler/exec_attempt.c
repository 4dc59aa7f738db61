/*
 * exec_attempt.c - attend the program of an attempt until its end
 *
 * Runs on the thread that calls the handler.  One poll waits for all that may happen: the program's
 * end, its four pipes, an interrupt, the timeout, the end of the grace, the guard's
 * death.
 */
#include "handler/exec_attempt.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"

#define CHUNK (16 * 1024)      /* read at once */
#define LEFT_MAX (1024 * 1024) /* read after the end: the largest pipe there is */
#define GUARD_RETRY_MS 1000    /* when no guard could be forked */

typedef enum watched
{
	WATCH_IN, /* the first four are the program's descriptors */
	WATCH_OUT,
	WATCH_ERR,
	WATCH_MESSAGES,
	WATCH_PROCESS,
	WATCH_INTERRUPT,
	WATCH_GUARD,
	WATCH_COUNT
} watched;

static_assert(WATCH_MESSAGES == LAUNCH_FDS - 1, "the pipes come first");

/* ------------------------------------------------------------ pipes -------------- */

/* Writes what the pipe takes; closes it after the last byte. */
void
exec_feed(run *r)
{
	ssize_t put = write(r->child.ours[WATCH_IN], r->payload + r->payload_sent,
	                    r->payload_length - r->payload_sent);

	if (put >= 0)
		r->payload_sent += (size_t) put;
	if (r->payload_sent == r->payload_length ||
	    (put < 0 && errno != EAGAIN && errno != EINTR))
		child_end_input(&r->child);
}

/* Hands one chunk on; false when there is none. */
static bool
take_chunk(run *r, watched which)
{
	char chunk[CHUNK];
	ssize_t got = read(r->child.ours[which], chunk, sizeof(chunk));

	if (got > 0 && which == WATCH_OUT)
		output_add(&r->out, chunk, (size_t) got);
	else if (got > 0 && which == WATCH_ERR)
		output_add(&r->err, chunk, (size_t) got);
	else if (got > 0)
		lines_add(&r->message_lines, chunk, (size_t) got);
	return got > 0;
}

/*
 * What the program wrote before it ended is in the pipe by now.  A process that
 * escaped may go on writing; the bound is for that.
 */
static void
take_rest(run *r, watched which)
{
	for (int i = 0; i < LEFT_MAX / CHUNK && take_chunk(r, which); i++)
	{
		/* the next one */
	}
}

void
exec_take_rest(run *r)
{
	take_rest(r, WATCH_OUT);
	take_rest(r, WATCH_ERR);
	take_rest(r, WATCH_MESSAGES);
	output_end(&r->out);
	output_end(&r->err);
	lines_end(&r->message_lines);
}

/* ------------------------------------------------------------ loop --------------- */

/* SIGTERM and the grace; only the first reason counts. */
static void
tell_to_end(run *r, stop why)
{
	if (r->stop != STOP_NONE)
		return;
	r->stop = why;
	r->timeout_at_ms = CLOCK_NEVER;
	r->kill_at_ms = clock_ms() + r->spec->grace_ms;
	child_signal(&r->child, SIGTERM);
}

static void
check_clock(run *r)
{
	int64_t now_ms = clock_ms();

	if (now_ms >= r->timeout_at_ms)
		tell_to_end(r, STOP_TIMEOUT);
	if (now_ms >= r->kill_at_ms)
	{
		r->kill_at_ms = CLOCK_NEVER;
		child_signal(&r->child, SIGKILL);
	}
	if (now_ms >= r->guard_retry_ms)
		r->guard_retry_ms = guard_renew(r->spec->guard, NULL) == PAWL_OK
		                        ? CLOCK_NEVER
		                        : now_ms + GUARD_RETRY_MS;
}

static void
check_interrupt(run *r)
{
	switch (pawl_context_interrupted(r->context))
	{
		case PAWL_RUNNING_ON:
			break;
		case PAWL_TIMED_OUT:
			tell_to_end(r, STOP_TIMEOUT);
			break;
		case PAWL_CANCELLED:
		case PAWL_LEASE_LOST:
		case PAWL_DRAINING:
			tell_to_end(r, STOP_INTERRUPT);
			break;
	}
}

static int64_t
next_deadline(const run *r)
{
	int64_t next_ms =
		r->timeout_at_ms < r->kill_at_ms ? r->timeout_at_ms : r->kill_at_ms;

	return r->guard_retry_ms < next_ms ? r->guard_retry_ms : next_ms;
}

static void
fill_watched(const run *r, struct pollfd *fds)
{
	bool stopping = r->stop != STOP_NONE;

	for (int i = WATCH_IN; i <= WATCH_MESSAGES; i++)
		fds[i] = (struct pollfd){r->child.ours[i], i == WATCH_IN ? POLLOUT : POLLIN, 0};
	fds[WATCH_PROCESS] = (struct pollfd){r->child.process, POLLIN, 0};
	fds[WATCH_INTERRUPT] = (struct pollfd){
		stopping ? -1 : pawl_context_interrupt_fd(r->context), POLLIN, 0};
	fds[WATCH_GUARD] = (struct pollfd){guard_fd(r->spec->guard), POLLIN, 0};
}

static void
handle(run *r, const struct pollfd *fds)
{
	if (fds[WATCH_IN].revents != 0)
		exec_feed(r);
	for (int i = WATCH_OUT; i <= WATCH_MESSAGES; i++)
	{
		if (fds[i].revents != 0)
			(void) take_chunk(r, (watched) i);
	}
	if (fds[WATCH_INTERRUPT].revents != 0)
		check_interrupt(r);
	if (fds[WATCH_GUARD].revents != 0)
		r->guard_retry_ms = 0;
}

void
exec_attend(run *r)
{
	struct pollfd fds[WATCH_COUNT];

	for (;;)
	{
		fill_watched(r, fds);
		if (poll(fds, WATCH_COUNT, clock_poll_ms(next_deadline(r))) > 0)
			handle(r, fds);
		if (fds[WATCH_PROCESS].revents != 0)
			return;
		check_clock(r);
	}
}
