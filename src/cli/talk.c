/*
 * talk.c - what the program tells people, on stderr
 *
 * Each message is built in memory and written at once, so that lines of several
 * threads do not mix.  On a terminal the line under the cursor (progress.c) is cleared
 * first.  A failure to write is ignored: there is nobody left to tell.
 */
#include "cli/talk.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/output.h"

/* Set once by main, before there are threads. */
static bool quiet_wanted;

static atomic_uint told;

void
talk_quiet(bool quiet)
{
	quiet_wanted = quiet;
}

bool
talk_terminal(void)
{
	return !quiet_wanted && isatty(STDERR_FILENO) == 1;
}

/* One write of the whole. */
static void
say(const buffer *b)
{
	if (!buffer_ok(b) || b->data == NULL)
		return;
	if (talk_terminal())
		(void) fprintf(stderr, "\r\033[K%s", b->data);
	else
		(void) fputs(b->data, stderr);
	(void) fflush(stderr);
	told++;
}

unsigned
talk_told(void)
{
	return told;
}

/* ------------------------------------------------------------ errors ------------- */

static void
append_labelled(buffer *b, const char *label, const char *text)
{
	if (text[0] == '\0')
		return;
	buffer_append(b, label);
	output_printable(b, text);
	buffer_append_char(b, '\n');
}

/* What a user lacks who may use the schema, but not the whole of it. */
static const char *
role_hint(const pawl_error *error)
{
	if (strcmp(error->sqlstate, "42501") != 0 || error->hint[0] != '\0' ||
	    strstr(error->message, " role ") != NULL)
		return "";
	return "pawl_producer pushes, cancels and retries, pawl_worker works, pawl_reader "
		   "looks and waits: grant this user what is missing.";
}

int
talk_error_at(const char *place, const pawl_error *error)
{
	auto_buffer b = BUFFER_INIT;

	buffer_append(&b, "pawl: error: ");
	if (place != NULL)
		buffer_appendf(&b, "%s: ", place);
	output_printable(&b, error->message[0] != '\0' ? error->message
	                                               : pawl_status_text(error->status));
	if (error->sqlstate[0] != '\0')
		buffer_appendf(&b, " (SQLSTATE %s)", error->sqlstate);
	buffer_append_char(&b, '\n');
	append_labelled(&b, "DETAIL:  ", error->detail);
	append_labelled(&b, "HINT:  ", error->hint);
	append_labelled(&b, "HINT:  ", role_hint(error));
	say(&b);
	return error_exit_code(error->status);
}

int
talk_error(const pawl_error *error)
{
	return talk_error_at(NULL, error);
}

int
talk_usage(const char *name, const char *format, ...)
{
	pawl_error error;
	char message[sizeof(error.message)];
	va_list args;

	va_start(args, format);
	(void) vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	(void) error_set(&error, PAWL_ERR_ARGUMENT, "%s", message);
	error_hint(&error, "Try \"pawl %s%s--help\".", name == NULL ? "" : name,
	           name == NULL ? "" : " ");
	return talk_error(&error);
}

/* ------------------------------------------------------------ the rest ----------- */

static void talk_line(const char *prefix, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void
talk_line(const char *prefix, const char *format, va_list args)
{
	char line[2048];
	auto_buffer b = BUFFER_INIT;

	if (quiet_wanted)
		return;
	(void) vsnprintf(line, sizeof(line), format, args);
	buffer_append(&b, prefix);
	output_printable(&b, line);
	buffer_append_char(&b, '\n');
	say(&b);
}

void
talk(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	talk_line("pawl: ", format, args);
	va_end(args);
}

void
talk_hint(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	talk_line("HINT:  ", format, args);
	va_end(args);
}

static const char *
level_name(pawl_level level)
{
	switch (level)
	{
		case PAWL_DEBUG:
			return "debug";
		case PAWL_INFO:
			return "info";
		case PAWL_WARN:
			return "warn";
		case PAWL_ERROR:
			return "error";
	}
	return "info";
}

void
talk_notice(pawl_level level, const char *message, void *closure)
{
	int64_t now_us = clock_wall_us();
	time_t seconds = (time_t) (now_us / 1000000);
	struct tm utc;
	char stamp[32];
	auto_buffer b = BUFFER_INIT;

	(void) closure;
	if (quiet_wanted && level < PAWL_WARN)
		return;
	if (level == PAWL_DEBUG)
		return;
	if (gmtime_r(&seconds, &utc) == NULL ||
	    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		return;
	buffer_appendf(&b, "%s.%03dZ %-5s ", stamp, (int) (now_us / 1000 % 1000),
	               level_name(level));
	output_printable(&b, message);
	buffer_append_char(&b, '\n');
	say(&b);
}
