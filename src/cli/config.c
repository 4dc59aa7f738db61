/*
 * config.c - the settings as a structure: lists, handlers, bounds
 *
 * What a key of the file or a flag means is here; how the file is read is in
 * config_file.c.  Main thread alone.
 */
#include "cli/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/config_edit.h"

#define CONFIG_DEFAULT_PATH "/etc/pawl/pawl.conf"

const char *
config_path(const char *path)
{
	const char *variable = getenv("PAWL_CONFIG");

	if (path != NULL)
		return path;
	if (variable != NULL && variable[0] != '\0')
		return variable;
	return access(CONFIG_DEFAULT_PATH, F_OK) == 0 ? CONFIG_DEFAULT_PATH : NULL;
}

/* ------------------------------------------------------------ lists -------------- */

static void
name_list_free(name_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (name_list){0};
}

static pawl_status
name_list_add(name_list *list, const char *text, size_t length, pawl_error *error)
{
	char **items = realloc(list->items, (list->n + 2) * sizeof(*items));
	char *item;

	if (items == NULL)
		return error_memory(error);
	list->items = items;
	items[list->n] = NULL;
	item = strndup(text, length);
	if (item == NULL)
		return error_memory(error);
	items[list->n++] = item;
	items[list->n] = NULL;
	return PAWL_OK;
}

static size_t
trimmed_length(const char *text, size_t length)
{
	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	return length;
}

/* A kind, a queue: 1 to 255 bytes of UTF-8. */
static pawl_status
check_name(const char *what, const char *name, size_t length, pawl_error *error)
{
	if (length == 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s is empty", what);
	if (length > LIMIT_NAME)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%s is too long: %zu bytes, at most %d are allowed", what,
		                 length, LIMIT_NAME);
	if (text_valid_utf8(name, length) != length)
		return error_set(error, PAWL_ERR_ARGUMENT, "%s is not valid UTF-8", what);
	return PAWL_OK;
}

pawl_status
config_split(const char *text, const char *what, size_t limit, name_list *ret_list,
             pawl_error *error)
{
	name_list list = {0};
	pawl_status status = PAWL_OK;

	for (;;)
	{
		size_t length;

		text += strspn(text, " \t");
		length = strcspn(text, ",");
		if (list.n == limit)
			status = error_set(error, PAWL_ERR_ARGUMENT,
			                   "too many of %s: at most %zu are allowed", what, limit);
		if (status == PAWL_OK)
			status = check_name(what, text, trimmed_length(text, length), error);
		if (status == PAWL_OK)
			status = name_list_add(&list, text, trimmed_length(text, length), error);
		if (status != PAWL_OK)
		{
			name_list_free(&list);
			return status;
		}
		text += length;
		if (*text == '\0')
			break;
		text++;
	}
	name_list_free(ret_list);
	*ret_list = list;
	return PAWL_OK;
}

pawl_status
config_set_queues(worker_config *config, const char *text, const char *shown,
                  pawl_error *error)
{
	return config_split(text, shown, LIMIT_QUEUES, &config->queues, error);
}

/* ------------------------------------------------------------ handlers ----------- */

handler_config *
config_find_handler(const worker_config *config, const char *kind)
{
	for (size_t i = 0; i < config->n_handlers; i++)
	{
		if (strcmp(config->handlers[i].kind, kind) == 0)
			return &config->handlers[i];
	}
	return NULL;
}

pawl_status
config_new_handler(worker_config *config, const char *kind, size_t length,
                   handler_config **ret_handler, pawl_error *error)
{
	handler_config *handlers;
	char *copy;
	pawl_status status = check_name("the kind", kind, length, error);

	if (status != PAWL_OK)
		return status;
	if (config->n_handlers == LIMIT_KINDS)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "too many handlers: at most %d are allowed", LIMIT_KINDS);
	handlers = realloc(config->handlers, (config->n_handlers + 1) * sizeof(*handlers));
	if (handlers == NULL)
		return error_memory(error);
	config->handlers = handlers;
	copy = strndup(kind, length);
	if (copy == NULL)
		return error_memory(error);
	*ret_handler = &handlers[config->n_handlers++];
	**ret_handler = (handler_config){.kind = copy};
	return PAWL_OK;
}

static void
handler_clear(handler_config *handler)
{
	free(handler->exec);
	free(handler->object);
	handler->exec = NULL;
	handler->object = NULL;
	handler->shell = false;
	handler->jobs = 0;
	handler->line = 0;
}

pawl_status
config_add_handler(worker_config *config, const char *flag, bool object,
                   pawl_error *error)
{
	const char *equals = strchr(flag, '=');
	handler_config *handler;
	auto_free char *kind = NULL;
	char **target;

	if (equals == NULL || equals == flag || equals[1] == '\0')
	{
		(void) error_set(
			error, PAWL_ERR_ARGUMENT, "option \"%s\" needs KIND=%s, not \"%s\"",
			object ? "--load" : "--handler", object ? "FILE.so" : "COMMAND", flag);
		error_hint(error, object ? "For example: -L resize=/srv/app/resize.so"
		                         : "For example: -H thumbnail='/srv/app/thumbnail 64'");
		return PAWL_ERR_ARGUMENT;
	}
	kind = strndup(flag, (size_t) (equals - flag));
	if (kind == NULL)
		return error_memory(error);
	handler = config_find_handler(config, kind);
	if (handler != NULL && handler->line == 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "kind \"%s\" has two handlers",
		                 kind);
	if (handler == NULL)
	{
		pawl_status status =
			config_new_handler(config, kind, strlen(kind), &handler, error);

		if (status != PAWL_OK)
			return status;
	}
	handler_clear(handler);
	target = object ? &handler->object : &handler->exec;
	*target = strdup(equals + 1);
	return *target == NULL ? error_memory(error) : PAWL_OK;
}

/* ------------------------------------------------------------ bounds ------------- */

pawl_status
config_check_times(const worker_config *config, pawl_error *error)
{
	if (config->lease_ms != 0 && (config->lease_ms < CONFIG_LEASE_MIN_MS ||
	                              config->lease_ms > CONFIG_LEASE_MAX_MS))
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "the lease must be between 100ms and 24h");
	if (config->poll_ms != 0 &&
	    (config->poll_ms < CONFIG_POLL_MIN_MS || config->poll_ms > CONFIG_LEASE_MAX_MS))
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "the poll interval must be between 10ms and 24h");
	if (config->group_ms > CONFIG_LEASE_MAX_MS)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "the time of a group must be at most 24h");
	if (config->drain_ms < 0 || config->drain_ms > CONFIG_LEASE_MAX_MS)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "the time to drain must be at most 24h");
	if (config->wait_cancel_ms > CONFIG_LEASE_MAX_MS)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "the time after which a silent wait is cancelled must be at "
		                 "most 24h");
	return PAWL_OK;
}

void
config_free(worker_config *config)
{
	for (size_t i = 0; i < config->n_handlers; i++)
	{
		handler_clear(&config->handlers[i]);
		free(config->handlers[i].kind);
	}
	free(config->handlers);
	name_list_free(&config->queues);
	name_list_free(&config->pass_env);
	free(config->file);
	*config = (worker_config){0};
}
