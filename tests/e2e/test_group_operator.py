"""What an operator sees of groups and does to them: list, show, release, fail.

The bugs: nobody can say who owns a group and why nothing of it runs; an owner that hangs
keeps its group although the operator has ended it; a screen that counts all jobs.
"""

import datetime

import pytest
from harness.api import json_array, sqlstate
from harness.contention import Holder
from harness.grouped import Runner, stops, waiting


def push_groups(api, keys, **named):
    rows = api.rows("push_many", kind="k", args=json_array([{}] * len(keys)),
                    group_keys=list(keys), **named)
    return [row.job for row in rows]


def show(api, group="g"):
    (row,) = api.rows("group_show", group_key=group)
    return row


def fail_head(api, runner):
    claim = runner.dispatch()
    api.fail(claim.job, claim.fence, retry=False)
    api.value("group_give_back", worker=runner.worker, group_key=runner.group, token=runner.token)
    return claim.job


def later(api):
    return api.one("SELECT now() + interval '1 hour'")


@pytest.fixture
def states(api):
    """A group in each state; the runner of the running one."""
    push_groups(api, ["a/ready", "a/running", "a/running", "a/blocked", "a/blocked", "b/over",
                      "b/old"], run_keys=[None] * 6 + [1])
    push_groups(api, ["a/later"], run_at=later(api))
    api.push(group_key="b/old", run_key=2)
    api.query("UPDATE pawl.waiting SET due = due + interval '1 hour' WHERE group_key = 'b/old'"
              " RETURNING 1")
    runner = Runner(api, "a/running", name="rudolf")
    runner.dispatch()
    fail_head(api, Runner(api, "a/blocked"))
    for group in ("b/over", "b/free"):
        lost = Runner(api, group)
        lost.ask()
        api.query("UPDATE pawl.group_lease SET expires_at = now() WHERE group_key = %s RETURNING 1",
                  [group])
    return runner


STATES = {"a/ready": "ready", "a/running": "running", "a/blocked": "blocked", "a/later": "later",
          "b/over": "ready", "b/free": "free", "b/old": "ready"}


def test_states(api, states):
    """By group_show, by group_list and by the view, with the same columns."""
    assert {group: show(api, group).state for group in STATES} == STATES
    listed = api.rows("group_list")
    assert [row.group_key for row in listed] == sorted(STATES)
    names = ("group_key", "tenant", "state", "worker", "worker_name", "since", "head", "head_due",
             "waiting", "blocked_by")
    for source in (listed, api.query("SELECT * FROM pawl.groups ORDER BY tenant, group_key"),
                   [show(api, group) for group in sorted(STATES)]):
        assert [[getattr(row, name) for name in names] for row in source] == \
            [[getattr(row, name) for name in names] for row in listed]
    for state in set(STATES.values()):
        found = [row.group_key for row in api.rows("group_list", state=state)]
        assert found == sorted(group for group in STATES if STATES[group] == state)


def test_show(api, states):
    """Who owns it, since when, what is left of the lease; what waits, how old that is."""
    row = show(api, "a/running")
    assert (row.tenant, row.worker, row.worker_name) == ("a", states.worker, "rudolf")
    assert datetime.timedelta(minutes=59) < row.lease_left <= datetime.timedelta(hours=1)
    assert row.since is not None and row.waiting == 1 and row.head == waiting(api, "a/running")[0]
    assert datetime.timedelta(0) < row.oldest < datetime.timedelta(minutes=1)
    blocked = show(api, "a/blocked")
    assert (blocked.waiting, blocked.worker) == (1, None) and blocked.blocked_by < blocked.head
    nothing = show(api, "nobody's")
    assert (nothing.state, nothing.waiting, nothing.oldest, nothing.tenant) == ("free", 0, None, "")


def test_no_screen_counts(api):
    """More than a thousand jobs are "many"."""
    push_groups(api, ["g"] * 1001)
    assert show(api).waiting is None and api.rows("group_list")[0].waiting is None
    api.cancel(waiting(api)[0])
    assert show(api).waiting == 1000
    assert api.one("SELECT waiting FROM pawl.groups") == 1000


def test_list_pages(api):
    """A page, and the next one after its last key; of one tenant; of one state among others."""
    keys = sorted(f"{t}/{n}" for t in ("a", "a-b", "c") for n in range(4)) + ["x", "y"]
    by_tenant = sorted(keys, key=lambda key: (key.partition("/")[0] if "/" in key else "", key))
    push_groups(api, keys)
    push_groups(api, [f"c/later{n}" for n in range(7)], run_at=later(api))
    found, after = [], None
    while page := [row.group_key for row in api.rows("group_list", state="ready", after=after, n=3)]:
        found += page
        after = page[-1]
    assert found == by_tenant
    for tenant in ("", "a", "a-b"):
        wanted = [key for key in by_tenant if key.rpartition("/")[0] == tenant]
        assert [row.group_key for row in api.rows("group_list", tenant=tenant)] == wanted
        assert [row.group_key for row in api.rows("group_list", tenant=tenant, n=1,
                                                  after=wanted[0])] == wanted[1:2]
    assert len(api.rows("group_list", state="later", n=5)) == 5
    assert sqlstate(api.rows, "group_list", state="scheduled") == "22023"
    assert sqlstate(api.rows, "group_list", n=0) == "22023"


# -- release --------------------------------------------------------------------------------


def test_release_ends_the_owners_lease_at_once(api):
    """Its next write is refused, somebody else takes the group, and the job runs again."""
    (job,) = push_groups(api, ["g"])
    one, other = Runner(api), Runner(api)
    claim = one.dispatch()
    assert other.take() is None
    assert api.value("group_release", group_key="g") == "lease ended"
    assert sqlstate(api.value, "group_hold", worker=one.worker, group_key="g",
                    token=one.token) == "PW002"
    assert other.dispatch().job == job
    assert sqlstate(api.complete, claim.job, claim.fence) == "PW001"


def test_release_lifts_what_stops_the_group(api):
    """And leaves an owner alone meanwhile; the job that failed stays failed."""
    jobs = push_groups(api, ["g", "g"])
    runner = Runner(api)
    assert fail_head(api, runner) == jobs[0] and stops(api) == {jobs[0]: "block"}
    assert api.value("group_release", group_key="g") == "unblocked"
    assert stops(api) == {} and api.state(jobs[0]) == "failed"
    assert Runner(api).dispatch().job == jobs[1]


def test_a_stop_that_is_just_being_lifted(db, api):
    """The bug: the job is retried and runs while its old stop still stands, for somebody holds
    it; then it fails for good once more, and cannot be settled: the stop is there already."""
    jobs = push_groups(api, ["g", "g"])
    runner = Runner(api)
    assert fail_head(api, runner) == jobs[0]
    runner.token = None
    with Holder(db, "SELECT pawl.group_release('g')") as holder:
        api.retry(jobs[0])
        assert runner.answer() == "busy"
        holder.rollback()
    claim = runner.dispatch()
    assert claim.job == jobs[0] and stops(api) == {}
    assert api.fail(claim.job, claim.fence, retry=False) == "failed"
    assert stops(api) == {jobs[0]: "block"} and runner.answer() == "blocked"


def test_nothing_to_release(api):
    push_groups(api, ["g"])
    assert api.value("group_release", group_key="g") == "nothing to release"
    assert api.value("group_release", group_key="nobody's") == "nothing to release"


# -- fail --------------------------------------------------------------------------------------


def test_fail_ends_what_waits(api):
    """In chunks of a thousand; what runs goes on; keys are freed and batches counted."""
    batch = api.value("batch_open", name="b")
    rows = api.rows("push_many", kind="k", args=json_array([{}] * 1502),
                    group_keys=["g"] * 1502, batch=batch,
                    unique_keys=[f"u{n}" for n in range(1502)])
    runner = Runner(api)
    claim = runner.dispatch()
    assert [api.value("group_fail", group_key="g", reason="no more") for _ in range(3)] == \
        [1000, 501, 0]
    api.complete(claim.job, claim.fence)
    assert api.one("SELECT count(*) FROM pawl.unique_key") == 0
    assert api.one("SELECT (failed, succeeded) = (1501, 1) FROM pawl.batches")
    assert api.job(rows[-1].job).error == "no more" and api.attempts(rows[-1].job) == []


def test_fail_lifts_the_stop(api):
    """What is pushed afterwards runs."""
    push_groups(api, ["g", "g"])
    fail_head(api, Runner(api))
    assert api.value("group_fail", group_key="g") == 1 and stops(api) == {}
    job = api.push(group_key="g")
    assert Runner(api).dispatch().job == job


def test_given_back_for_others(db, api):
    """The bug: a group that its owner cannot go on with lies until the others poll.  Giving
    it back, and lifting its stop, rings for the queue of its head."""
    jobs = push_groups(api, ["g", "g"])
    api.push("other", group_key="g", queue="others")
    for job in jobs:
        api.cancel(job)
    sleeper = api.worker_start(lease="1 hour")
    api.query("SELECT pawl.worker_sleep(%s, '{others}')", [sleeper])
    runner = Runner(api, queues=["default"])
    assert runner.answer() == "foreign"
    with db.connect() as connection:
        bell = api.one("SELECT pawl.bell('others')")
        connection.execute(f'LISTEN "{bell}"')
        api.value("group_give_back", worker=runner.worker, group_key="g", token=runner.token)
        assert next(connection.notifies()).channel == bell
