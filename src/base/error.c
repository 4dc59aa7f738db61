/*
 * error.c - filling a pawl_error
 *
 * Text is formatted into a local array first, so that a caller may pass a field of
 * the same error as an argument.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define ELLIPSIS "..."
#define LONGEST_FIELD sizeof(((pawl_error *) NULL)->detail)

/* Format into target[size]; what does not fit is cut at a character and marked. */
static void PAWL_PRINTF(3, 0)
	format_field(char *target, size_t size, const char *format, va_list arguments)
{
	char text[LONGEST_FIELD];
	int length;

	assert(size > sizeof(ELLIPSIS) && size <= sizeof(text));
	length = vsnprintf(text, size, format, arguments);
	if (length < 0)
		text[0] = '\0';
	if (length >= (int) size)
	{
		size_t keep = text_valid_utf8(text, size - sizeof(ELLIPSIS));

		/* Cut elsewhere than in a character only if it never was UTF-8. */
		if (keep + 4 < size - sizeof(ELLIPSIS))
			keep = size - sizeof(ELLIPSIS);
		memcpy(text + keep, ELLIPSIS, sizeof(ELLIPSIS));
	}
	memcpy(target, text, strlen(text) + 1);
}

pawl_status
error_set(pawl_error *error, pawl_status status, const char *format, ...)
{
	va_list arguments;

	assert(status != PAWL_OK);
	if (error == NULL)
		return status;

	va_start(arguments, format);
	format_field(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	error->status = status;
	error->sqlstate[0] = '\0';
	error->detail[0] = '\0';
	error->hint[0] = '\0';
	return status;
}

void
error_detail(pawl_error *error, const char *format, ...)
{
	va_list arguments;

	if (error == NULL)
		return;
	va_start(arguments, format);
	format_field(error->detail, sizeof(error->detail), format, arguments);
	va_end(arguments);
}

void
error_hint(pawl_error *error, const char *format, ...)
{
	va_list arguments;

	if (error == NULL)
		return;
	va_start(arguments, format);
	format_field(error->hint, sizeof(error->hint), format, arguments);
	va_end(arguments);
}

void
error_sqlstate(pawl_error *error, const char *sqlstate)
{
	if (error == NULL)
		return;
	snprintf(error->sqlstate, sizeof(error->sqlstate), "%.5s",
	         sqlstate != NULL ? sqlstate : "");
}

void
error_clear(pawl_error *error)
{
	if (error != NULL)
		*error = (pawl_error){.status = PAWL_OK};
}

pawl_status
error_memory(pawl_error *error)
{
	return error_set(error, PAWL_ERR_MEMORY, "out of memory");
}
