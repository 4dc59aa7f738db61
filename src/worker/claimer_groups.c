/*
 * claimer_groups.c - the scout: looks for groups that a runner could go on with
 *
 * A look takes no lock and writes nothing; the runners take what it offers, and pass over
 * what somebody else has taken meanwhile.  Where there are groups, which the steward's
 * tick tells, a look is due when it has rung, when a runner is free and the last look was
 * not allowed more, and at each poll: a head that becomes due rings for nobody.  While
 * the bell is not trusted it polls faster, and slower again where looks bring nothing.
 * Leases that are over are looked for at each poll alone: under an old snapshot all that
 * were given back since are walked over, too.
 * Where there are no groups a ring that brought no other job is answered with a look, and
 * nothing else.
 */
#include "worker/claimer.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"

#define STEPS 500 /* into the index, of one look */

/*
 * Looks take at most a tenth of the claimer's time, unless there is more, or a poll is due:
 * one that took long for once puts off the next no longer.
 */
#define SHARE 10

/* A look that had to stop before it had seen everything is gone on with so late at most. */
#define GO_ON_MS 100

static int64_t
earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
latest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t
claimer_scout_due(claimer *self)
{
	const scout *s = &self->scout;
	bool rung = self->view.groups_about && self->bell.heard > s->heard;
	groups_view v;

	if (self->worker->groups == 0)
		return CLOCK_NEVER;
	groups_look(&self->worker->seats, &v);
	if (v.room == 0)
		return CLOCK_NEVER;
	if (v.more && v.fruitful > 0)
		return 0;
	if (s->asked || rung)
		return s->not_before_ms;
	return self->view.groups_about ? latest(s->poll_ms, s->not_before_ms) : CLOCK_NEVER;
}

/* A claim has answered a ring: what it did not find may be of a group. */
void
claimer_note_ring(claimer *self, bool rung, size_t jobs)
{
	if (rung && jobs == 0)
		self->scout.asked = true;
}

/* When to look again though nothing rings. */
static void
set_pace(claimer *self, bool fruitless, bool whole)
{
	scout *s = &self->scout;
	int64_t now_ms = clock_ms();
	int64_t poll_ms = self->worker->poll_ms;
	bool ringing = self->bell.trusted || self->bell.off;
	int64_t pause_ms;

	if (!fruitless)
		s->gap_ms = BELL_GAP_MS;
	else
		s->gap_ms = earliest(s->gap_ms * 2, poll_ms);
	s->poll_ms = now_ms + random_jitter(ringing ? poll_ms : s->gap_ms, 10);
	if (!whole)
		s->poll_ms = now_ms + earliest(s->gap_ms, GO_ON_MS);
	pause_ms = earliest((now_ms - self->now_ms) * SHARE, poll_ms);
	s->not_before_ms = now_ms + latest(pause_ms, fruitless ? BELL_GAP_MS : 0);
}

/* The rings are gone on with behind what runners have tried. */
static void
move_behind_tried(claimer *self)
{
	scout *s = &self->scout;
	size_t n = groups_take_tried(&self->worker->seats, s->tried);

	for (size_t i = 0; i < n; i++)
	{
		char tenant[sizeof(group_key)];
		size_t length = strcspn(s->tried[i], "/");

		if (s->tried[i][length] == '\0')
			length = 0; /* it has none */
		(void) snprintf(tenant, sizeof(tenant), "%.*s", (int) length, s->tried[i]);
		cursors_move(&s->cursors, tenant, s->tried[i]);
	}
}

/*
 * Offer what was found, and note how far the look has come; how many groups it has found.
 * *ret_whole is false if it had to stop before it had seen everything.
 */
static size_t
offer(claimer *self, const db_result *result, size_t wanted, bool *ret_whole)
{
	cursors *c = &self->scout.cursors;
	const char *keys[GROUPS_OFFERED];
	size_t n = 0;

	*ret_whole = true;
	for (int i = 0; i < db_rows(result); i++)
	{
		group_found found;

		group_found_row(result, i, &found);
		if (found.ready || n == 0)
			cursors_turn(c, found.tenant);
		if (found.ready && n < wanted)
			keys[n++] = found.group_key;
		if (found.ready)
			continue; /* gone on from when it has been tried */
		cursors_move(c, found.tenant, found.group_key);
		*ret_whole = false;
	}
	if (n > 0)
		cursors_found(c);
	groups_offer(&self->worker->seats, keys, n, n == wanted);
	return n;
}

void
claimer_scout(claimer *self)
{
	scout *s = &self->scout;
	queue_call call = claimer_call(self);
	group_search search = {
		.worker = self->view.worker,
		.tenants = (const char *const *) s->cursors.tenants,
		.afters = (const char *const *) s->cursors.afters,
		.last_tenant = s->cursors.last,
		.steps = STEPS,
		.leases = self->worker->once || clock_ms() >= s->leases_ms,
	};
	auto_result *result = NULL;
	uint64_t heard = self->bell.heard;
	groups_view v;
	pawl_error error;
	pawl_status status;
	bool whole;
	size_t n;

	groups_look(&self->worker->seats, &v);
	move_behind_tried(self);
	search.n_cursors = s->cursors.n;
	search.n = v.room > 0 ? (int) v.room : 1;
	status = group_candidates(&call, &search, &result, &error);
	if (status != PAWL_OK)
	{
		claimer_failed(self, status, &error);
		return;
	}
	outage_over(&self->outage);
	if (search.leases)
		s->leases_ms = clock_ms() + self->worker->poll_ms / 2;
	n = offer(self, result, (size_t) search.n, &whole);
	set_pace(self, n == 0 || (s->found > 0 && v.fruitful == 0), whole);
	s->asked = false;
	s->heard = heard;
	s->found = n;
	if (n > 0)
	{
		self->clear = false;
		self->tick = 0;
	}
	s->nothing = self->clear && (whole || cursors_have_seen_all(&s->cursors));
}
