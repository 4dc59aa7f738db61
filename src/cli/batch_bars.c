/*
 * batch_bars.c - see batch_bars.h
 *
 * All is written at once, between two sequences that keep long lines from wrapping: a
 * line that took two would be missed by the next drawing.  Ctrl-C comes before it or
 * after it.
 */
#include "cli/batch_bars.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch.h"

#define BAR_WIDTH 30
#define NAME_WIDTH 12

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
	buffer_appendf(b, "] %5s%%", percent != NULL ? percent : "?");
}

/* "  1:05 left" */
static void
append_left(buffer *b, const char *eta)
{
	int64_t seconds = eta != NULL ? strtoll(eta, NULL, 10) : 0;

	if (seconds > 0)
		buffer_appendf(b, "  %" PRId64 ":%02d left", seconds / 60,
		               (int) (seconds % 60));
}

static void
append_unless_zero(buffer *b, const char *number, const char *what)
{
	if (strcmp(number, "0") != 0)
		buffer_appendf(b, "  %s %s", number, what);
}

static void
append_stage(buffer *b, const char *const *stage)
{
	int64_t ended = 0;
	size_t from = b->length;

	for (int i = STAGE_SUCCEEDED; i <= STAGE_CANCELLED; i++)
		ended += strtoll(stage[i], NULL, 10);
	append_text(b, stage[STAGE_NAME]);
	while (buffer_ok(b) && b->length < from + NAME_WIDTH)
		buffer_append_char(b, ' ');
	buffer_append_char(b, ' ');
	append_bar(b, stage[STAGE_PERCENT]);
	buffer_appendf(b, "  %" PRId64 "/%s", ended, stage[STAGE_TOTAL]);
	append_unless_zero(b, stage[STAGE_FAILED], "failed");
	append_unless_zero(b, stage[STAGE_CANCELLED], "cancelled");
	if (stage[STAGE_RATE] != NULL)
		buffer_appendf(b, "  %s/s", stage[STAGE_RATE]);
	append_left(b, stage[STAGE_ETA]);
	if (stage[STAGE_COUNTS] != NULL && strcmp(stage[STAGE_COUNTS], "{}") != 0)
	{
		buffer_append(b, "  ");
		append_text(b, stage[STAGE_COUNTS]);
	}
	buffer_append(b, "\033[K\n");
}

int
batch_bars_draw(const db_result *batch, int *drawn)
{
	auto_buffer b = BUFFER_INIT;

	if (*drawn > 0)
		buffer_appendf(&b, "\033[%dA\r", *drawn);
	buffer_append(&b, "\033[?7l");
	append_text(&b, db_text(batch, 0, BATCH_NAME));
	buffer_appendf(&b, " (batch %s): %s\033[K\n", db_text(batch, 0, BATCH_ID),
	               db_text(batch, 0, BATCH_STATE));
	for (int row = 0; row < db_rows(batch); row++)
	{
		const char *stage[STAGE_COLUMNS];

		batch_stage_row(batch, row, stage);
		append_stage(&b, stage);
	}
	buffer_append(&b, "\033[?7h");
	if (buffer_ok(&b))
		(void) fwrite(b.data, 1, b.length, stdout);
	*drawn = 1 + db_rows(batch);
	return output_check();
}
