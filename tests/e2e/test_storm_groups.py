"""Groups in a storm: runners that are killed, zombies, takeovers, operators, all at once.

The bugs it looks for: two jobs of a group that run at a time, a job that starts before
one in front of it has ended, a group that nobody finds again, a stale owner whose write
counts, a deadlock.  What happened to each claim is written down by triggers and compared
event by event.  The seed is printed; PAWL_SEED repeats it.  PAWL_TORTURE=1 runs it for a
minute.
"""

import os
import random
from collections import Counter, defaultdict

import pytest
from harness.storm import Storm
from harness.storm_groups import EVENTS, FLEET, GroupRunner, drain

SECONDS = 60 if os.environ.get("PAWL_TORTURE") else 10
STEPS = 5  # of each actor, at the least
SEED = int(os.environ.get("PAWL_SEED", random.SystemRandom().randrange(10**9)))


def new_storm(db):
    db.execute(EVENTS)
    print(f"seed {SEED}")
    storm = Storm(db, SEED)
    storm.groups, storm.zombies, storm.killed = [], [], 0
    return storm


class Event:
    def __init__(self, number, what, job, fence, xid):
        self.number, self.what, self.job, self.fence, self.xid = number, what, job, fence, xid


@pytest.fixture(scope="module")
def storm(module_db):
    """The storm that the tests of this module look at."""
    blown = new_storm(module_db)
    blown.run(SECONDS, FLEET, STEPS)
    drain(module_db)
    read_events(blown)
    print({name: count for name, count in sorted(blown.steps.items())})
    print(f"{len(blown.record.pushed)} jobs, {blown.starts} starts, {blown.killed} sessions killed,"
          f" {dict(blown.attempts)}, {dict(Counter(blown.outcome.values()))}")
    return blown


def read_events(storm):
    """Events by group, in their order; jobs by group; outcomes."""
    rows = storm.db.execute("SELECT id, group_key FROM pawl.job ORDER BY id")
    storm.group_of = dict(rows)
    storm.jobs = defaultdict(list)
    for job, group in rows:
        storm.jobs[group].append(job)
    storm.events = defaultdict(list)
    for row in storm.db.execute(
            "SELECT n, what, job, fence, at_xid::text FROM public.event ORDER BY n"):
        storm.events[storm.group_of[row[2]]].append(Event(*row))
    storm.starts = sum(e.what == "start" for events in storm.events.values() for e in events)
    storm.outcome = dict(storm.db.execute("SELECT job_id, state::text FROM pawl.outcome"))
    storm.attempts = Counter(c for (c,) in storm.db.execute("SELECT category FROM pawl.attempt"))


def overlapping(storm):
    """(job that runs, job that is started) of one group, in different dispatches."""
    found = []
    for events in storm.events.values():
        runs = {}
        for event in events:
            if event.what == "start":
                found += [(run.job, event.job) for run in runs.values() if run.xid != event.xid]
                runs[event.fence] = event
            elif event.what == "left":
                runs.pop(event.fence, None)
    return found


def too_early(storm):
    """(job that has not ended, job behind it that is started), not of one dispatch."""
    found = []
    for group, events in storm.events.items():
        ended, of_dispatch = set(), defaultdict(set)
        first_open = 0  # all jobs of the group before this index have ended once
        jobs = storm.jobs[group]
        for event in events:
            if event.what == "start":
                of_dispatch[event.xid].add(event.job)
        for event in events:
            if event.what == "end":
                ended.add(event.job)
            while first_open < len(jobs) and jobs[first_open] in ended:
                first_open += 1
            if event.what == "start":
                before = [job for job in jobs[first_open:] if job < event.job and job not in ended]
                found += [(job, event.job) for job in before if job not in of_dispatch[event.xid]]
    return found


def test_something_happened(storm):
    assert min(storm.steps.values()) >= STEPS, storm.steps
    assert storm.starts > 200 and storm.killed > 3 and storm.record.completed
    assert storm.attempts.keys() >= {"crash", "error", "cancelled", "operator"}, storm.attempts
    assert set(storm.outcome.values()) == {"succeeded", "failed", "cancelled"}


def test_nothing_is_lost_and_nothing_made_up(storm):
    """I1 to I4: each job has exactly one outcome, each group comes to its end."""
    jobs = set(storm.group_of)
    assert jobs >= set(storm.record.pushed) and set(storm.outcome) == jobs
    assert storm.db.execute("SELECT (SELECT count(*) FROM pawl.waiting), "
                            "(SELECT count(*) FROM pawl.running), "
                            "(SELECT count(*) FROM pawl.unique_key)") == [(0, 0, 0)]


def test_one_at_a_time(storm):
    """I6: a dispatch comes after everything of the one before it has left running."""
    assert overlapping(storm) == []


def test_in_the_order_of_ids(storm):
    """I6: no job starts before all in front of it have ended, once at least."""
    assert too_early(storm) == []


def test_fences_only_grow(storm):
    """I5: within a group each claim has a greater fence than the one before."""
    for events in storm.events.values():
        fences = [event.fence for event in events if event.what == "start"]
        assert fences == sorted(set(fences))


def test_every_completion_that_was_told_is_there(storm):
    """I5: by the fence that was presented; nothing of a stale owner counts."""
    rows = dict(storm.db.execute("SELECT job_id, fence FROM pawl.outcome WHERE state = 'succeeded'"))
    assert {(job, fence) for job, fence in storm.record.completed} <= set(rows.items())


def test_no_deadlock_and_no_lock_timeout(storm):
    """Neither in the log nor by the counter, with 100 ms and 10 s as the limits."""
    assert storm.deadlocks == 0
    assert "deadlock detected" not in storm.log and "lock timeout" not in storm.log


# -- naive variants: the storm must be able to see them ---------------------------------

NAIVE_TAKE = """
UPDATE pawl.group_lease SET worker = %(worker)s, token = nextval('pawl.fence'), jobs = NULL,
    fences = NULL, expires_at = clock_timestamp() + interval '1 hour'
    WHERE group_key = %(group_key)s AND expires_at <= clock_timestamp() RETURNING token"""
NAIVE_BACK = """
WITH gone AS (DELETE FROM pawl.running WHERE job_id = %s AND fence = %s RETURNING *)
INSERT INTO pawl.scheduled (job_id, due, tries, priority, queue, kind)
SELECT g.job_id, clock_timestamp(), g.tries, 5, 'default', j.kind
FROM gone g JOIN pawl.job j ON j.id = g.job_id"""


class LeaseTaker(GroupRunner):
    """Takes what is over by its lease alone."""

    def act(self):
        if self.worker is not None:
            groups = self.api.query("SELECT group_key FROM pawl.group_lease "
                                    "WHERE expires_at <= clock_timestamp()")
            for row in groups:
                named = {"worker": self.worker, "group_key": row.group_key}
                rows = self.api.query(NAIVE_TAKE, named)
                if rows:
                    self.own(named | {"token": rows[0].token})
        super().act()


class Scheduler(GroupRunner):
    """Puts what it releases into scheduled."""

    def one(self, verb, row):
        if verb == "release":
            self.connection.execute(NAIVE_BACK, [row.job, row.fence])
        else:
            super().one(verb, row)


@pytest.mark.parametrize("naive, sees", [(LeaseTaker, overlapping), (Scheduler, too_early)],
                         ids=["lease-alone", "head-to-scheduled"])
def test_naive_is_red(db, naive, sees):
    """Two run at a time; a job starts before the one in front of it has ended.

    If one of these turns green, the storm is too weak to show anything.
    """
    storm = new_storm(db)
    fleet = [(naive if kind is GroupRunner else kind, n) for kind, n in FLEET
             if kind.__name__ != "GroupWatcher"]
    storm.run(3, fleet, STEPS)
    read_events(storm)
    assert sees(storm)
