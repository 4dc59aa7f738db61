/*
 * spawn.c - a bare posix_spawn loop: what `exec` handlers are measured against
 *
 *	spawn N CONCURRENCY PROGRAM [ARGUMENT...]
 *
 * Runs PROGRAM N times, at most CONCURRENCY at a time, with stdin from /dev/null, and
 * prints a line of JSON: how many ended with status 0, and the seconds it took.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

int
main(int argc, char **argv)
{
	long n = argc > 3 ? strtol(argv[1], NULL, 10) : 0;
	long concurrency = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
	long started = 0, ended = 0, good = 0;
	posix_spawn_file_actions_t actions;
	int64_t start_ns = now_ns();

	if (n <= 0 || concurrency <= 0)
	{
		fprintf(stderr, "usage: spawn N CONCURRENCY PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	while (ended < n)
	{
		int status, failed = 0;
		pid_t pid;

		if (started < n && started - ended < concurrency)
		{
			failed = posix_spawn(&pid, argv[3], &actions, NULL, argv + 3, environ);
			started++;
		}
		else
		{
			if (wait(&status) < 0)
				break;
			good += status == 0;
			ended++;
		}
		if (failed != 0)
		{
			fprintf(stderr, "spawn: could not start \"%s\": %s\n", argv[3],
			        strerror(failed));
			return 1;
		}
	}
	posix_spawn_file_actions_destroy(&actions);
	printf("{\"handled\": %ld, \"seconds\": %.6f}\n", good, seconds_since(start_ns));
	return good == n ? 0 : 1;
}
