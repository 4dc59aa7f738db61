/*
 * ndjson_check.c - is a line a job?
 *
 * A table of push's members.  What passes here may still be refused by the server
 * (numbers that a double cannot hold, for one, are left to it).
 */
#include <assert.h>
#include <string.h>

#include <jansson.h>

#include "base/duration.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "cli/input.h"
#include "cli/ndjson.h"

typedef pawl_status (*member_check)(const char *name, const json_t *value,
                                    pawl_error *error);

static pawl_status
check_any(const char *name, const json_t *value, pawl_error *error)
{
	(void) name, (void) value, (void) error;
	return PAWL_OK;
}

static pawl_status
check_name(const char *name, const json_t *value, pawl_error *error)
{
	size_t length;

	if (!json_is_string(value))
		return error_set(error, PAWL_ERR_ARGUMENT, "\"%s\" must be a string", name);
	length = json_string_length(value);
	if (length < 1 || length > LIMIT_NAME)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "\"%s\" must have 1 to %d bytes, not %zu", name, LIMIT_NAME,
		                 length);
	return PAWL_OK;
}

static pawl_status
check_key(const char *name, const json_t *value, pawl_error *error)
{
	pawl_status status = check_name(name, value, error);

	if (status == PAWL_OK &&
	    memchr(json_string_value(value), KEY_SEPARATOR, json_string_length(value)))
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "\"%s\" contains the character U+001F", name);
	return status;
}

static pawl_status
check_whole(const char *name, const json_t *value, json_int_t min, json_int_t max,
            pawl_error *error)
{
	if (json_is_integer(value) && json_integer_value(value) >= min &&
	    json_integer_value(value) <= max)
		return PAWL_OK;
	return error_set(error, PAWL_ERR_ARGUMENT,
	                 "\"%s\" must be a whole number from %lld to %lld", name,
	                 (long long) min, (long long) max);
}

static pawl_status
check_priority(const char *name, const json_t *value, pawl_error *error)
{
	return check_whole(name, value, 0, 9, error);
}

static pawl_status
check_attempts(const char *name, const json_t *value, pawl_error *error)
{
	return check_whole(name, value, 1, INT32_MAX, error);
}

static pawl_status
check_time(const char *name, const json_t *value, pawl_error *error)
{
	int64_t us;

	if (json_is_string(value) &&
	    duration_parse_time(json_string_value(value), &us, NULL) == PAWL_OK)
		return PAWL_OK;
	return error_set(error, PAWL_ERR_ARGUMENT,
	                 "\"%s\" must be a time such as \"2026-11-21T08:00:00Z\"", name);
}

static pawl_status
check_duration(const char *name, const json_t *value, pawl_error *error)
{
	int64_t ms;

	if (json_is_string(value) &&
	    duration_parse(json_string_value(value), &ms, NULL) == PAWL_OK)
		return PAWL_OK;
	return error_set(error, PAWL_ERR_ARGUMENT,
	                 "\"%s\" must be a duration such as \"30s\" or \"5min\"", name);
}

static pawl_status
check_until(const char *name, const json_t *value, pawl_error *error)
{
	const char *word = json_is_string(value) ? json_string_value(value) : "";

	if (strcmp(word, "end") == 0 || strcmp(word, "start") == 0)
		return PAWL_OK;
	return error_set(error, PAWL_ERR_ARGUMENT, "\"%s\" must be \"end\" or \"start\"",
	                 name);
}

static pawl_status
check_id(const char *name, const json_t *value, pawl_error *error)
{
	return check_whole(name, value, 1, INT64_MAX, error);
}

static pawl_status
check_run(const char *name, const json_t *value, pawl_error *error)
{
	return check_whole(name, value, INT64_MIN, INT64_MAX, error);
}

static const struct member
{
	const char *name;
	member_check check;
} MEMBERS[] = {
	{"kind", check_name},          {"args", check_any},
	{"queue", check_name},         {"priority", check_priority},
	{"run_at", check_time},        {"unique_key", check_key},
	{"unique_until", check_until}, {"max_attempts", check_attempts},
	{"timeout", check_duration},   {"meta", check_any},
	{"batch", check_id},           {"stage", check_name},
	{"group_key", check_key},      {"run_key", check_run},
};
#define N_MEMBERS (sizeof(MEMBERS) / sizeof(MEMBERS[0]))
static_assert(N_MEMBERS == 14,
              "a check for each parameter of pawl.push but the parent's");

static pawl_status
check_member(const char *name, const json_t *value, pawl_error *error)
{
	for (size_t i = 0; i < N_MEMBERS; i++)
	{
		if (strcmp(MEMBERS[i].name, name) != 0)
			continue;
		/* null means the default, as in SQL */
		return json_is_null(value) ? PAWL_OK : MEMBERS[i].check(name, value, error);
	}
	(void) error_set(error, PAWL_ERR_ARGUMENT, "unknown member \"%s\"", name);
	error_hint(error, "Members are kind, args, queue, priority, run_at, unique_key, "
	                  "unique_until, group_key, run_key, batch, stage, max_attempts, "
	                  "timeout and meta.");
	return PAWL_ERR_ARGUMENT;
}

static bool
has_no(json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return value == NULL || json_is_null(value);
}

static pawl_status
check_object(json_t *object, pawl_error *error)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return error_set(error, PAWL_ERR_ARGUMENT, "it is not a JSON object");
	json_object_foreach(object, name, value)
	{
		pawl_status status = check_member(name, value, error);

		if (status != PAWL_OK)
			return status;
	}
	if (has_no(object, "kind"))
		return error_set(error, PAWL_ERR_ARGUMENT, "\"kind\" is missing");
	if (!has_no(object, "run_key") && has_no(object, "group_key"))
		return error_set(error, PAWL_ERR_ARGUMENT, "\"run_key\" needs a \"group_key\"");
	return PAWL_OK;
}

pawl_status
ndjson_check(const char *text, size_t length, pawl_error *error)
{
	json_error_t json_error;
	json_t *object;
	size_t valid = text_valid_utf8(text, length);
	pawl_status status;

	if (valid != length)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "it is not UTF-8 text: byte 0x%02x at offset %zu",
		                 (unsigned char) text[valid], valid);
	object = json_loadb(text, length, JSON_DECODE_ANY, &json_error);
	if (object == NULL && json_error_code(&json_error) == json_error_numeric_overflow)
		return PAWL_OK;
	if (object == NULL)
		return error_set(
			error, PAWL_ERR_ARGUMENT, "it is not JSON: column %d: %s",
			json_error.column,
			input_json_words(json_error_code(&json_error), json_error.text));
	status = check_object(object, error);
	json_decref(object);
	return status;
}
