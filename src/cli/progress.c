/*
 * progress.c - see progress.h; main thread alone
 */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/talk.h"

#define BAR_WIDTH 30
#define INTERVAL_MS 100

void
progress_begin(progress *p)
{
	*p = (progress){0};
	p->shown = talk_terminal() && isatty(STDOUT_FILENO) != 1;
	p->start_ms = clock_ms();
}

/* "  1:05 left": by the rate so far; nothing in the first second. */
static void
remaining(const progress *p, int64_t done, int64_t total, char *ret_text, size_t size)
{
	int64_t spent_ms = clock_ms() - p->start_ms;
	int64_t left_s;

	ret_text[0] = '\0';
	if (spent_ms < 1000 || done == 0)
		return;
	left_s =
		(int64_t) ((double) spent_ms * (double) (total - done) / (double) done / 1000);
	(void) snprintf(ret_text, size, "  %" PRId64 ":%02d left", left_s / 60,
	                (int) (left_s % 60));
}

void
progress_show(progress *p, int64_t done, int64_t total, const char *text)
{
	char bar[BAR_WIDTH + 1];
	char left[64];
	int filled;

	if (!p->shown || clock_ms() < p->next_ms)
		return;
	p->next_ms = clock_ms() + INTERVAL_MS;
	if (total <= 0 || done > total)
	{
		(void) fprintf(stderr, "\r\033[K%s", text);
		(void) fflush(stderr);
		return;
	}
	filled = (int) (done * BAR_WIDTH / total);
	memset(bar, '#', (size_t) filled);
	memset(bar + filled, '.', (size_t) (BAR_WIDTH - filled));
	bar[BAR_WIDTH] = '\0';
	remaining(p, done, total, left, sizeof(left));
	(void) fprintf(stderr, "\r\033[K%s  [%s] %3d%%%s", text, bar,
	               (int) (done * 100 / total), left);
	(void) fflush(stderr);
}

void
progress_end(progress *p)
{
	if (!p->shown)
		return;
	(void) fputs("\r\033[K", stderr);
	(void) fflush(stderr);
	p->shown = false;
}
