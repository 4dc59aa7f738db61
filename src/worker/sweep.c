/*
 * sweep.c - see sweep.h; called by the claimer
 */
#include "worker/sweep.h"

#include <assert.h>
#include <stdlib.h>

typedef struct swept
{
	int64_t floor;
	int64_t written; /* the floor that is in the database */
	int64_t goal;    /* of this pass */
	int64_t clear;   /* nobody brings a row below it once those before xid have ended */
	int64_t at;      /* walked so far */
	bool open;       /* one of them had not when this pass looked */
} swept;

struct sweep
{
	size_t n;
	bool passing;
	bool waiting; /* for some of those that ran before xid: the next pass has it, too */
	size_t lane;  /* that is being walked */
	uint64_t xid; /* transactions below it must have ended */
	int64_t due_ms;  /* of the next step */
	int64_t pass_ms; /* of the next pass */
	swept lanes[];
};

sweep *
sweep_new(size_t lanes)
{
	sweep *s = calloc(1, sizeof(*s) + lanes * sizeof(s->lanes[0]));

	if (s != NULL)
		s->n = lanes;
	return s;
}

void
sweep_free(sweep *s)
{
	free(s);
}

void
sweep_set_floors(sweep *s, const int64_t *floors)
{
	for (size_t i = 0; i < s->n; i++)
		s->lanes[i] = (swept){.floor = floors[i], .written = floors[i]};
	s->passing = s->waiting = false;
}

static bool
to_walk(const sweep *s, const mark *m)
{
	for (size_t i = 0; i < s->n; i++)
	{
		if (s->lanes[i].floor < mark_top(m, i))
			return true;
	}
	return false;
}

static bool
to_write(const swept *l)
{
	return l->floor - l->written >= SWEEP_RAISE;
}

int64_t
sweep_due(const sweep *s, const mark *m)
{
	if (s->passing)
		return s->due_ms;
	return to_walk(s, m) ? s->pass_ms : INT64_MAX;
}

/* The next lane that has something to walk, from the present one on. */
static bool
find_lane(sweep *s)
{
	for (; s->lane < s->n; s->lane++)
	{
		if (s->lanes[s->lane].at < s->lanes[s->lane].goal)
			return true;
	}
	return false;
}

static bool
find_floor(const sweep *s, sweep_step *ret_step)
{
	for (size_t i = 0; i < s->n; i++)
	{
		if (!to_write(&s->lanes[i]))
			continue;
		*ret_step =
			(sweep_step){.task = SWEEP_FLOOR, .lane = i, .upto = s->lanes[i].floor};
		return true;
	}
	return false;
}

void
sweep_next(sweep *s, const mark *m, int64_t now_ms, sweep_step *ret_step)
{
	*ret_step = (sweep_step){.task = SWEEP_NOTHING};
	if (now_ms < sweep_due(s, m))
		return;
	if (!s->passing)
	{
		ret_step->task = SWEEP_BEGIN;
		return;
	}
	if (find_lane(s))
	{
		const swept *l = &s->lanes[s->lane];
		int64_t upto = l->goal - l->at > SWEEP_STEP ? l->at + SWEEP_STEP : l->goal;

		*ret_step = (sweep_step){
			.task = SWEEP_LOOK, .lane = s->lane, .after = l->at, .upto = upto};
		return;
	}
	if (find_floor(s, ret_step))
		return;
	s->passing = false;
}

/*
 * Where somebody always writes, a pass meets a transaction that is older than itself each
 * time.  So what a pass has waited for in vain, the next one waits for on.
 */
void
sweep_began(sweep *s, const mark *m, uint64_t xid, int64_t now_ms)
{
	assert(!s->passing);
	for (size_t i = 0; i < s->n; i++)
	{
		swept *l = &s->lanes[i];

		l->goal = mark_top(m, i);
		l->clear = s->waiting ? l->clear : l->goal;
		l->at = l->floor;
		l->open = false;
	}
	s->xid = s->waiting ? s->xid : xid;
	s->waiting = false;
	s->passing = true;
	s->lane = 0;
	s->due_ms = now_ms + SWEEP_PAUSE_MS;
	s->pass_ms = now_ms + SWEEP_PASS_MS;
}

/* The lane has been walked, as far as it was to be. */
static void
end_lane(sweep *s, swept *l, int64_t clear_to)
{
	if (clear_to > l->clear)
		clear_to = l->clear;
	if (l->open)
		s->waiting = s->waiting || clear_to > l->floor;
	else if (clear_to > l->floor)
		l->floor = clear_to;
	l->at = l->goal;
	s->lane++;
}

void
sweep_saw(sweep *s, mark *m, int64_t pos, uint64_t oldest, int64_t began_ms,
          int64_t now_ms)
{
	swept *l = &s->lanes[s->lane];
	int64_t pause_ms = (now_ms - began_ms) * (SWEEP_SHARE - 1);

	assert(s->passing && s->lane < s->n);
	if (oldest < s->xid)
		l->open = true;
	if (pos != 0)
	{
		mark_back(m, s->lane, pos);
		end_lane(s, l, pos - 1);
	}
	else if (l->goal - l->at <= SWEEP_STEP)
		end_lane(s, l, l->goal);
	else
		l->at += SWEEP_STEP;
	s->due_ms = now_ms + (pause_ms > SWEEP_PAUSE_MS ? pause_ms : SWEEP_PAUSE_MS);
}

void
sweep_raised(sweep *s)
{
	for (size_t i = 0; i < s->n; i++)
	{
		if (to_write(&s->lanes[i]))
		{
			s->lanes[i].written = s->lanes[i].floor;
			return;
		}
	}
}

void
sweep_failed(sweep *s, int64_t now_ms)
{
	s->passing = s->waiting = false;
	s->pass_ms = now_ms + SWEEP_FAILED_MS;
}
