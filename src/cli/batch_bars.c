/*
 * batch_bars.c - see batch_bars.h
 *
 * All is written at once, between two sequences that keep long lines from wrapping: a
 * line that took two would be missed by the next drawing.  So would what the window has
 * no room for: of more stages than it has lines those are left out that have ended, and
 * then the last.  Ctrl-C comes before it or after it.
 */
#include "cli/batch_bars.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/batch.h"

#define BAR_WIDTH 30
#define NAME_WIDTH 12
#define NAME_WIDTH_MAX 32 /* a longer one moves its own bar alone */

/* Text of somebody else's on one line. */
static void
append_text(buffer *b, const char *text)
{
	size_t from = b->length;

	output_printable(b, text);
	for (size_t i = from; buffer_ok(b) && i < b->length; i++)
	{
		if (b->data[i] == '\n')
			b->data[i] = ' ';
	}
}

static void
append_bar(buffer *b, const char *percent)
{
	int filled = percent != NULL ? (int) (strtod(percent, NULL) * BAR_WIDTH / 100) : 0;

	buffer_append_char(b, '[');
	for (int i = 0; i < BAR_WIDTH; i++)
		buffer_append_char(b, i < filled ? '#' : '.');
	if (percent != NULL)
		buffer_appendf(b, "] %5s%%", percent);
	else
		buffer_append(b, "]      -");
}

/* Three digits of the ends a second, lately; nothing at rest. */
static void
append_rate(buffer *b, const char *rate)
{
	double ends = rate != NULL ? strtod(rate, NULL) : 0;

	if (ends > 0)
		buffer_appendf(b, "  %.*f/s", ends < 10 ? 2 : ends < 100 ? 1 : 0, ends);
}

/* "  1:05 left", "  2:01:05 left" */
static void
append_left(buffer *b, const char *eta)
{
	int64_t seconds = eta != NULL ? strtoll(eta, NULL, 10) : 0;

	if (seconds >= 3600)
		buffer_appendf(b, "  %" PRId64 ":%02d:%02d left", seconds / 3600,
		               (int) (seconds / 60 % 60), (int) (seconds % 60));
	else if (seconds > 0)
		buffer_appendf(b, "  %d:%02d left", (int) (seconds / 60), (int) (seconds % 60));
}

static void
append_unless_zero(buffer *b, const char *number, const char *what)
{
	if (strcmp(number, "0") != 0)
		buffer_appendf(b, "  %s %s", number, what);
}

/* Places that a name takes, but for wide characters. */
static size_t
name_width(const char *name)
{
	auto_buffer b = BUFFER_INIT;
	size_t width = 0;

	append_text(&b, name);
	for (size_t i = 0; buffer_ok(&b) && i < b.length; i++)
		width += ((unsigned char) b.data[i] & 0xc0) != 0x80;
	return width;
}

static void
append_stage(buffer *b, const char *const *stage, size_t width)
{
	int64_t ended = 0;

	for (int i = STAGE_SUCCEEDED; i <= STAGE_CANCELLED; i++)
		ended += strtoll(stage[i], NULL, 10);
	append_text(b, stage[STAGE_NAME]);
	for (size_t i = name_width(stage[STAGE_NAME]); i < width; i++)
		buffer_append_char(b, ' ');
	buffer_append_char(b, ' ');
	append_bar(b, stage[STAGE_PERCENT]);
	buffer_appendf(b, "  %" PRId64 "/%s", ended, stage[STAGE_TOTAL]);
	append_unless_zero(b, stage[STAGE_FAILED], "failed");
	append_unless_zero(b, stage[STAGE_CANCELLED], "cancelled");
	append_rate(b, stage[STAGE_RATE]);
	append_left(b, stage[STAGE_ETA]);
	if (stage[STAGE_COUNTS] != NULL && strcmp(stage[STAGE_COUNTS], "{}") != 0)
	{
		buffer_append(b, "  ");
		append_text(b, stage[STAGE_COUNTS]);
	}
	buffer_append(b, "\033[K\n");
}

/* ------------------------------------------------------------ the drawing -------- */

/* Stages from one on, so many, and their names so wide. */
typedef struct shown_stages
{
	int from;
	int n;
	size_t width;
} shown_stages;

/* Lines of the window; a great number where nobody knows. */
static int
window_lines(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
		return 1000;
	return size.ws_row;
}

static bool
is_ended(const db_result *batch, int row)
{
	const char *stage[STAGE_COLUMNS];

	batch_stage_row(batch, row, stage);
	return stage[STAGE_PERCENT] != NULL && strtod(stage[STAGE_PERCENT], NULL) >= 100;
}

/* The headline has a line, and the cursor; what is left out is told on another. */
static shown_stages
choose_stages(const db_result *batch)
{
	int lines = window_lines();
	shown_stages shown = {.n = db_rows(batch), .width = NAME_WIDTH};

	if (shown.n > lines - 2)
	{
		shown.n = lines > 4 ? lines - 3 : 1;
		while (shown.from < db_rows(batch) - shown.n && is_ended(batch, shown.from))
			shown.from++;
	}
	for (int row = shown.from; row < shown.from + shown.n; row++)
	{
		const char *stage[STAGE_COLUMNS];
		size_t width;

		batch_stage_row(batch, row, stage);
		width = name_width(stage[STAGE_NAME]);
		if (width > shown.width)
			shown.width = width < NAME_WIDTH_MAX ? width : NAME_WIDTH_MAX;
	}
	return shown;
}

int
batch_bars_draw(const db_result *batch, int *drawn)
{
	shown_stages shown = choose_stages(batch);
	int left_out = db_rows(batch) - shown.n;
	auto_buffer b = BUFFER_INIT;

	if (*drawn > 0)
		buffer_appendf(&b, "\033[%dA\r", *drawn);
	buffer_append(&b, "\033[?7l");
	append_text(&b, db_text(batch, 0, BATCH_NAME));
	buffer_appendf(&b, " (batch %s): %s\033[K\n", db_text(batch, 0, BATCH_ID),
	               db_text(batch, 0, BATCH_STATE));
	for (int row = shown.from; row < shown.from + shown.n; row++)
	{
		const char *stage[STAGE_COLUMNS];

		batch_stage_row(batch, row, stage);
		append_stage(&b, stage, shown.width);
	}
	if (left_out > 0)
		buffer_appendf(&b, "(%d more stages: the window is too low)\033[K\n", left_out);
	buffer_append(&b, "\033[J\033[?7h");
	if (buffer_ok(&b))
		(void) fwrite(b.data, 1, b.length, stdout);
	*drawn = 1 + shown.n + (left_out > 0);
	return output_check();
}
