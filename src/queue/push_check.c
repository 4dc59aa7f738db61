/*
 * push_check.c - which jobs no queue would take, and the order that several are pushed in
 *
 * See push_spec.h; runs on the thread of its caller.
 */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "queue/push_spec.h"

/* ------------------------------------------------------------ checks ------------- */

static pawl_status
check_name(const char *what, const char *name, pawl_error *error)
{
	size_t length = name != NULL ? strlen(name) : 0;

	if (length == 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s is %s", what,
		                 name == NULL ? "missing" : "empty");
	if (length > LIMIT_NAME)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%s: %zu bytes exceed the limit of %d bytes", what, length,
		                 LIMIT_NAME);
	if (text_valid_utf8(name, length) != length)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s is not UTF-8", what);
	return PAWL_OK;
}

/* A key: the character U+001F stands between the key of a group and that of a job. */
static pawl_status
check_key(const char *what, const char *key, pawl_error *error)
{
	pawl_status status = check_name(what, key, error);

	if (status == PAWL_OK && strchr(key, KEY_SEPARATOR) != NULL)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s contains the character U+001F",
		                 what);
	return status;
}

static pawl_status
check_json(const char *what, const char *json, pawl_error *error)
{
	size_t length = json != NULL ? strlen(json) : 0;

	if (length > LIMIT_JSON)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%s: %zu bytes exceed the limit of %d bytes", what, length,
		                 LIMIT_JSON);
	if (json != NULL && text_valid_utf8(json, length) != length)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s are not UTF-8", what);
	return PAWL_OK;
}

static pawl_status
check_texts(const pawl_job_spec *spec, pawl_error *error)
{
	pawl_status status = check_name("kind", spec->kind, error);

	if (status == PAWL_OK && spec->queue != NULL)
		status = check_name("queue", spec->queue, error);
	if (status == PAWL_OK && spec->unique_key != NULL)
		status = check_key("unique key", spec->unique_key, error);
	if (status == PAWL_OK && spec->group_key != NULL)
		status = check_key("group key", spec->group_key, error);
	if (status == PAWL_OK && spec->stage != NULL)
		status = check_name("stage", spec->stage, error);
	if (status == PAWL_OK)
		status = check_json("args", spec->args, error);
	if (status == PAWL_OK)
		status = check_json("meta", spec->meta, error);
	return status;
}

pawl_status
push_spec_check(const pawl_job_spec *spec, pawl_error *error)
{
	pawl_status status = check_texts(spec, error);

	if (status != PAWL_OK)
		return status;
	if (spec->priority < -1 || spec->priority > 9)
		return error_set(error, PAWL_ERR_ARGUMENT, "priority %d is not within 0 and 9",
		                 spec->priority);
	if (spec->unique_until != PAWL_UNTIL_END && spec->unique_until != PAWL_UNTIL_START)
		return error_set(error, PAWL_ERR_ARGUMENT, "unique_until %d is unknown",
		                 (int) spec->unique_until);
	if (spec->max_attempts < 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "max_attempts is negative");
	if (spec->timeout_ms < -1)
		return error_set(error, PAWL_ERR_ARGUMENT, "timeout is negative");
	if (spec->run_at_us < 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "run_at is before 1970");
	if (spec->batch < 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "batch is negative");
	if (spec->batch == 0 && (spec->stage != NULL || spec->parent != NULL))
		return error_set(error, PAWL_ERR_ARGUMENT, "%s needs a batch",
		                 spec->stage != NULL ? "stage" : "parent");
	if (spec->run_key != 0 && spec->group_key == NULL)
		return error_set(error, PAWL_ERR_ARGUMENT, "run_key needs a group_key");
	return PAWL_OK;
}

/* ------------------------------------------------------------ order -------------- */

/* Byte i of what the keys of a group begin with as they are stored, or of a key of none. */
static unsigned char
order_byte(const pawl_job_spec *spec, size_t length, size_t i)
{
	if (spec->group_key == NULL)
		return (unsigned char) spec->unique_key[i];
	if (i < length)
		return (unsigned char) spec->group_key[i];
	return i == length ? KEY_SEPARATOR : '\0';
}

static bool
is_ordered(const pawl_job_spec *spec)
{
	return spec->unique_key != NULL || spec->group_key != NULL;
}

int
push_compare(const pawl_job_spec *a, const pawl_job_spec *b)
{
	size_t a_length = a->group_key != NULL ? strlen(a->group_key) : 0;
	size_t b_length = b->group_key != NULL ? strlen(b->group_key) : 0;

	if (!is_ordered(a) || !is_ordered(b))
		return is_ordered(a) - is_ordered(b);
	for (size_t i = 0;; i++)
	{
		unsigned char x = order_byte(a, a_length, i);
		unsigned char y = order_byte(b, b_length, i);

		if (x != y || x == '\0')
			return (x > y) - (x < y);
	}
}
