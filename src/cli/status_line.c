/*
 * status_line.c - see status_line.h
 *
 * The main thread is inside pawl_worker_run, and threads belong to the worker alone,
 * so a timer interrupts it: the signal goes to this thread only, and its handler does
 * nothing but read counters that are atomic, and write.  Where no timer can be had
 * there is no line.
 */
#include "cli/status_line.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/talk.h"
#include "worker/stats.h"

/* Set before the timer is. */
static pawl_worker *volatile shown_worker;
static timer_t timer;

/* Append text, or a number: what snprintf does, but safe in a signal handler. */
static size_t
put_text(char *line, size_t at, const char *text)
{
	size_t length = strlen(text);

	memcpy(line + at, text, length);
	return at + length;
}

static size_t
put_number(char *line, size_t at, int64_t number)
{
	char digits[24];
	size_t n = sizeof(digits);

	do
	{
		digits[--n] = (char) ('0' + number % 10);
		number /= 10;
	} while (number > 0);
	memcpy(line + at, digits + n, sizeof(digits) - n);
	return at + sizeof(digits) - n;
}

/* Claimed and not settled yet; the counters are of slightly different moments. */
static int64_t
in_hand(const worker_stats *s)
{
	int64_t settled =
		s->succeeded + s->failed + s->snoozed + s->released + s->cancelled + s->stale;

	return s->claimed > settled ? s->claimed - settled : 0;
}

static void
show(int number)
{
	int saved = errno;
	worker_stats stats;
	char line[256];
	size_t at = 0;
	ssize_t written;

	(void) number;
	worker_stats_read(shown_worker, &stats);
	at = put_text(line, at, "\r\033[K");
	at = put_number(line, at, in_hand(&stats));
	at = put_text(line, at, " in hand, ");
	at = put_number(line, at, stats.succeeded);
	at = put_text(line, at, " succeeded, ");
	at = put_number(line, at, stats.failed);
	at = put_text(line, at, " failed");
	written = write(STDERR_FILENO, line, at);
	(void) written;
	errno = saved;
}

void
status_line_begin(pawl_worker *worker)
{
	struct sigaction action = {.sa_handler = show, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	struct itimerspec each_second = {{1, 0}, {1, 0}};

	if (!talk_terminal())
		return;
	event._sigev_un._tid = gettid();
	(void) sigemptyset(&action.sa_mask);
	if (sigaction(SIGALRM, &action, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
		return;
	shown_worker = worker;
	if (timer_settime(timer, 0, &each_second, NULL) != 0)
		status_line_end();
}

void
status_line_end(void)
{
	ssize_t written;

	if (shown_worker == NULL)
		return;
	(void) timer_delete(timer);
	(void) signal(SIGALRM, SIG_IGN);
	shown_worker = NULL;
	written = write(STDERR_FILENO, "\r\033[K", 4);
	(void) written;
}
