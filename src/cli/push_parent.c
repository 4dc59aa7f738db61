/*
 * push_parent.c - the job in whose handler this program runs
 *
 * The worker puts it into the handler's environment; see src/handler/child_env.c.
 */
#include <stdlib.h>

#include "cli/push.h"

bool
push_parent(pawl_job *ret_parent)
{
	const char *batch = getenv("PAWL_BATCH");
	const char *stage = getenv("PAWL_STAGE");
	const char *job = getenv("PAWL_JOB");
	const char *fence = getenv("PAWL_FENCE");

	if (batch == NULL || stage == NULL || job == NULL || fence == NULL)
		return false;
	*ret_parent = (pawl_job){.id = strtoll(job, NULL, 10),
	                         .fence = strtoll(fence, NULL, 10),
	                         .batch = strtoll(batch, NULL, 10)};
	return true;
}
