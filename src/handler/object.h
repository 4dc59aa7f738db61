/*
 * object.h - handlers in a shared object
 *
 * The object exports a function of type pawl_handler under the name pawl_handle; it
 * is called with the closure NULL.  It is linked against nothing of Pawl's: the
 * functions pawl_context_... are the program's.
 */
#ifndef PAWL_HANDLER_OBJECT_H
#define PAWL_HANDLER_OBJECT_H

#include "pawl.h"

typedef struct object object;

/* ERR_ARGUMENT: cannot be loaded, or has no pawl_handle. */
PAWL_CHECK pawl_status object_open(const char *path, object **ret_object,
                                   pawl_handler *ret_handler, pawl_error *error);

/* After the last worker that has its handler has ended. */
void object_close(object *object);

#endif
