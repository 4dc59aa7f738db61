/*
 * object.c - handlers in a shared object
 */
#include "handler/object.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SYMBOL "pawl_handle"

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

pawl_status
object_open(const char *path, object **ret_object, pawl_handler *ret_handler,
            pawl_error *error)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol;
	object *o;

	if (library == NULL)
		return error_set(error, PAWL_ERR_ARGUMENT, "could not load handler: %s",
		                 reason());
	symbol = dlsym(library, SYMBOL);
	if (symbol == NULL)
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
	memcpy(ret_handler, &symbol, sizeof(symbol)); /* ISO C has no such cast */
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
