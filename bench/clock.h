/*
 * clock.h - the clock that every program of the benchmark reads
 *
 * CLOCK_MONOTONIC is one for all processes of a machine: what the pusher stamps and
 * what the handler stamps in another process can be subtracted.  Node's
 * process.hrtime and Python's time.monotonic read the same clock.
 */
#ifndef PAWL_BENCH_CLOCK_H
#define PAWL_BENCH_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000LL

static inline int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * NS_PER_S + now.tv_nsec;
}

static inline double
seconds_since(int64_t start_ns)
{
	return (double) (now_ns() - start_ns) / (double) NS_PER_S;
}

static inline void
sleep_until(int64_t time_ns)
{
	struct timespec until = {(time_t) (time_ns / NS_PER_S),
	                         (long) (time_ns % NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

#endif /* PAWL_BENCH_CLOCK_H */
