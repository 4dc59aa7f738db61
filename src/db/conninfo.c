/*
 * conninfo.c - see conninfo.h; any thread
 */
#include "db/conninfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/error.h"

void
conninfo_free(char **list)
{
	if (list == NULL)
		return;
	for (char **item = list; *item != NULL; item++)
		free(*item);
	free(list);
}

/* One variable for each option that has a value and a variable. */
static pawl_status
build_list(const PQconninfoOption *options, char **list, pawl_error *error)
{
	size_t n = 0;

	for (const PQconninfoOption *o = options; o->keyword != NULL; o++)
	{
		if (o->envvar == NULL || o->val == NULL)
			continue;
		if (asprintf(&list[n], "%s=%s", o->envvar, o->val) < 0)
		{
			list[n] = NULL;
			return error_memory(error);
		}
		n++;
	}
	return PAWL_OK;
}

pawl_status
conninfo_environment(const char *conninfo, char ***ret_list, pawl_error *error)
{
	char *message = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &message);
	char **list;
	size_t n = 0;
	pawl_status status;

	if (options == NULL)
	{
		status = error_set(error, PAWL_ERR_ARGUMENT, "invalid connection string: %.*s",
		                   (int) strcspn(message != NULL ? message : "", "\n"),
		                   message != NULL ? message : "out of memory");
		PQfreemem(message);
		return status;
	}
	while (options[n].keyword != NULL)
		n++;
	list = calloc(n + 1, sizeof(*list));
	status = list == NULL ? error_memory(error) : build_list(options, list, error);
	PQconninfoFree(options);
	if (status != PAWL_OK)
	{
		conninfo_free(list);
		return status;
	}
	*ret_list = list;
	return PAWL_OK;
}
