/*
 * trouble.c - see trouble.h; any thread of the worker
 */
#include "worker/trouble.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "worker/wait.h"

static const char *const roles[] = {
	[TROUBLE_CLAIM] = "claim",
	[TROUBLE_SETTLE] = "settle",
	[TROUBLE_GROUP] = "group",
};
static_assert(sizeof(roles) / sizeof(roles[0]) == TROUBLE_ROLES, "a name for each");

void
trouble_init(trouble *t)
{
	memset(t, 0, sizeof(*t));
	pthread_mutex_init(&t->mutex, NULL);
}

void
trouble_destroy(trouble *t)
{
	pthread_mutex_destroy(&t->mutex);
}

void
trouble_begins(trouble *t, const char *role, const pawl_error *error)
{
	auto_lock(&t->mutex);
	size_t i = 0;
	trouble_note *note;

	while (i < TROUBLE_ROLES && strcmp(roles[i], role) != 0)
		i++;
	if (i == TROUBLE_ROLES)
		return;
	note = &t->notes[i];
	if (!atomic_exchange(&t->any[i], true))
		note->since_ms = clock_ms();
	(void) snprintf(note->why, sizeof(note->why), "%.250s%s%s%s", error->message,
	                error->sqlstate[0] != '\0' ? " (SQLSTATE " : "", error->sqlstate,
	                error->sqlstate[0] != '\0' ? ")" : "");
}

void
trouble_ends(trouble *t, trouble_of which)
{
	assert(which < TROUBLE_ROLES);
	atomic_store(&t->any[which], false);
}

bool
trouble_look(trouble *t, trouble_of which, trouble_note *ret_note)
{
	auto_lock(&t->mutex);
	assert(which < TROUBLE_ROLES);
	if (!atomic_load(&t->any[which]))
		return false;
	*ret_note = t->notes[which];
	return true;
}
