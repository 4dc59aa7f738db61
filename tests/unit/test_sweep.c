/*
 * test_sweep.c - the sweep below the marks
 *
 * Bugs guarded against: a floor above a job that is still to come, which no new claimer
 * would ever find; a row that a claim passed over, because it was locked, and that
 * nobody looks for; a sweep that takes the claimer's time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/sweep.h"

typedef struct fixture
{
	mark *mark;
	sweep *sweep;
	int64_t now_ms;
} fixture;

static void
set_up(fixture *f, int64_t top)
{
	snapshot s = SNAPSHOT_INIT;
	const int64_t *starts, *stops;

	f->mark = mark_new(2);
	f->sweep = sweep_new(2);
	f->now_ms = 1000;
	sweep_set_floors(f->sweep, (const int64_t[]){0, 0});
	mark_begin(f->mark, &starts, &stops);
	mark_took(f->mark, 1, top);
	assert_true(snapshot_read(&s, "10:10:"));
	mark_end(f->mark, &s, true);
	snapshot_free(&s);
}

static void
tear_down(fixture *f)
{
	sweep_free(f->sweep);
	mark_free(f->mark);
}

/* The next step, at the time when it is due. */
static sweep_step
next_step(fixture *f)
{
	sweep_step step;
	int64_t due = sweep_due(f->sweep, f->mark);

	assert_true(due < INT64_MAX);
	if (due > f->now_ms)
		f->now_ms = due;
	sweep_next(f->sweep, f->mark, f->now_ms, &step);
	return step;
}

static void
begin_pass(fixture *f, uint64_t xid)
{
	assert_int_equal(next_step(f).task, SWEEP_BEGIN);
	sweep_began(f->sweep, f->mark, xid, f->now_ms);
}

/* A whole pass in which each step sees nothing; answers the floor to be written, or 0. */
static int64_t
walk(fixture *f, uint64_t oldest)
{
	sweep_step step = next_step(f);

	while (step.task == SWEEP_LOOK)
	{
		sweep_saw(f->sweep, f->mark, 0, oldest, f->now_ms, f->now_ms + 1);
		step = next_step(f);
	}
	return step.task == SWEEP_FLOOR ? step.upto : 0;
}

static void
test_nothing_to_do_at_the_mark(void **state)
{
	fixture f;

	(void) state;
	set_up(&f, 0 + 1);
	f.now_ms += SWEEP_PASS_MS;
	begin_pass(&f, 20);
	(void) walk(&f, 20);
	assert_int_equal(sweep_due(f.sweep, f.mark), INT64_MAX);
	tear_down(&f);
}

static void
test_floor_rises_after_a_clear_pass(void **state)
{
	fixture f;

	(void) state;
	set_up(&f, 3 * SWEEP_STEP + 7);
	begin_pass(&f, 20);
	assert_int_equal(walk(&f, 20), 3 * SWEEP_STEP + 7);
	sweep_raised(f.sweep);
	tear_down(&f);
}

/* Somebody writes at each look, never the same: the floor rises to where it was. */
static void
test_floor_rises_among_writers(void **state)
{
	fixture f;

	(void) state;
	set_up(&f, 3 * SWEEP_STEP + 7);
	begin_pass(&f, 20);
	assert_int_equal(walk(&f, 19), 0);
	begin_pass(&f, 40);
	assert_int_equal(walk(&f, 39), 3 * SWEEP_STEP + 7);
	sweep_raised(f.sweep);
	tear_down(&f);
}

/* What has come meanwhile is no part of what was waited for. */
static void
test_floor_rises_no_further_than_it_waited_for(void **state)
{
	fixture f;
	snapshot s = SNAPSHOT_INIT;
	const int64_t *starts, *stops;

	(void) state;
	set_up(&f, 3 * SWEEP_STEP);
	begin_pass(&f, 20);
	assert_int_equal(walk(&f, 19), 0);
	mark_begin(f.mark, &starts, &stops);
	mark_took(f.mark, 1, 5 * SWEEP_STEP);
	assert_true(snapshot_read(&s, "40:40:"));
	mark_end(f.mark, &s, true);
	snapshot_free(&s);
	begin_pass(&f, 40);
	assert_int_equal(walk(&f, 39), 3 * SWEEP_STEP);
	sweep_raised(f.sweep);
	assert_int_equal(next_step(&f).task, SWEEP_NOTHING);
	begin_pass(&f, 60);
	assert_int_equal(walk(&f, 60), 5 * SWEEP_STEP);
	tear_down(&f);
}

/* One step looked while a transaction from before the pass was still in progress. */
static void
test_floor_stays_while_somebody_may_come(void **state)
{
	fixture f;

	(void) state;
	set_up(&f, 3 * SWEEP_STEP + 7);
	begin_pass(&f, 20);
	(void) next_step(&f);
	sweep_saw(f.sweep, f.mark, 0, 19, f.now_ms, f.now_ms);
	assert_int_equal(walk(&f, 20), 0);
	begin_pass(&f, 30);
	assert_int_equal(walk(&f, 30), 3 * SWEEP_STEP + 7);
	tear_down(&f);
}

/* What is found is told to the mark, and the floor stays below it. */
static void
test_found_row(void **state)
{
	fixture f;
	const int64_t *starts, *stops;
	sweep_step step;

	(void) state;
	set_up(&f, 4 * SWEEP_STEP);
	begin_pass(&f, 20);
	step = next_step(&f);
	assert_int_equal(step.task, SWEEP_LOOK);
	assert_int_equal(step.lane, 1);
	sweep_saw(f.sweep, f.mark, 0, 20, f.now_ms, f.now_ms);
	sweep_saw(f.sweep, f.mark, 0, 20, f.now_ms, f.now_ms);
	sweep_saw(f.sweep, f.mark, 2 * SWEEP_STEP + 5, 20, f.now_ms, f.now_ms);
	mark_begin(f.mark, &starts, &stops);
	assert_int_equal(starts[1], 0); /* one round behind its mark; and not above */
	step = next_step(&f);
	assert_int_equal(step.task, SWEEP_FLOOR);
	assert_int_equal(step.upto, 2 * SWEEP_STEP + 4);
	tear_down(&f);
}

static void
test_step_takes_its_share_of_the_time(void **state)
{
	fixture f;
	int64_t began;

	(void) state;
	set_up(&f, 4 * SWEEP_STEP);
	begin_pass(&f, 20);
	(void) next_step(&f);
	began = f.now_ms;
	sweep_saw(f.sweep, f.mark, 0, 20, began, began + 100);
	assert_int_equal(sweep_due(f.sweep, f.mark), began + 100 * SWEEP_SHARE);
	sweep_failed(f.sweep, began);
	assert_int_equal(sweep_due(f.sweep, f.mark), began + SWEEP_FAILED_MS);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_do_at_the_mark),
		cmocka_unit_test(test_floor_rises_after_a_clear_pass),
		cmocka_unit_test(test_floor_rises_among_writers),
		cmocka_unit_test(test_floor_rises_no_further_than_it_waited_for),
		cmocka_unit_test(test_floor_stays_while_somebody_may_come),
		cmocka_unit_test(test_found_row),
		cmocka_unit_test(test_step_takes_its_share_of_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
