/*
 * output.c - what an exec handler's program prints, as log lines of its job
 */
#include "handler/output.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"

#define MARK_ROOM 48 /* "... [10485760 bytes cut]" */

/* Bytes of text up to `length` that do not end within a character. */
static size_t
whole_characters(const char *text, size_t length)
{
	size_t start = length;

	while (start > 0 && length - start < 3 &&
	       ((unsigned char) text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && (unsigned char) text[start - 1] >= 0xC0)
		return start - 1;
	return length;
}

/* Of a line for which there was no memory nothing is kept. */
static void
log_cut(output *o, const char *line, size_t kept, size_t length)
{
	const size_t most = LIMIT_LOG_LINE - MARK_ROOM;
	size_t part = whole_characters(line, kept < most ? kept : most);
	auto_buffer text = BUFFER_INIT;

	buffer_append_bytes(&text, line, part);
	buffer_appendf(&text, "... [%zu bytes cut]", length - part);
	if (buffer_ok(&text))
		pawl_context_log(o->context, o->level, text.data, text.length, NULL);
}

/* An empty line is one, too: it parts what a program prints. */
static void
log_line(const char *line, size_t kept, size_t length, void *closure)
{
	output *o = closure;

	if (kept < length)
	{
		log_cut(o, line, kept, length);
		return;
	}
	if (kept > 0 && line[kept - 1] == '\r')
		kept--;
	pawl_context_log(o->context, o->level, line, kept, NULL);
}

void
output_init(output *o, pawl_context *context, pawl_level level)
{
	*o = (output){
		.context = context,
		.level = level,
		.lines = {.limit = LIMIT_LOG_LINE, .callback = log_line, .closure = o},
	};
}

static void
keep_tail(output *o, const char *bytes, size_t count)
{
	size_t old = o->tail_length;

	if (count > LIMIT_TAIL)
	{
		bytes += count - LIMIT_TAIL;
		count = LIMIT_TAIL;
	}
	if (old + count > LIMIT_TAIL)
	{
		memmove(o->tail, o->tail + (old + count - LIMIT_TAIL), LIMIT_TAIL - count);
		old = LIMIT_TAIL - count;
	}
	memcpy(o->tail + old, bytes, count);
	o->tail_length = old + count;
}

void
output_add(output *o, const char *bytes, size_t count)
{
	keep_tail(o, bytes, count);
	lines_add(&o->lines, bytes, count);
}

void
output_end(output *o)
{
	lines_end(&o->lines);
}

void
output_free(output *o)
{
	lines_free(&o->lines);
}

void
output_tail(const output *o, buffer *out)
{
	const char *begin = o->tail;
	const char *end = o->tail + o->tail_length;

	while (end > begin && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	if (o->tail_length == LIMIT_TAIL)
	{
		const char *newline = memchr(begin, '\n', (size_t) (end - begin));

		begin = newline == NULL ? begin : newline + 1;
	}
	if (end > begin)
		text_escape(out, begin, (size_t) (end - begin), LIMIT_ERROR_TEXT / 2);
}
