/*
 * input.c - see input.h
 *
 * Jansson checks JSON before anything is connected, for its line and column; the text
 * itself goes to the server as it is.
 */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/options.h"

/* ------------------------------------------------------------ JSON --------------- */

const char *
input_json_words(int code, const char *text)
{
	if (code == json_error_null_character || code == json_error_null_byte_in_key)
		return "PostgreSQL cannot store \\u0000";
	return text;
}

static pawl_status
refuse_json(const json_error_t *json_error, const char *what, const char *text,
            size_t length, pawl_error *error)
{
	(void) error_set(error, PAWL_ERR_ARGUMENT, "%s is not JSON: line %d, column %d: %s",
	                 what, json_error->line, json_error->column,
	                 input_json_words(json_error_code(json_error), json_error->text));
	if (length > 0 && strchr("{[\"", text[0]) == NULL)
		error_hint(error, "A string needs quotes of its own: '\"text\"'.");
	return PAWL_ERR_ARGUMENT;
}

pawl_status
input_check_json(const char *text, size_t length, const char *what, pawl_error *error)
{
	json_error_t json_error;
	json_t *value;
	size_t valid = text_valid_utf8(text, length);

	if (valid != length)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%s is not UTF-8 text: byte 0x%02x at offset %zu", what,
		                 (unsigned char) text[valid], valid);
	value = json_loadb(text, length, JSON_DECODE_ANY, &json_error);
	if (value != NULL)
	{
		json_decref(value);
		return PAWL_OK;
	}
	if (json_error_code(&json_error) == json_error_numeric_overflow)
		return PAWL_OK;
	return refuse_json(&json_error, what, text, length, error);
}

/* ------------------------------------------------------------ files -------------- */

static pawl_status
refuse_size(const char *what, pawl_error *error)
{
	(void) error_set(error, PAWL_ERR_ARGUMENT,
	                 "%s is too large: more than the limit of %d bytes", what,
	                 LIMIT_JSON);
	error_hint(error, "Store the data elsewhere and push a reference to it.");
	return PAWL_ERR_ARGUMENT;
}

/* Read a stream to its end, but not much more than LIMIT_JSON bytes. */
static pawl_status
read_stream(FILE *file, const char *name, const char *what, buffer *out,
            pawl_error *error)
{
	char chunk[65536];
	size_t n;

	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
	{
		buffer_append_bytes(out, chunk, n);
		if (out->length > LIMIT_JSON)
			return refuse_size(what, error);
	}
	if (ferror(file))
		return error_set(error, PAWL_ERR_ARGUMENT, "could not read file \"%s\": %s",
		                 name, strerror(errno));
	return buffer_ok(out) ? PAWL_OK : error_memory(error);
}

static pawl_status
read_file(const char *path, const char *what, buffer *out, pawl_error *error)
{
	FILE *file = fopen(path, "re");
	pawl_status status;

	if (file == NULL)
		return error_set(error, PAWL_ERR_ARGUMENT, "could not open file \"%s\": %s",
		                 path, strerror(errno));
	status = read_stream(file, path, what, out, error);
	(void) fclose(file);
	return status;
}

pawl_status
input_json(const char *argument, const char *what, char **ret_text, pawl_error *error)
{
	auto_buffer text = BUFFER_INIT;
	pawl_status status = PAWL_OK;

	if (strcmp(argument, "-") == 0)
		status = read_stream(stdin, "standard input", what, &text, error);
	else if (argument[0] == '@')
		status = read_file(argument + 1, what, &text, error);
	else
		buffer_append(&text, argument);
	if (status != PAWL_OK)
		return status;
	if (text.length > LIMIT_JSON)
	{
		(void) refuse_size(what, error);
		error_detail(error, "It has %zu bytes.", text.length);
		return PAWL_ERR_ARGUMENT;
	}
	if (!buffer_ok(&text))
		return error_memory(error);
	status =
		input_check_json(text.data != NULL ? text.data : "", text.length, what, error);
	if (status != PAWL_OK)
		return status;
	*ret_text = buffer_take(&text);
	return *ret_text != NULL ? PAWL_OK : error_memory(error);
}

/* ------------------------------------------------------------ files of lines ----- */

pawl_status
input_open(const char *path, int *ret_fd, int64_t *ret_size, pawl_error *error)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat file = {0};
	int reason = errno;

	if (fd >= 0 && fstat(fd, &file) == 0 && S_ISDIR(file.st_mode))
	{
		input_close(fd);
		fd = -1;
		reason = EISDIR;
	}
	if (fd < 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "could not open file \"%s\": %s",
		                 path, strerror(reason));
	*ret_fd = fd;
	*ret_size = S_ISREG(file.st_mode) ? file.st_size : 0;
	return PAWL_OK;
}

void
input_close(int fd)
{
	if (fd != STDIN_FILENO)
		(void) close(fd);
}

/* ------------------------------------------------------------ ids ---------------- */

pawl_status
input_ids(int n, char *const *texts, int64_t **ret_ids, pawl_error *error)
{
	auto_free int64_t *ids = calloc((size_t) n + 1, sizeof(*ids));

	if (ids == NULL)
		return error_memory(error);
	for (int i = 0; i < n; i++)
	{
		if (!options_whole(texts[i], 1, INT64_MAX, &ids[i]))
			return error_set(error, PAWL_ERR_ARGUMENT, "\"%s\" is not an id", texts[i]);
	}
	*ret_ids = take(ids);
	return PAWL_OK;
}
