/*
 * config_file.c - reading the INI file
 *
 * libinih splits lines into section, key and value.  Three of its habits would lose
 * what a user wrote without a word: it cuts lines at 200 bytes and section names at
 * 50, and takes an indented line as a continuation.  So the reader here hands it whole
 * lines or refuses them, keeps the section's name itself, and turns continuation off.
 *
 * The settings of libinih are the process's, set at each call: this is a program, and
 * nothing else in it reads INI.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "base/buffer.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/config_edit.h"

#define HANDLER_PREFIX "handler "

/* One reading of one file. */
typedef struct reading
{
	FILE *file;
	const char *path;
	int line; /* of what is being parsed, from 1 */
	char section[LIMIT_CONFIG_LINE];
	worker_config *config;
	handler_config *handler; /* of the section, if it is one */
	unsigned seen;           /* keys set in this section, a bit each */
	pawl_status status;
	pawl_error *error;
} reading;

/* Put file and line before the message; the first error stays. */
static pawl_status
refuse(reading *r, const char *message)
{
	auto_buffer whole = BUFFER_INIT;

	if (r->status != PAWL_OK)
		return r->status;
	buffer_appendf(&whole, "file \"%s\", line %d: %s", r->path, r->line, message);
	r->status = error_set(r->error, PAWL_ERR_ARGUMENT, "%s",
	                      buffer_ok(&whole) ? whole.data : message);
	return r->status;
}

/* ------------------------------------------------------------ keys --------------- */

/* Set one key; answers ERR_ARGUMENT with a message without file and line. */
typedef pawl_status (*key_setter)(reading *r, const char *value, pawl_error *error);

typedef struct config_key
{
	const char *name;
	key_setter set;
} config_key;

static pawl_status
set_queues(reading *r, const char *value, pawl_error *error)
{
	return config_set_queues(r->config, value, "\"queues\"", error);
}

static pawl_status
set_whole(const char *key, const char *value, int min, int max, int *target,
          pawl_error *error)
{
	char *end;
	long number = strtol(value, &end, 10);

	if (end == value || *end != '\0' || number < min || number > max)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "\"%s\" needs a whole number from %d to %d, not \"%s\"", key,
		                 min, max, value);
	*target = (int) number;
	return PAWL_OK;
}

static pawl_status
set_executors(reading *r, const char *value, pawl_error *error)
{
	return set_whole("executors", value, 1, LIMIT_EXECUTORS, &r->config->executors,
	                 error);
}

static pawl_status
set_groups(reading *r, const char *value, pawl_error *error)
{
	pawl_status status =
		set_whole("groups", value, 0, LIMIT_GROUPS, &r->config->groups, error);

	/* 0: none; it would mean the default */
	if (status == PAWL_OK && r->config->groups == 0)
		r->config->groups = -1;
	return status;
}

static pawl_status
set_group_jobs(reading *r, const char *value, pawl_error *error)
{
	return set_whole("group_jobs", value, 1, INT_MAX, &r->config->group_jobs, error);
}

static pawl_status
set_duration(const char *key, const char *value, int64_t *target, pawl_error *error)
{
	if (duration_parse(value, target, NULL) == PAWL_OK)
		return PAWL_OK;
	return error_set(error, PAWL_ERR_ARGUMENT,
	                 "\"%s\" needs a duration such as 30s or 5min, not \"%s\"", key,
	                 value);
}

static pawl_status
set_group_time(reading *r, const char *value, pawl_error *error)
{
	pawl_status status = set_duration("group_time", value, &r->config->group_ms, error);

	/* 0 would mean the default */
	if (status == PAWL_OK && r->config->group_ms == 0)
		r->config->group_ms = 1;
	return status;
}

static pawl_status
set_lease(reading *r, const char *value, pawl_error *error)
{
	return set_duration("lease", value, &r->config->lease_ms, error);
}

static pawl_status
set_poll(reading *r, const char *value, pawl_error *error)
{
	return set_duration("poll", value, &r->config->poll_ms, error);
}

static pawl_status
set_drain(reading *r, const char *value, pawl_error *error)
{
	pawl_status status = set_duration("drain", value, &r->config->drain_ms, error);

	/* 0 would mean the default */
	if (status == PAWL_OK && r->config->drain_ms == 0)
		r->config->drain_ms = 1;
	return status;
}

static pawl_status
set_wait_cancel(reading *r, const char *value, pawl_error *error)
{
	pawl_status status =
		set_duration("wait_cancel", value, &r->config->wait_cancel_ms, error);

	/* 0: never; it would mean the default */
	if (status == PAWL_OK && r->config->wait_cancel_ms == 0)
		r->config->wait_cancel_ms = -1;
	return status;
}

static pawl_status
set_pass_env(reading *r, const char *value, pawl_error *error)
{
	return config_split(value, "\"pass_env\"", LIMIT_NAME, &r->config->pass_env, error);
}

static pawl_status
set_string(char **target, const char *value, pawl_error *error)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return error_memory(error);
	free(*target);
	*target = copy;
	return PAWL_OK;
}

static pawl_status
set_exec(reading *r, const char *value, pawl_error *error)
{
	if (*value == '\0')
		return error_set(error, PAWL_ERR_ARGUMENT, "\"exec\" needs a command");
	return set_string(&r->handler->exec, value, error);
}

static pawl_status
set_object(reading *r, const char *value, pawl_error *error)
{
	if (*value == '\0')
		return error_set(error, PAWL_ERR_ARGUMENT, "\"object\" needs a file");
	return set_string(&r->handler->object, value, error);
}

static pawl_status
set_shell(reading *r, const char *value, pawl_error *error)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "\"shell\" needs yes or no, not \"%s\"", value);
	r->handler->shell = strcmp(value, "yes") == 0;
	return PAWL_OK;
}

static pawl_status
set_jobs(reading *r, const char *value, pawl_error *error)
{
	return set_whole("jobs", value, 1, LIMIT_MANY, &r->handler->jobs, error);
}

static const config_key WORKER_KEYS[] = {
	{"queues", set_queues},
	{"executors", set_executors},
	{"groups", set_groups},
	{"group_jobs", set_group_jobs},
	{"group_time", set_group_time},
	{"lease", set_lease},
	{"poll", set_poll},
	{"drain", set_drain},
	{"wait_cancel", set_wait_cancel},
	{"pass_env", set_pass_env},
	{NULL, NULL},
};

static const config_key HANDLER_KEYS[] = {
	{"exec", set_exec}, {"object", set_object}, {"shell", set_shell},
	{"jobs", set_jobs}, {NULL, NULL},
};

static pawl_status
refuse_key(reading *r, const config_key *keys, const char *name)
{
	char message[256];
	auto_buffer known = BUFFER_INIT;

	(void) snprintf(message, sizeof(message),
	                "unknown key \"%.100s\" in section [%.100s]", name, r->section);
	(void) refuse(r, message);
	for (; keys->name != NULL; keys++)
		buffer_appendf(&known, "%s%s", known.length == 0 ? "" : ", ", keys->name);
	if (buffer_ok(&known))
		error_hint(r->error, "Its keys are %s.", known.data);
	return PAWL_ERR_ARGUMENT;
}

static pawl_status
set_key(reading *r, const config_key *keys, const char *name, const char *value)
{
	pawl_error error;
	unsigned bit = 1;

	for (; keys->name != NULL && strcmp(keys->name, name) != 0; keys++)
		bit <<= 1;
	if (keys->name == NULL)
		return refuse_key(r, keys - __builtin_ctz(bit), name);
	if (r->seen & bit)
		return refuse(r, "the key is set twice in its section");
	r->seen |= bit;
	if (keys->set(r, value, &error) != PAWL_OK)
		return refuse(r, error.message);
	return PAWL_OK;
}

/* ------------------------------------------------------------ sections ----------- */

static pawl_status
begin_handler(reading *r, const char *kind)
{
	pawl_error error;

	kind += strspn(kind, " \t");
	if (config_find_handler(r->config, kind) != NULL)
		return refuse(r, "the kind has a handler already");
	if (config_new_handler(r->config, kind, strlen(kind), &r->handler, &error) !=
	    PAWL_OK)
		return refuse(r, error.message);
	r->handler->line = r->line;
	return PAWL_OK;
}

/* A line of the form [name]; text begins behind the bracket. */
static pawl_status
begin_section(reading *r, const char *text)
{
	size_t length = strcspn(text, "]");

	if (text[length] != ']')
		return refuse(r, "the section's name is not closed by \"]\"");
	memcpy(r->section, text, length);
	r->section[length] = '\0';
	r->seen = 0;
	r->handler = NULL;
	if (strcmp(r->section, "worker") == 0)
		return PAWL_OK;
	if (strncmp(r->section, HANDLER_PREFIX, strlen(HANDLER_PREFIX)) == 0)
		return begin_handler(r, r->section + strlen(HANDLER_PREFIX));
	(void) refuse(r, "unknown section");
	error_hint(r->error, "The sections are [worker] and [handler KIND].");
	return PAWL_ERR_ARGUMENT;
}

/* Called by libinih for each key = value; answers 0 to stop. */
static int
take_value(void *user, const char *section, const char *name, const char *value)
{
	reading *r = user;

	(void) section; /* cut at 50 bytes: r->section is whole */
	if (r->status != PAWL_OK)
		return 0;
	if (r->section[0] == '\0')
	{
		(void) refuse(r, "a key before the first section");
		return 0;
	}
	return set_key(r, r->handler != NULL ? HANDLER_KEYS : WORKER_KEYS, name, value) ==
	       PAWL_OK;
}

/* Called by libinih for each line; NULL ends the reading. */
static char *
read_line(char *line, int size, void *stream)
{
	reading *r = stream;
	const char *start;
	size_t length;

	if (r->status != PAWL_OK || fgets(line, size, r->file) == NULL)
		return NULL;
	r->line++;
	length = strlen(line);
	if (length == 0 || (line[length - 1] != '\n' && !feof(r->file)))
	{
		(void) refuse(r, "the line is too long, or has a NUL byte");
		return NULL;
	}
	start = line + strspn(line, " \t\xef\xbb\xbf");
	if (*start == '[' && begin_section(r, start + 1) != PAWL_OK)
		return NULL;
	return line;
}

/* ------------------------------------------------------------ the whole ---------- */

static pawl_status
check_handlers(const worker_config *config, const char *path, pawl_error *error)
{
	for (size_t i = 0; i < config->n_handlers; i++)
	{
		const handler_config *handler = &config->handlers[i];
		const char *wrong = NULL;

		if (handler->exec == NULL && handler->object == NULL)
			wrong = "has neither \"exec\" nor \"object\"";
		else if (handler->exec != NULL && handler->object != NULL)
			wrong = "has both \"exec\" and \"object\"";
		else if (handler->shell && handler->exec == NULL)
			wrong = "has \"shell\" but no \"exec\"";
		else if (handler->jobs != 0 && handler->exec == NULL)
			wrong = "has \"jobs\" but no \"exec\": an object says it itself";
		if (wrong != NULL)
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "file \"%s\", line %d: handler \"%s\" %s", path,
			                 handler->line, handler->kind, wrong);
	}
	return PAWL_OK;
}

static pawl_status
parse_file(reading *r)
{
	int answer;

	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_initial_alloc = LIMIT_CONFIG_LINE;
	ini_max_line = LIMIT_CONFIG_LINE;
	ini_allow_multiline = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = true;
	answer = ini_parse_stream(read_line, r, take_value, r);
	if (answer == -2)
		return error_memory(r->error);
	if (r->status == PAWL_OK && answer != 0)
	{
		(void) refuse(r, "neither a section nor a key with its value");
		error_hint(r->error, "Lines look like \"[worker]\" or \"lease = 30s\".");
	}
	if (r->status == PAWL_OK && ferror(r->file))
		return error_set(r->error, PAWL_ERR_ARGUMENT, "could not read file \"%s\": %s",
		                 r->path, strerror(errno));
	return r->status;
}

pawl_status
config_read(const char *path, worker_config *ret_config, pawl_error *error)
{
	auto_free reading *r = calloc(1, sizeof(*r));
	worker_config read = {0};
	pawl_status status;

	if (r == NULL)
		return error_memory(error);
	r->path = path;
	r->config = &read;
	r->error = error;
	r->file = fopen(path, "re");
	if (r->file == NULL)
		return error_set(error, PAWL_ERR_ARGUMENT, "could not open file \"%s\": %s",
		                 path, strerror(errno));
	status = parse_file(r);
	(void) fclose(r->file);
	if (status == PAWL_OK)
		status = check_handlers(&read, path, error);
	if (status == PAWL_OK && (read.file = strdup(path)) == NULL)
		status = error_memory(error);
	if (status != PAWL_OK)
	{
		config_free(&read);
		return status;
	}
	*ret_config = read;
	return PAWL_OK;
}
