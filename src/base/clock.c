/*
 * clock.c - the two clocks
 */
#include <assert.h>
#include <limits.h>
#include <time.h>

#include "base/clock.h"

static int64_t
read_us(clockid_t clock)
{
	struct timespec now;
	int failed = clock_gettime(clock, &now);

	/* Fails only for a clock that the kernel does not have: ours are of 2011. */
	assert(failed == 0);
	(void) failed;
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_us(void)
{
	return read_us(CLOCK_BOOTTIME);
}

int64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t
clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

int
clock_poll_ms(int64_t deadline_ms)
{
	int64_t now = clock_ms();

	if (deadline_ms == CLOCK_NEVER)
		return -1;
	if (deadline_ms <= now)
		return 0;
	if (deadline_ms - now > INT_MAX)
		return INT_MAX;
	return (int) (deadline_ms - now);
}
