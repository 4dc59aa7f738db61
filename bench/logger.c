/*
 * logger.c - a worker whose handler talks
 *
 *	logger RATE LINES	log so many lines of a job, RATE in a second, or until stdin ends;
 *						after a 0 on stdin it is silent, until a 1
 *
 * Works on jobs of kind "talk" in queue "talk" until none is ready.  The last line on
 * stdout says how many lines were logged, and the seconds from the first one to the
 * worker's end, so that what the log writer still had is stored.  Each line has some 80
 * bytes.  Links against libpawl; connects by the PG* variables.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <pawl.h>

#include "clock.h"
#include "memory.h"
#include "report.h"

#define TURN_NS (NS_PER_S / 500) /* between two looks at the clock */

typedef struct logger
{
	int64_t rate;
	int64_t most;
	int64_t logged;
	int64_t first_ns;
	atomic_bool silent;
	atomic_bool ended;
} logger;

static void
tell(pawl_level level, const char *message, void *closure)
{
	(void) closure;
	if (level >= PAWL_WARN)
		fprintf(stderr, "logger: %s\n", message);
}

static void
log_line(pawl_context *context, int64_t n)
{
	char line[128];
	int length = snprintf(line, sizeof line,
	                      "line %lld of a handler that has much to tell, and does it in"
	                      " eighty bytes a line",
	                      (long long) n);

	pawl_context_log(context, PAWL_INFO, line, (size_t) length, NULL);
}

static pawl_verdict
handle(pawl_context *context, const pawl_job *job, void *closure)
{
	logger *self = closure;
	int64_t next_ns = now_ns();
	int64_t since_ns = next_ns; /* the pace: RATE from then on, */
	int64_t before = 0;         /* after so many */

	(void) job;
	self->first_ns = next_ns;
	while (self->logged < self->most && !atomic_load(&self->ended))
	{
		int64_t due;

		if (atomic_load(&self->silent))
		{
			since_ns = now_ns();
			before = self->logged;
		}
		due = before + self->rate * (now_ns() - since_ns) / NS_PER_S;
		while (self->logged < due && self->logged < self->most)
			log_line(context, self->logged++);
		next_ns += TURN_NS;
		sleep_until(next_ns);
	}
	return PAWL_COMPLETE;
}

static void *
heed_stdin(void *argument)
{
	logger *self = argument;
	int byte;

	while ((byte = getchar()) != EOF)
		atomic_store(&self->silent, byte == '0');
	atomic_store(&self->ended, true);
	return NULL;
}

static int
run(logger *self)
{
	static const char *const queues[] = {"talk", NULL};
	pawl_worker_options options = PAWL_WORKER_OPTIONS_INIT;
	pawl_worker *worker;
	pawl_error error;
	pthread_t thread;

	options.executors = 1;
	options.once = true;
	options.queues = queues;
	options.notice = tell;
	if (pthread_create(&thread, NULL, heed_stdin, self) != 0)
		abort();
	pthread_detach(thread);
	if (pawl_worker_new(&options, &worker, &error) != PAWL_OK)
		return report("make a worker", &error);
	if (pawl_worker_handle(worker, "talk", handle, self, &error) != PAWL_OK ||
	    pawl_worker_run(worker, &error) != PAWL_OK)
		return report("run", &error);
	pawl_worker_free(worker);
	printf("{\"lines\": %lld, \"seconds\": %.6f, \"peak_kib\": %ld}\n",
	       (long long) self->logged, seconds_since(self->first_ns), peak_kib());
	return 0;
}

int
main(int argc, char **argv)
{
	static logger self;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3)
	{
		self.rate = strtoll(argv[1], NULL, 10);
		self.most = strtoll(argv[2], NULL, 10);
	}
	if (self.rate <= 0 || self.most <= 0)
		return fprintf(stderr, "usage: logger RATE LINES\n"), 2;
	return run(&self);
}
