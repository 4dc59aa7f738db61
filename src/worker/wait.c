/*
 * wait.c - see wait.h; used by every thread of the worker
 */
#include "worker/wait.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* A pause longer than this is waited for in pieces: no overflow of a timespec. */
#define LONGEST_MS (3600 * 1000)

void
wait_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

void
wait_cond(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
	struct timespec end;
	int64_t left_ms;

	if (deadline_ms == CLOCK_NEVER)
	{
		pthread_cond_wait(cond, mutex);
		return;
	}
	left_ms = deadline_ms - clock_ms();
	if (left_ms <= 0)
		return;
	if (left_ms > LONGEST_MS)
		left_ms = LONGEST_MS;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += left_ms / 1000;
	end.tv_nsec += left_ms % 1000 * 1000000;
	if (end.tv_nsec >= 1000000000)
	{
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(cond, mutex, &end);
}

int
wait_event_new(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void
wait_event_ring(int fd)
{
	int saved = errno;
	uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof(one));

	/* EAGAIN: rung 2^64 - 2 times already, so it is readable */
	(void) written;
	errno = saved;
}

uint64_t
wait_event_drain(int fd)
{
	uint64_t count = 0;
	ssize_t got = read(fd, &count, sizeof(count));

	assert(got == (ssize_t) sizeof(count) || errno == EAGAIN || errno == EINTR);
	return got == (ssize_t) sizeof(count) ? count : 0;
}
