/*
 * group_runner.c - finds a group, takes it, goes through it, gives it back
 *
 * See group_runner.h, and groups.h for what runners share with scout and keeper.  A
 * runner waits for no other: what it needs of the others is a candidate, and the answer
 * to a renewal that is on its way.
 */
#include "worker/group_runner.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "worker/outage.h"
#include "worker/wait.h"

/*
 * Its statements wait for nobody but an outsider's lock.  A lost connection ends the work
 * on the group whatever became of a COMMIT, so nobody asks; but for the settle, which
 * counts.
 */
static const db_limits limits = {.lock_timeout_ms = 2000,
                                 .statement_timeout_ms = 20000,
                                 .idle_timeout_ms = 10000,
                                 .at_once = true,
                                 .same_session = true};

/* So long a connection is kept for the next group. */
#define LINGER_MS 1000

/* A group that is busy is looked at again so soon, and given back after so long. */
#define BUSY_FIRST_MS 10
#define BUSY_LONGEST_MS 320
#define BUSY_MS 3000

#define PAUSE_FIRST_MS 50

queue_call
group_runner_call(const group_runner *self)
{
	queue_call call = {.db = self->db, .limits = limits, .deadline_ms = CALL_ONCE};
	int64_t lease_ms = self->context.worker->lease_ms;

	/* A process that is stopped within a transaction holds locks on what it has lost. */
	if (lease_ms < call.limits.idle_timeout_ms)
		call.limits.idle_timeout_ms = (int) lease_ms;
	return call;
}

static group_seats *
seats(const group_runner *self)
{
	return &self->context.worker->seats;
}

/* ------------------------------------------------------------ connection --------- */

static void
close_connection(group_runner *self)
{
	if (!db_is_open(self->db))
		return;
	groups_unwatch(seats(self), db_socket(self->db));
	db_close(self->db);
}

/* Answers whether it is open. */
static bool
open_connection(group_runner *self)
{
	pawl_error error;
	pawl_status status = db_open(self->db, &error);

	if (status != PAWL_OK)
	{
		(void) group_runner_failed(self, "could not connect for", status, &error);
		return false;
	}
	groups_watch(seats(self), self->seat, db_socket(self->db));
	return true;
}

/* ------------------------------------------------------------ failures ----------- */

static void
tell_abandoned(const group_runner *self, const char *what, const pawl_error *error)
{
	worker_notice(self->context.worker, PAWL_WARN, "group \"%.100s\": %s it: %s%s%s%s",
	              self->seat->key, what, error->message,
	              error->sqlstate[0] != '\0' ? " (" : "", error->sqlstate,
	              error->sqlstate[0] != '\0' ? ")" : "");
}

static void
pause_after_failure(group_runner *self)
{
	int64_t pause_ms = random_jitter(self->pause_ms, 25);

	self->pause_ms =
		self->pause_ms * 2 < OUTAGE_LONGEST_MS ? self->pause_ms * 2 : OUTAGE_LONGEST_MS;
	groups_pause(seats(self), clock_ms() + pause_ms, false);
}

group_next
group_runner_failed(group_runner *self, const char *what, pawl_status status,
                    const pawl_error *error)
{
	bool lost = !db_is_open(self->db) || outage_is_doubt(status);
	bool passing = status != PAWL_ERR_LEASE && outage_is_passing(status) && !lost;

	if (!passing)
		tell_abandoned(self, what, error);
	if (status != PAWL_ERR_LEASE)
		trouble_begins(&self->context.worker->trouble, "group", error);
	if (status != PAWL_ERR_LEASE)
		pause_after_failure(self);
	if (passing && clock_ms() < self->end_ms && !groups_has_ended(seats(self)))
		return GROUP_ON;
	return GROUP_ABANDON;
}

void
group_runner_renewed(group_runner *self, int64_t sent_ms)
{
	trouble_ends(&self->context.worker->trouble, TROUBLE_GROUP);
	self->pause_ms = PAUSE_FIRST_MS;
	self->end_ms = sent_ms + self->context.worker->lease_ms;
	groups_renewed(seats(self), self->seat, self->end_ms);
}

/* ------------------------------------------------------------ one group ---------- */

/* Take the group of the seat. */
static bool
take_group(group_runner *self)
{
	queue_call call = group_runner_call(self);
	board_view view;
	int64_t sent_ms = clock_ms();
	int64_t token = 0;
	pawl_error error;
	pawl_status status;

	board_look(&self->context.worker->board, &view);
	if (!view.leased || view.phase != BOARD_RUNNING)
		return false;
	memcpy(self->worker, view.worker, sizeof(self->worker));
	self->epoch = view.epoch;
	self->end_ms = sent_ms;
	status = group_take(&call, self->worker, self->seat->key, &token, &error);
	if (status == PAWL_ERR_LEASE)
		return false; /* the worker's own: the keeper and the claimer see to that */
	if (status != PAWL_OK)
		(void) group_runner_failed(self, "could not take", status, &error);
	if (status != PAWL_OK || token == 0)
		return false;
	self->owner = (group_owner){
		.worker = self->worker, .group_key = self->seat->key, .token = token};
	self->since_ms = sent_ms;
	self->jobs = 0;
	groups_taken(seats(self), self->seat, token, sent_ms);
	group_runner_renewed(self, sent_ms);
	self->context.worker->counts.groups_taken++;
	return true;
}

group_kinds
group_runner_kinds(const group_runner *self)
{
	const pawl_worker *worker = self->context.worker;

	return (group_kinds){
		.kinds = worker->kinds, .sizes = worker->sizes, .n = worker->n_handlers};
}

bool
group_runner_must_leave(group_runner *self)
{
	const pawl_worker *worker = self->context.worker;

	if (groups_has_ended(seats(self)))
		return true;
	if (self->jobs < worker->group_jobs &&
	    clock_ms() < self->since_ms + worker->group_ms)
		return false;
	return groups_others_wait(seats(self));
}

/* Something of the group is locked, or what its lease names still runs. */
static group_next
wait_while_busy(group_runner *self, int64_t *busy_ms, int64_t *until_ms)
{
	if (*until_ms == 0)
		*until_ms = clock_ms() + BUSY_MS;
	if (clock_ms() >= *until_ms)
		return GROUP_LEAVE;
	groups_pause(seats(self), clock_ms() + *busy_ms, false);
	if (*busy_ms < BUSY_LONGEST_MS)
		*busy_ms *= 2;
	return GROUP_ON;
}

/* Unless the settle before has done it. */
static pawl_status
dispatch(group_runner *self, group_answer *ret_answer, db_result **ret_result,
         pawl_error *error)
{
	queue_call call = group_runner_call(self);
	group_kinds kinds = group_runner_kinds(self);
	int64_t sent_ms = clock_ms();
	pawl_status status;

	if (self->ahead)
	{
		self->ahead = false;
		*ret_answer = self->next.answer;
		*ret_result = take(self->next.result);
		return PAWL_OK;
	}
	status = group_dispatch(&call, &self->owner, &kinds, ret_answer, ret_result, error);
	if (status == PAWL_OK)
		group_runner_renewed(self, sent_ms);
	return status;
}

/* One dispatch, and what follows from it; *ret_answer is GROUP_BUSY or another. */
static group_next
step(group_runner *self, group_answer *ret_answer)
{
	auto_result *result = NULL;
	pawl_error error;
	pawl_status status = dispatch(self, ret_answer, &result, &error);

	if (status != PAWL_OK)
	{
		*ret_answer = GROUP_AGAIN;
		return group_runner_failed(self, "lost", status, &error);
	}
	switch (*ret_answer)
	{
		case GROUP_JOB:
			return group_attempt(self, result);
		case GROUP_BUSY:
		case GROUP_AGAIN:
			return GROUP_ON;
		case GROUP_NONE:
		case GROUP_LATER:
		case GROUP_BLOCKED:
		case GROUP_FOREIGN:
		case GROUP_LEFT:
			break;
	}
	return GROUP_LEAVE;
}

static group_next
go_through(group_runner *self)
{
	group_next next = GROUP_ON;
	int64_t busy_ms = BUSY_FIRST_MS;
	int64_t until_ms = 0;

	while (next == GROUP_ON && (self->ahead || !group_runner_must_leave(self)))
	{
		group_answer answer;

		next = step(self, &answer);
		if (next == GROUP_ON && answer == GROUP_BUSY)
			next = wait_while_busy(self, &busy_ms, &until_ms);
		else
		{
			busy_ms = BUSY_FIRST_MS;
			until_ms = 0;
		}
	}
	return next;
}

static void
give_back(group_runner *self)
{
	queue_call call = group_runner_call(self);
	bool given = false;
	pawl_error error;
	pawl_status status = group_give_back(&call, &self->owner, &given, &error);

	if (status == PAWL_OK)
		self->pause_ms = PAUSE_FIRST_MS;
	else if (status != PAWL_ERR_LEASE)
		(void) group_runner_failed(self, "could not give back", status, &error);
}

/* The group of the seat, from taking to leaving it. */
static void
serve(group_runner *self)
{
	group_next next = GROUP_GIVEN;

	self->jobs = 0;
	if (open_connection(self) && take_group(self))
		next = go_through(self);
	assert(!self->ahead);
	if (next == GROUP_ABANDON)
	{
		self->context.worker->counts.groups_lost++;
		close_connection(self); /* whatever it was in the middle of */
	}
	else if (next != GROUP_GIVEN)
		give_back(self);
	ending_look(&self->ending, &self->context.worker->board, self->db, &limits, true);
	groups_leave(seats(self), self->seat, self->jobs > 0);
}

/* ------------------------------------------------------------ thread ------------- */

static void
run(group_runner *self)
{
	int64_t until_ms = CLOCK_NEVER;

	for (;;)
	{
		switch (groups_next(seats(self), self->seat, until_ms))
		{
			case GROUPS_ONE:
				serve(self);
				break;
			case GROUPS_NOTHING:
				close_connection(self);
				break;
			case GROUPS_END:
				return;
		}
		until_ms = db_is_open(self->db) ? clock_ms() + LINGER_MS : CLOCK_NEVER;
	}
}

void *
group_runner_main(void *arg)
{
	group_runner *self = arg;

	self->pause_ms = PAUSE_FIRST_MS;
	self->db = worker_db(self->context.worker, "group");
	self->own.db = self->db;
	self->context.own = &self->own;
	if (self->db != NULL)
		run(self);
	close_connection(self);
	db_free(self->db);
	return NULL;
}

/* ------------------------------------------------------------ other threads ------ */

pawl_status
group_runner_renew(const queue_call *call, const char *worker, group_renewal *renewals,
                   size_t n, pawl_error *error)
{
	const char *keys[LIMIT_GROUPS];
	int64_t tokens[LIMIT_GROUPS];
	bool lost[LIMIT_GROUPS];
	pawl_status status;

	assert(n >= 1 && n <= LIMIT_GROUPS);
	for (size_t i = 0; i < n; i++)
	{
		keys[i] = renewals[i].key;
		tokens[i] = renewals[i].token;
	}
	status = group_renew(call, worker, keys, tokens, n, lost, error);
	for (size_t i = 0; i < n && status == PAWL_OK; i++)
		renewals[i].lost = lost[i];
	return status;
}

void
group_runner_losses(pawl_worker *worker)
{
	group_loss loss;

	while (groups_next_loss(&worker->seats, &loss))
	{
		worker_notice(worker, PAWL_WARN, "group \"%.100s\" is lost: %s", loss.key,
		              loss.why);
		board_group_lost(&worker->board, loss.token);
	}
}
