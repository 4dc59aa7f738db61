/*
 * bell.c - see bell.h; called by the claimer
 */
#include "worker/bell.h"

#include <assert.h>

static int64_t
earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void
bell_turn_off(bell *b)
{
	b->off = true;
	b->set = b->trusted = b->rung = false;
}

void
bell_forget(bell *b)
{
	b->set = b->again = b->trusted = false;
}

void
bell_note(bell *b, uint64_t heard, int backend, int64_t now_ms)
{
	assert(heard >= b->heard);
	if (b->off)
		return;
	if (heard > b->heard)
		b->rung = true;
	b->heard = heard;
	rate_note(&b->rings, heard, now_ms);
	if (b->set && backend != b->backend)
	{
		b->again = b->rung = true; /* nobody listened for a while */
		b->trusted = false;
		b->answer_ms = now_ms;
	}
}

/* ------------------------------------------------------------ the flag ----------- */

static bool
rings_too_often(const bell *b, int64_t now_ms)
{
	return rate_per_s(&b->rings, b->heard, now_ms) >= BELL_FAST;
}

bell_task
bell_next(const bell *b, size_t per_s, bool ran_short, int64_t now_ms)
{
	bool full = !ran_short && now_ms - b->short_ms >= BELL_FULL_MS;

	if (b->off || now_ms < b->quiet_ms)
		return BELL_KEEP;
	if (b->set && (full || per_s >= BELL_FAST || rings_too_often(b, now_ms)))
		return BELL_CLEAR;
	if (!ran_short || (b->set && !b->again))
		return BELL_KEEP;
	return per_s < BELL_SLOW && now_ms >= b->flood_ms ? BELL_SET : BELL_KEEP;
}

void
bell_was_set(bell *b, uint64_t bound, int64_t now_ms)
{
	assert(!b->off);
	b->set = true;
	b->again = b->trusted = false;
	b->bound = bound;
	b->set_ms = now_ms;
	b->short_ms = now_ms;
}

void
bell_was_cleared(bell *b, size_t per_s, int64_t now_ms)
{
	bell_forget(b);
	b->rung = false;
	if (per_s < BELL_FAST / 2 && rings_too_often(b, now_ms))
		b->flood_ms = now_ms + BELL_FLOOD_MS;
}

void
bell_failed(bell *b, int64_t now_ms)
{
	b->quiet_ms = now_ms + BELL_FAILED_MS;
}

void
bell_may_be_set(bell *b, int64_t now_ms)
{
	assert(!b->off);
	b->set = b->again = true;
	b->trusted = false;
	b->set_ms = b->short_ms = now_ms;
}

/* ------------------------------------------------------------ looks -------------- */

void
bell_looked(bell *b, uint64_t oldest, int backend, size_t jobs, bool ran_short,
            int64_t now_ms)
{
	if (b->set && !b->again && oldest >= b->bound)
		b->trusted = true;
	b->backend = backend;
	if (ran_short)
		b->short_ms = now_ms;
	if (jobs > 0)
		b->fruitless = 0;
	else if (b->rung && b->fruitless < BELL_FRUITLESS + 31)
		b->fruitless++;
	b->rung = false;
	b->answer_ms = now_ms;
	if (b->fruitless > BELL_FRUITLESS)
		b->answer_ms += earliest((int64_t) 1 << (b->fruitless - BELL_FRUITLESS - 1),
		                         BELL_FRUITLESS_MS);
}

int64_t
bell_poll(const bell *b, size_t per_s, int64_t poll_ms, int64_t now_ms)
{
	int64_t doubt_ms = (now_ms - b->set_ms) / BELL_DOUBT_SHARE;

	if (b->off || (b->set && b->trusted))
		return now_ms + poll_ms;
	if (b->set)
		return now_ms +
		       earliest(doubt_ms > BELL_DOUBT_MS ? doubt_ms : BELL_DOUBT_MS, poll_ms);
	if (per_s >= BELL_SLOW || now_ms < b->flood_ms)
		return now_ms + earliest(BELL_GAP_MS, poll_ms);
	return now_ms + poll_ms;
}

int64_t
bell_answer(const bell *b)
{
	return b->rung ? b->answer_ms : INT64_MAX;
}
