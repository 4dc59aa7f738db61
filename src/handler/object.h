/*
 * object.h - handlers in a shared object
 *
 * The object exports a function of type pawl_handler under the name pawl_handle, or one of
 * type pawl_many_handler under the name pawl_handle_many, and then perhaps how many jobs
 * it takes at once: const size_t pawl_handle_jobs (100 without it).  It is called with the
 * closure NULL.  It is linked against nothing of Pawl's: the functions pawl_context_... are
 * the program's.
 */
#ifndef PAWL_HANDLER_OBJECT_H
#define PAWL_HANDLER_OBJECT_H

#include "pawl.h"

typedef struct object object;

/* What it exports: call, or call_many and jobs; the other is NULL. */
typedef struct object_handler
{
	pawl_handler call;
	pawl_many_handler call_many;
	size_t jobs;
} object_handler;

/* ERR_ARGUMENT: cannot be loaded, or exports neither function. */
PAWL_CHECK pawl_status object_open(const char *path, object **ret_object,
                                   object_handler *ret_handler, pawl_error *error);

/* After the last worker that has its handler has ended. */
void object_close(object *object);

#endif
