/*
 * argv.c - a command line without a shell: see argv.h for the rules
 */
#include "handler/argv.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

static const char blanks[] = " \t\r\n";

/*
 * The three ways to read a part of a word.  Each appends it and returns what follows,
 * or NULL when the command ends too early.
 */
static const char *
single_quoted(const char *at, buffer *word)
{
	const char *end = strchr(at, '\'');

	if (end != NULL)
		buffer_append_bytes(word, at, (size_t) (end - at));
	return end == NULL ? NULL : end + 1;
}

static const char *
double_quoted(const char *at, buffer *word)
{
	for (; *at != '\0' && *at != '"'; at++)
	{
		if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
			at++;
		buffer_append_char(word, *at);
	}
	return *at == '\0' ? NULL : at + 1;
}

static const char *
bare(const char *at, buffer *word)
{
	if (*at == '\\' && *++at == '\0')
		return NULL;
	buffer_append_char(word, *at);
	return at + 1;
}

static const char *
read_word(const char *at, buffer *word)
{
	while (at != NULL && *at != '\0' && strchr(blanks, *at) == NULL)
	{
		if (*at == '\'')
			at = single_quoted(at + 1, word);
		else if (*at == '"')
			at = double_quoted(at + 1, word);
		else
			at = bare(at, word);
	}
	return at;
}

pawl_status
argv_split(const char *command, strings *argv, pawl_error *error)
{
	const char *at = command + strspn(command, blanks);

	if (*at == '\0')
		return error_set(error, PAWL_ERR_ARGUMENT, "command is empty");
	while (*at != '\0')
	{
		buffer word = BUFFER_INIT;

		buffer_append(&word, "");
		at = read_word(at, &word);
		strings_take(argv, buffer_take(&word));
		if (at == NULL)
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "command ends inside a quote or after a backslash: %s",
			                 command);
		if (argv->count > LIMIT_ARGUMENTS)
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "command has more than %d arguments", LIMIT_ARGUMENTS);
		at += strspn(at, blanks);
	}
	return argv->broken ? error_memory(error) : PAWL_OK;
}
