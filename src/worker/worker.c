/*
 * worker.c - a worker's options, and the run that starts and joins its threads
 *
 * pawl_worker_run is the supervisor: after starting the threads it waits for a stop, for
 * the end of a run with `once`, and for the end of the lease, which it watches besides
 * the keeper because it never waits for a connection.
 */
#include "worker/worker.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "worker/crew.h"
#include "worker/stats.h"
#include "worker/wait.h"

#define LEASE_MS 30000
#define LEASE_MIN_MS 200 /* a third of it must suffice for a round trip */
#define LEASE_MAX_MS (24LL * 3600 * 1000)
#define POLL_MS 1000
#define DRAIN_MS 30000
#define WAIT_CANCEL_MS 30000
#define GROUPS 16
#define GROUP_JOBS 100
#define GROUP_MS 60000

/* ------------------------------------------------------------ options ------------ */

static pawl_status
choose_duration(const char *what, int64_t wanted_ms, int64_t default_ms, int64_t min_ms,
                int64_t *ret_ms, pawl_error *error)
{
	*ret_ms = wanted_ms == 0 ? default_ms : wanted_ms;
	if (*ret_ms < min_ms || *ret_ms > LEASE_MAX_MS)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%s of %" PRId64 " ms is not within %" PRId64 " and %lld",
		                 what, *ret_ms, min_ms, LEASE_MAX_MS);
	return PAWL_OK;
}

static char *
default_name(void)
{
	char host[64];
	char *name;

	if (gethostname(host, sizeof(host)) != 0)
		memcpy(host, "localhost", sizeof("localhost"));
	host[sizeof(host) - 1] = '\0';
	return asprintf(&name, "%s:%d", host, (int) getpid()) < 0 ? NULL : name;
}

static pawl_status
copy_queues(pawl_worker *w, const char *const *queues, pawl_error *error)
{
	static const char *const alone[] = {"default", NULL};
	size_t n = 0;

	if (queues == NULL || queues[0] == NULL)
		queues = alone;
	while (queues[n] != NULL)
		n++;
	if (n > LIMIT_QUEUES)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%zu queues exceed the limit of %d queues", n, LIMIT_QUEUES);
	w->queues = calloc(n, sizeof(*w->queues));
	if (w->queues == NULL)
		return error_memory(error);
	for (; w->n_queues < n; w->n_queues++)
	{
		const char *queue = queues[w->n_queues];

		if (queue[0] == '\0' || strlen(queue) > LIMIT_NAME)
			return error_set(error, PAWL_ERR_ARGUMENT,
			                 "name of a queue must have 1 to %d bytes", LIMIT_NAME);
		if (text_valid_utf8(queue, strlen(queue)) != strlen(queue))
			return error_set(error, PAWL_ERR_ARGUMENT, "name of a queue is not UTF-8");
		/* lanes of one claim must not overlap: its own locks are not skipped */
		for (size_t i = 0; i < w->n_queues; i++)
			if (strcmp(w->queues[i], queue) == 0)
				return error_set(error, PAWL_ERR_ARGUMENT,
				                 "queue \"%s\" is named twice", queue);
		w->queues[w->n_queues] = strdup(queue);
		if (w->queues[w->n_queues] == NULL)
			return error_memory(error);
	}
	return PAWL_OK;
}

static pawl_status
choose_executors(pawl_worker *w, int wanted, pawl_error *error)
{
	long n = wanted;

	if (n == 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	if (wanted == 0 && (n < 1 || n > LIMIT_EXECUTORS))
		n = n < 1 ? 1 : LIMIT_EXECUTORS;
	if (n < 1 || n > LIMIT_EXECUTORS)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%ld executors are not within 1 and %d", n, LIMIT_EXECUTORS);
	w->executors = (size_t) n;
	return PAWL_OK;
}

static pawl_status
choose_groups(pawl_worker *w, const pawl_worker_options *o, pawl_error *error)
{
	if (o->groups > LIMIT_GROUPS)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%d groups exceed the limit of %d groups", o->groups,
		                 LIMIT_GROUPS);
	if (o->group_jobs < 0)
		return error_set(error, PAWL_ERR_ARGUMENT, "group_jobs is negative");
	if (o->groups >= 0)
		w->groups = o->groups == 0 ? GROUPS : (size_t) o->groups;
	w->group_jobs = o->group_jobs == 0 ? GROUP_JOBS : (size_t) o->group_jobs;
	return choose_duration("group_ms", o->group_ms, GROUP_MS, 1, &w->group_ms, error);
}

static pawl_status
take_options(pawl_worker *w, const pawl_worker_options *o, pawl_error *error)
{
	pawl_status status;

	w->conninfo = strdup(o->conninfo != NULL ? o->conninfo : "");
	w->name = o->name != NULL ? strdup(o->name) : default_name();
	if (w->conninfo == NULL || w->name == NULL)
		return error_memory(error);
	if (text_valid_utf8(w->name, strlen(w->name)) != strlen(w->name))
		return error_set(error, PAWL_ERR_ARGUMENT, "name of the worker is not UTF-8");
	status = copy_queues(w, o->queues, error);
	if (status == PAWL_OK)
		status = choose_executors(w, o->executors, error);
	if (status == PAWL_OK)
		status = choose_groups(w, o, error);
	if (status == PAWL_OK)
		status = choose_duration("lease", o->lease_ms, LEASE_MS, LEASE_MIN_MS,
		                         &w->lease_ms, error);
	if (status == PAWL_OK)
		status = choose_duration("poll", o->poll_ms, POLL_MS, 1, &w->poll_ms, error);
	if (status == PAWL_OK)
		status =
			choose_duration("drain", o->drain_ms, DRAIN_MS, 1, &w->drain_ms, error);
	if (o->wait_cancel_ms < 0)
		w->wait_cancel_ms = -1;
	else if (status == PAWL_OK)
		status = choose_duration("wait_cancel", o->wait_cancel_ms, WAIT_CANCEL_MS, 1,
		                         &w->wait_cancel_ms, error);
	if (status != PAWL_OK)
		return status;
	w->once = o->once;
	w->notice = o->notice;
	w->notice_closure = o->notice_closure;
	w->stop_fd = wait_event_new();
	if (w->stop_fd < 0)
		return error_set(error, PAWL_ERR_SYSTEM, "could not create eventfd: %s",
		                 strerror(errno));
	return PAWL_OK;
}

pawl_status
pawl_worker_new(const pawl_worker_options *options, pawl_worker **ret_worker,
                pawl_error *error)
{
	pawl_worker *w = calloc(1, sizeof(*w));
	pawl_status status;

	if (w == NULL)
		return error_memory(error);
	w->stop_fd = -1;
	status = take_options(w, options, error);
	if (status != PAWL_OK)
	{
		pawl_worker_free(w);
		return status;
	}
	*ret_worker = w;
	return PAWL_OK;
}

void
pawl_worker_free(pawl_worker *worker)
{
	if (worker == NULL)
		return;
	assert(!worker->running);
	for (size_t i = 0; i < worker->n_queues; i++)
		free(worker->queues[i]);
	for (size_t i = 0; i < worker->n_handlers; i++)
		free(worker->handlers[i].kind);
	if (worker->stop_fd >= 0)
		close(worker->stop_fd);
	free(worker->queues);
	free(worker->handlers);
	free(worker->kinds);
	free(worker->sizes);
	free(worker->name);
	free(worker->conninfo);
	free(worker);
}

/* ------------------------------------------------------------ handlers ----------- */

static int
compare_handlers(const void *a, const void *b)
{
	return strcmp(((const worker_handler *) a)->kind,
	              ((const worker_handler *) b)->kind);
}

const worker_handler *
worker_find_handler(const pawl_worker *worker, const char *kind)
{
	worker_handler key = {.kind = (char *) (uintptr_t) kind};

	if (worker->n_handlers == 0)
		return NULL;
	return bsearch(&key, worker->handlers, worker->n_handlers, sizeof(key),
	               compare_handlers);
}

/* Room for one more, in the three arrays. */
static pawl_status
grow(pawl_worker *w, pawl_error *error)
{
	size_t n = w->n_handlers + 1;
	worker_handler *handlers = realloc(w->handlers, n * sizeof(*handlers));
	const char **kinds;
	int64_t *sizes;

	if (handlers == NULL)
		return error_memory(error);
	w->handlers = handlers;
	kinds = realloc(w->kinds, n * sizeof(*kinds));
	if (kinds == NULL)
		return error_memory(error);
	w->kinds = kinds;
	sizes = realloc(w->sizes, n * sizeof(*sizes));
	if (sizes == NULL)
		return error_memory(error);
	w->sizes = sizes;
	return PAWL_OK;
}

/* entry has all but its kind. */
static pawl_status
add_handler(pawl_worker *worker, const char *kind, worker_handler entry,
            pawl_error *error)
{
	pawl_status status;

	assert(!worker->running);
	if (kind == NULL || kind[0] == '\0' || strlen(kind) > LIMIT_NAME)
		return error_set(error, PAWL_ERR_ARGUMENT, "kind must have 1 to %d bytes",
		                 LIMIT_NAME);
	if (text_valid_utf8(kind, strlen(kind)) != strlen(kind))
		return error_set(error, PAWL_ERR_ARGUMENT, "kind is not UTF-8");
	if (entry.call == NULL && entry.call_many == NULL)
		return error_set(error, PAWL_ERR_ARGUMENT, "handler of \"%s\" is missing",
		                 kind);
	if (worker_find_handler(worker, kind) != NULL)
		return error_set(error, PAWL_ERR_CONFLICT, "kind \"%s\" has a handler already",
		                 kind);
	if (worker->n_handlers == LIMIT_KINDS)
		return error_set(error, PAWL_ERR_ARGUMENT, "more than %d handlers",
		                 LIMIT_KINDS);
	status = grow(worker, error);
	if (status != PAWL_OK)
		return status;
	entry.kind = strdup(kind);
	if (entry.kind == NULL)
		return error_memory(error);
	worker->handlers[worker->n_handlers++] = entry;
	qsort(worker->handlers, worker->n_handlers, sizeof(entry), compare_handlers);
	for (size_t i = 0; i < worker->n_handlers; i++)
	{
		worker->kinds[i] = worker->handlers[i].kind;
		worker->sizes[i] = (int64_t) worker->handlers[i].max;
	}
	return PAWL_OK;
}

pawl_status
pawl_worker_handle(pawl_worker *worker, const char *kind, pawl_handler handler,
                   void *closure, pawl_error *error)
{
	worker_handler entry = {.call = handler, .max = 1, .closure = closure};

	return add_handler(worker, kind, entry, error);
}

pawl_status
pawl_worker_handle_many(pawl_worker *worker, const char *kind, size_t max,
                        pawl_many_handler handler, void *closure, pawl_error *error)
{
	worker_handler entry = {.call_many = handler, .max = max, .closure = closure};

	if (max < 1 || max > LIMIT_MANY)
		return error_set(error, PAWL_ERR_ARGUMENT,
		                 "%zu jobs at once are not within 1 and %d", max, LIMIT_MANY);
	return add_handler(worker, kind, entry, error);
}

/* ------------------------------------------------------------ for the threads ---- */

void
worker_count(pawl_worker *worker, work_verb verb)
{
	worker_counts *c = &worker->counts;
	_Atomic int64_t *const of_verb[] = {
		[WORK_COMPLETE] = &c->succeeded,
		[WORK_FAIL] = &c->failed,
		[WORK_SNOOZE] = &c->snoozed,
		[WORK_RELEASE] = &c->released,
	};

	static_assert(sizeof(of_verb) / sizeof(of_verb[0]) == WORK_VERBS,
	              "a verb is missing");
	(*of_verb[verb])++;
}

void
worker_notice(pawl_worker *worker, pawl_level level, const char *format, ...)
{
	char message[1024];
	va_list args;

	if (worker->notice == NULL)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	worker->notice(level, message, worker->notice_closure);
}

db *
worker_db(pawl_worker *worker, const char *role)
{
	db *made = NULL;
	pawl_error error;

	/* the connection string was checked before: only memory can be missing */
	if (db_new(worker->conninfo, role, worker->name, &made, &error) != PAWL_OK)
		worker_notice(worker, PAWL_ERROR, "%s: %s", role, error.message);
	return made;
}

void
pawl_worker_stop(pawl_worker *worker)
{
	wait_event_ring(worker->stop_fd);
}

void
worker_stats_read(pawl_worker *worker, worker_stats *ret_stats)
{
	worker_counts *c = &worker->counts;

	*ret_stats = (worker_stats){
		.claimed = c->claimed,
		.succeeded = c->succeeded,
		.failed = c->failed,
		.snoozed = c->snoozed,
		.released = c->released,
		.cancelled = c->cancelled,
		.stale = c->stale,
		.taken_over = c->taken_over,
		.log_lines = c->log_lines,
		.log_dropped = c->log_dropped,
		.leases_lost = c->leases_lost,
		.groups_taken = c->groups_taken,
		.groups_lost = c->groups_lost,
		.silent_waits = c->silent_waits,
	};
}
