/*
 * embedded_find.c - look up a file of the embedded SQL by its name
 */
#include <string.h>

#include "db/embedded.h"

const embedded_file *
embedded_find(const embedded_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
	{
		if (strcmp(list->files[i].name, name) == 0)
			return &list->files[i];
	}
	return NULL;
}
