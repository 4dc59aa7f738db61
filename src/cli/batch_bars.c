/*
 * batch_bars.c - see batch_bars.h
 *
 * All is written at once, between two sequences that keep long lines from wrapping: a
 * line that took two would be missed by the next drawing.  So would what the window has
 * no room for: of more stages than it has lines those are left out that have ended, and
 * then the last.  Where it is narrow bars are shorter, or left out, and names are cut, so
 * that percent, counts and the time left are seen; what comes after them is cut at the edge.
 * Ctrl-C comes before it or after it.
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
#define BAR_WIDTH_MIN 10 /* a shorter one tells nothing */
#define BAR_FRAME 3      /* the space before it, and its brackets */
#define NAME_WIDTH 12
#define NAME_WIDTH_MAX 32
#define NAME_WIDTH_MIN 4
#define SIZE_UNKNOWN 1000 /* lines and columns where nobody knows */

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

/* Places that a text takes, but for wide characters. */
static size_t
places(const buffer *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->length; i++)
		n += ((unsigned char) text->data[i] & 0xc0) != 0x80;
	return n;
}

static size_t
name_width(const char *name)
{
	auto_buffer text = BUFFER_INIT;

	append_text(&text, name);
	return places(&text);
}

/* A name in width places: filled up, or cut with a mark. */
static void
append_name(buffer *b, const char *name, size_t width)
{
	auto_buffer text = BUFFER_INIT;
	size_t n;
	size_t at = 0;

	append_text(&text, name);
	n = places(&text);
	if (n <= width)
	{
		buffer_append_bytes(b, text.data, text.length);
		for (; n < width; n++)
			buffer_append_char(b, ' ');
		return;
	}
	for (n = 0; at < text.length; at++)
	{
		if (((unsigned char) text.data[at] & 0xc0) != 0x80 && ++n == width)
			break;
	}
	buffer_append_bytes(b, text.data, at);
	buffer_append(b, "\xe2\x80\xa6");
}

static void
append_bar(buffer *b, const char *percent, size_t width)
{
	double part = percent != NULL ? strtod(percent, NULL) * (double) width / 100 : 0;

	buffer_append(b, " [");
	for (size_t i = 0; i < width; i++)
		buffer_append_char(b, i < (size_t) part ? '#' : '.');
	buffer_append_char(b, ']');
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

/* What has to be seen of a stage. */
static void
append_first(buffer *b, const char *const *stage)
{
	int64_t ended = 0;

	for (int i = STAGE_SUCCEEDED; i <= STAGE_CANCELLED; i++)
		ended += strtoll(stage[i], NULL, 10);
	if (stage[STAGE_PERCENT] != NULL)
		buffer_appendf(b, " %5s%%", stage[STAGE_PERCENT]);
	else
		buffer_append(b, "      -");
	buffer_appendf(b, "  %" PRId64 "/%s", ended, stage[STAGE_TOTAL]);
	append_left(b, stage[STAGE_ETA]);
}

/* What comes after that, and is worth a shorter bar. */
static void
append_second(buffer *b, const char *const *stage)
{
	append_rate(b, stage[STAGE_RATE]);
	append_unless_zero(b, stage[STAGE_FAILED], "failed");
	append_unless_zero(b, stage[STAGE_CANCELLED], "cancelled");
}

static void
append_stage(buffer *b, const char *const *stage, size_t name, size_t bar)
{
	append_name(b, stage[STAGE_NAME], name);
	if (bar > 0)
		append_bar(b, stage[STAGE_PERCENT], bar);
	append_first(b, stage);
	append_second(b, stage);
	if (stage[STAGE_COUNTS] != NULL && strcmp(stage[STAGE_COUNTS], "{}") != 0)
	{
		buffer_append(b, "  ");
		append_text(b, stage[STAGE_COUNTS]);
	}
	buffer_append(b, "\033[K\n");
}

/* ------------------------------------------------------------ the drawing -------- */

/* Stages from one on, so many; so wide are their names and bars (0: there are none). */
typedef struct shown_stages
{
	int from;
	int n;
	size_t name;
	size_t bar;
} shown_stages;

static struct winsize
window_size(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		size = (struct winsize){0};
	if (size.ws_row == 0)
		size.ws_row = SIZE_UNKNOWN;
	if (size.ws_col == 0)
		size.ws_col = SIZE_UNKNOWN;
	return size;
}

static bool
is_ended(const db_result *batch, int row)
{
	const char *stage[STAGE_COLUMNS];

	batch_stage_row(batch, row, stage);
	return stage[STAGE_PERCENT] != NULL && strtod(stage[STAGE_PERCENT], NULL) >= 100;
}

/* The headline has a line, and the cursor; what is left out is told on another. */
static void
choose_stages(shown_stages *shown, const db_result *batch, int lines)
{
	shown->n = db_rows(batch);
	if (shown->n > lines - 2)
	{
		shown->n = lines > 4 ? lines - 3 : 1;
		while (shown->from < db_rows(batch) - shown->n && is_ended(batch, shown->from))
			shown->from++;
	}
}

static size_t
greater(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* One width for all names, and one for all bars. */
static void
choose_widths(shown_stages *shown, const db_result *batch, size_t columns)
{
	size_t name = NAME_WIDTH;
	size_t first = 0;
	size_t second = 0;

	for (int row = shown->from; row < shown->from + shown->n; row++)
	{
		const char *stage[STAGE_COLUMNS];
		auto_buffer b = BUFFER_INIT;

		batch_stage_row(batch, row, stage);
		name = greater(name, name_width(stage[STAGE_NAME]));
		append_first(&b, stage);
		first = greater(first, b.length);
		append_second(&b, stage);
		second = greater(second, b.length);
	}
	shown->name = name < NAME_WIDTH_MAX ? name : NAME_WIDTH_MAX;
	name = shown->name + BAR_FRAME;
	if (name + BAR_WIDTH + second <= columns)
		shown->bar = BAR_WIDTH;
	else if (name + BAR_WIDTH_MIN + second <= columns)
		shown->bar = columns - name - second;
	else if (name + BAR_WIDTH_MIN + first <= columns)
		shown->bar = BAR_WIDTH_MIN;
	else if (shown->name + first > columns)
		shown->name = greater(NAME_WIDTH_MIN, columns > first ? columns - first : 0);
}

int
batch_bars_draw(const db_result *batch, int *drawn)
{
	struct winsize window = window_size();
	shown_stages shown = {.from = 0};
	auto_buffer b = BUFFER_INIT;
	int left_out;

	choose_stages(&shown, batch, window.ws_row);
	choose_widths(&shown, batch, window.ws_col);
	left_out = db_rows(batch) - shown.n;
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
		append_stage(&b, stage, shown.name, shown.bar);
	}
	if (left_out > 0)
		buffer_appendf(&b, "(%d more stages: the window is too low)\033[K\n", left_out);
	buffer_append(&b, "\033[J\033[?7h");
	if (buffer_ok(&b))
		(void) fwrite(b.data, 1, b.length, stdout);
	*drawn = 1 + shown.n + (left_out > 0);
	return output_check();
}
