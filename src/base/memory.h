/*
 * memory.h - ownership by scope
 *
 * auto_free		frees a malloc'ed pointer at the end of its scope
 * take(p)			hands a pointer on: answers it and leaves NULL behind
 *
 * Allocation returns NULL on failure; callers answer error_memory(error).
 */
#ifndef PAWL_BASE_MEMORY_H
#define PAWL_BASE_MEMORY_H

#include <stdlib.h>

static inline void
free_pointer(void *pointer)
{
	free(*(void **) pointer);
}

#define auto_free __attribute__((cleanup(free_pointer)))

#define take(p)                                                                        \
	({                                                                                 \
		__typeof__(p) taken_ = (p);                                                    \
		(p) = NULL;                                                                    \
		taken_;                                                                        \
	})

#endif
