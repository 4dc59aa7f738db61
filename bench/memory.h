/*
 * memory.h - the most memory that this process has had
 *
 * From /proc: what getrusage says begins with the memory of the parent that forked us.
 */
#ifndef PAWL_BENCH_MEMORY_H
#define PAWL_BENCH_MEMORY_H

#include <stdio.h>

static inline long
peak_kib(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long kib = 0;

	while (status != NULL && kib == 0 && fgets(line, sizeof line, status) != NULL)
		sscanf(line, "VmHWM: %ld", &kib);
	if (status != NULL)
		fclose(status);
	return kib;
}

#endif /* PAWL_BENCH_MEMORY_H */
