/*
 * object.c - handlers in a shared object
 */
#include "handler/object.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SYMBOL "pawl_handle"
#define SYMBOL_MANY "pawl_handle_many"
#define SYMBOL_JOBS "pawl_handle_jobs"
#define JOBS 100 /* at once, unless the object says otherwise */

struct object
{
	void *library;
};

/* dlerror is of the calling thread; it begins with the path. */
static const char *
reason(void)
{
	const char *text = dlerror();

	return text == NULL ? "unknown error" : text;
}

/* False: it exports neither function. */
static bool
find_handler(void *library, object_handler *ret_handler)
{
	void *many = dlsym(library, SYMBOL_MANY);
	void *one = many == NULL ? dlsym(library, SYMBOL) : NULL;
	const size_t *jobs = dlsym(library, SYMBOL_JOBS);

	/* ISO C has no such cast */
	memcpy(&ret_handler->call_many, &many, sizeof(many));
	memcpy(&ret_handler->call, &one, sizeof(one));
	ret_handler->jobs = jobs != NULL ? *jobs : JOBS;
	return many != NULL || one != NULL;
}

pawl_status
object_open(const char *path, object **ret_object, object_handler *ret_handler,
            pawl_error *error)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	object_handler handler;
	object *o;

	if (library == NULL)
		return error_set(error, PAWL_ERR_ARGUMENT, "could not load handler: %s",
		                 reason());
	if (!find_handler(library, &handler))
	{
		dlclose(library);
		return error_set(error, PAWL_ERR_ARGUMENT, "\"%s\" has no function \"%s\"",
		                 path, SYMBOL);
	}
	o = malloc(sizeof(*o));
	if (o == NULL)
	{
		dlclose(library);
		return error_memory(error);
	}
	o->library = library;
	*ret_handler = handler;
	*ret_object = o;
	return PAWL_OK;
}

void
object_close(object *o)
{
	if (o == NULL)
		return;
	dlclose(o->library);
	free(o);
}
