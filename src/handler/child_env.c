/*
 * child_env.c - the environment of an exec handler's program
 *
 * Built anew for each attempt on an executor thread.  It reads the program's own
 * environment, which nobody changes once threads run.
 */
#include "handler/child_env.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How to reach the database, but for the password. */
static const char *const connection_names[] = {
	"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSFILE", "PGSERVICE", NULL};

/* What any program may expect. */
static const char *const base_names[] = {"PATH",    "HOME",   "USER",
                                         "LOGNAME", "TMPDIR", NULL};

/* Length of the name in "NAME=value" or "NAME". */
static size_t
name_length(const char *text)
{
	return strcspn(text, "=");
}

static bool
same_name(const char *a, const char *b)
{
	return name_length(a) == name_length(b) && memcmp(a, b, name_length(a)) == 0;
}

/* Whether a list (NULL-terminated, or NULL) has an entry of name's name. */
static bool
list_has(const char *const *list, const char *name)
{
	for (; list != NULL && *list != NULL; list++)
	{
		if (same_name(*list, name))
			return true;
	}
	return false;
}

static bool
is_set(const strings *env, const char *name)
{
	return list_has((const char *const *) env->list, name);
}

static void
pass_on(strings *env, const char *name)
{
	const char *value = getenv(name);

	if (value != NULL && name[0] != '\0' && !is_set(env, name))
		strings_addf(env, "%s=%s", name, value);
}

/* The guard's mark; a worker that runs inside a job keeps the outer worker's too. */
static void
add_guard_mark(strings *env, const char *mark)
{
	const char *outer = getenv("PAWL_GUARD");

	if (outer != NULL && outer[0] != '\0')
		strings_addf(env, "PAWL_GUARD=%.1024s:%s", outer, mark);
	else
		strings_addf(env, "PAWL_GUARD=%s", mark);
}

static void
add_deadline(strings *env, int64_t deadline_us)
{
	time_t seconds = (time_t) (deadline_us / 1000000);
	int milliseconds = (int) (deadline_us % 1000000 / 1000);
	struct tm parts;
	char text[64];

	if (gmtime_r(&seconds, &parts) == NULL)
		return;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	strings_addf(env, "PAWL_DEADLINE=%s.%03dZ", text, milliseconds);
}

static void
add_job(strings *env, const pawl_job *job)
{
	strings_addf(env, "PAWL_JOB=%" PRId64, job->id);
	strings_addf(env, "PAWL_FENCE=%" PRId64, job->fence);
	strings_addf(env, "PAWL_KIND=%s", job->kind);
	strings_addf(env, "PAWL_QUEUE=%s", job->queue);
	strings_addf(env, "PAWL_ATTEMPT=%d", job->attempt);
	if (job->batch != 0)
		strings_addf(env, "PAWL_BATCH=%" PRId64, job->batch);
	if (job->stage != NULL)
		strings_addf(env, "PAWL_STAGE=%s", job->stage);
	if (job->group_key != NULL)
		strings_addf(env, "PAWL_GROUP=%s", job->group_key);
	if (job->run_key != 0)
		strings_addf(env, "PAWL_RUN=%" PRId64, job->run_key);
	strings_addf(env, "PGAPPNAME=pawl job %" PRId64, job->id);
}

/* What connection says, and the program's own where it says nothing. */
static void
add_connection(strings *env, const child_env_spec *spec)
{
	for (const char *const *at = spec->connection; at != NULL && *at != NULL; at++)
	{
		bool secret = same_name(*at, "PGPASSWORD");
		bool empty =
			(*at)[name_length(*at)] == '\0' || (*at)[name_length(*at) + 1] == '\0';

		if (!empty && !is_set(env, *at) &&
		    (!secret || list_has(spec->pass_env, "PGPASSWORD")))
			strings_add(env, *at);
	}
	for (const char *const *name = connection_names; *name != NULL; name++)
	{
		if (!list_has(spec->connection, *name))
			pass_on(env, *name);
	}
}

void
child_env_build(strings *env, const pawl_job *job, const child_env_spec *spec)
{
	add_guard_mark(env, spec->guard_mark);
	add_job(env, job);
	if (spec->jobs > 0)
		strings_addf(env, "PAWL_JOBS=%zu", spec->jobs);
	if (spec->deadline_us > 0)
		add_deadline(env, spec->deadline_us);
	add_connection(env, spec);
	for (const char *const *name = base_names; *name != NULL; name++)
		pass_on(env, *name);
	for (const char *const *at = spec->pass_env; at != NULL && *at != NULL; at++)
		pass_on(env, *at);
}
