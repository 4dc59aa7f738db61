/*
 * random.c - random numbers from the kernel
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/random.h"

uint64_t
random_u64(void)
{
	uint64_t value = 0;
	ssize_t got;

	/* Up to 256 bytes come whole; a signal can only interrupt an early boot. */
	do
		got = getrandom(&value, sizeof(value), 0);
	while (got < 0 && errno == EINTR);

	if (got != (ssize_t) sizeof(value))
		abort();
	return value;
}

int64_t
random_jitter(int64_t value_ms, int percent)
{
	int64_t span;

	assert(value_ms >= 0);
	assert(percent >= 0 && percent <= 100);
	span = value_ms / 100 * percent + value_ms % 100 * percent / 100;
	if (span == 0)
		return value_ms;
	return value_ms - span + (int64_t) (random_u64() % ((uint64_t) span * 2 + 1));
}
