/*
 * params.c - the parameters of one statement
 *
 * All values lie one after the other in one buffer, each with its NUL; offsets say
 * where each begins.  So collecting thousands of array elements allocates a few times,
 * and a buffer that moved makes no pointer wrong.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "db/params.h"

#define IS_NULL SIZE_MAX

struct db_params
{
	buffer text;
	size_t *offsets;
	size_t count;
	size_t capacity;
	bool in_array; /* between array_begin and array_end */
	bool first;    /* no element yet */
	bool broken;
};

/* What db_params_new answers when memory is out: collects nothing, never written. */
static const db_params OUT_OF_MEMORY = {.broken = true};

db_params *
db_params_new(void)
{
	db_params *params = calloc(1, sizeof(*params));

	return params != NULL ? params : (db_params *) (uintptr_t) &OUT_OF_MEMORY;
}

void
db_params_free(db_params *params)
{
	if (params == NULL || params == &OUT_OF_MEMORY)
		return;
	buffer_free(&params->text);
	free(params->offsets);
	free(params);
}

void
db_params_cleanup(db_params **params)
{
	db_params_free(*params);
}

void
db_params_clear(db_params *params)
{
	if (params == &OUT_OF_MEMORY)
		return;
	assert(!params->in_array);
	buffer_free(&params->text); /* not kept: one big batch would hold it for ever */
	params->count = 0;
	params->broken = false;
}

/* Begin a parameter at offset; false when memory is out. */
static bool
add(db_params *params, size_t offset)
{
	if (params->broken)
		return false;
	assert(!params->in_array);
	if (params->count == params->capacity)
	{
		size_t capacity = params->capacity > 0 ? params->capacity * 2 : 16;
		size_t *offsets = realloc(params->offsets, capacity * sizeof(*offsets));

		if (offsets == NULL)
		{
			params->broken = true;
			return false;
		}
		params->offsets = offsets;
		params->capacity = capacity;
	}
	params->offsets[params->count++] = offset;
	return true;
}

void
db_param_text(db_params *params, const char *text)
{
	if (text == NULL)
	{
		db_param_null(params);
		return;
	}
	if (add(params, params->text.length))
		buffer_append_bytes(&params->text, text, strlen(text) + 1);
}

void
db_param_int(db_params *params, int64_t value)
{
	if (!add(params, params->text.length))
		return;
	buffer_append_int(&params->text, value);
	buffer_append_char(&params->text, '\0');
}

void
db_param_bool(db_params *params, bool value)
{
	db_param_text(params, value ? "t" : "f");
}

void
db_param_null(db_params *params)
{
	(void) add(params, IS_NULL);
}

void
db_param_array_begin(db_params *params)
{
	if (!add(params, params->text.length))
		return;
	buffer_append_char(&params->text, '{');
	params->in_array = true;
	params->first = true;
}

/* The comma before the next element; false when memory is out. */
static bool
next_element(db_params *params)
{
	if (params->broken)
		return false;
	assert(params->in_array);
	if (!params->first)
		buffer_append_char(&params->text, ',');
	params->first = false;
	return true;
}

void
db_param_array_text(db_params *params, const char *text)
{
	if (!next_element(params))
		return;
	if (text == NULL)
	{
		buffer_append(&params->text, "NULL");
		return;
	}
	buffer_append_char(&params->text, '"');
	while (*text != '\0')
	{
		size_t plain = strcspn(text, "\"\\");

		buffer_append_bytes(&params->text, text, plain);
		text += plain;
		if (*text != '\0')
		{
			buffer_append_char(&params->text, '\\');
			buffer_append_char(&params->text, *text++);
		}
	}
	buffer_append_char(&params->text, '"');
}

void
db_param_array_int(db_params *params, int64_t value)
{
	if (next_element(params))
		buffer_append_int(&params->text, value);
}

void
db_param_array_end(db_params *params)
{
	if (params->broken)
		return;
	assert(params->in_array);
	buffer_append_bytes(&params->text, "}", 2);
	params->in_array = false;
}

int
params_count(const db_params *params)
{
	return params != NULL ? (int) params->count : 0;
}

bool
params_ok(const db_params *params)
{
	return params == NULL || (!params->broken && buffer_ok(&params->text));
}

const char **
params_values(const db_params *params)
{
	const char **values;

	if (params == NULL || params->count == 0)
		return NULL;
	assert(!params->in_array);
	values = malloc(params->count * sizeof(*values));
	if (values == NULL)
		return NULL;
	for (size_t i = 0; i < params->count; i++)
	{
		size_t offset = params->offsets[i];

		values[i] = offset != IS_NULL ? params->text.data + offset : NULL;
	}
	return values;
}
