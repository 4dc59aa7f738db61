/*
 * clock_offset.c - a wall clock that is wrong, for the program that preloads this
 *
 * LD_PRELOAD it, with the path of a file of eight bytes in PAWL_TEST_CLOCK: the seconds
 * by which the clock is ahead, in the machine's own order of bytes.  The file is mapped:
 * who writes it sets the clock of the running program.  Clocks that nobody can set
 * (CLOCK_MONOTONIC, CLOCK_BOOTTIME) stay as they are.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void
map_offset(void)
{
	const char *path = getenv("PAWL_TEST_CLOCK");
	int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void *mapped = MAP_FAILED;

	if (file >= 0)
	{
		mapped = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, file, 0);
		close(file);
	}
	if (mapped != MAP_FAILED)
		ahead = mapped;
}

static int64_t
offset(void)
{
	return ahead == NULL ? 0 : *ahead;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	long failed = syscall(SYS_clock_gettime, clock, now);

	if (failed == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += offset();
	return (int) failed;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec exact;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &exact);
	now->tv_sec = exact.tv_sec;
	now->tv_usec = exact.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *now)
{
	struct timespec exact;

	clock_gettime(CLOCK_REALTIME, &exact);
	if (now != NULL)
		*now = exact.tv_sec;
	return exact.tv_sec;
}
