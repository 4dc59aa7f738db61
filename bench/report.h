/*
 * report.h - what a program of the benchmark says on stderr when something goes wrong
 */
#ifndef PAWL_BENCH_REPORT_H
#define PAWL_BENCH_REPORT_H

#include <errno.h>
#include <stdio.h>

#include <pawl.h>

/* Answers the exit code. */
static inline int
report(const char *what, const pawl_error *error)
{
	fprintf(stderr, "%s: could not %s: %s %s\n", program_invocation_short_name, what,
	        error->message, error->sqlstate);
	return 1;
}

#endif
