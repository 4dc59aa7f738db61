"""A worker that is alive and makes no progress says so, and why.

The bug: jobs are ready, a worker beats, and nothing runs; neither its log nor anything
else says why.  Each reason is brought about for a real worker: its row of pawl.workers,
`pawl worker list` and its log name it, and nothing is left of it when it is over.
"""

import contextlib
import json
from types import SimpleNamespace

from harness.paths import BUILD
from harness.program import run_pawl
from harness.wait import wait_until

LEASE = ("--lease", "1s")  # nothing has moved for so long
NONE = SimpleNamespace(alive=False, stalled=None, stalled_detail=None)
OBJECT = BUILD / "tests/e2e/handler_object.so"
GATE = "sh -c 'until test -e {0}; do sleep 0.05; done'"


def row(api):
    """Of the one worker; stalled is None while it makes progress."""
    found = api.query("SELECT alive, stalled, stalled_detail FROM pawl.workers ORDER BY started_at DESC")
    return found[0] if found else NONE


def stalled(api, worker, reason):
    """Wait until it has said this; the detail."""
    wait_until(lambda: row(api).stalled == reason, 20, lambda: f"{row(api)}\n{worker.log()}")
    detail = row(api).stalled_detail
    wait_until(lambda: detail in worker.log(), 30, worker.log)
    assert "no progress for" in worker.log()
    return detail


def goes_on(api, worker):
    wait_until(lambda: row(api).stalled is None, 20, lambda: f"{row(api)}\n{worker.log()}")
    wait_until(lambda: "progress again" in worker.log(), 30, worker.log)


def listed(db):
    (found,) = json.loads(run_pawl(db, "worker", "list", "-o", "json").stdout)
    return found


@contextlib.contextmanager
def without(db, *functions):
    """Functions that every call of fails, as after a slip in the grants."""
    for function in functions:
        db.execute(f"ALTER FUNCTION pawl.{function} RENAME TO hidden_{function}")
    try:
        yield
    finally:
        for function in functions:
            db.execute(f"ALTER FUNCTION pawl.hidden_{function} RENAME TO {function}")


def test_no_executor_is_free(db, api, worker, tmp_path):
    gate = tmp_path / "open"
    first, second = api.push("slow"), api.push("slow")
    with worker("-j", "1", *LEASE, handlers={"slow": GATE.format(gate)}) as busy:
        detail = stalled(api, busy, "executors")
        assert f"job {first}" in detail and '"slow"' in detail
        found = listed(db)
        assert (found["state"], found["stalled"], found["why"]) == ("stalled", "executors", detail)
        assert found["stalled_s"] >= 1 and found["stalled_for"] == f"{found['stalled_s']}s"
        text = run_pawl(db, "worker", "list").stdout
        assert "stalled" in text and "no executor is free" in text
        written = api.one("SELECT xmin::text || ctid::text FROM pawl.stall")
        looks = api.one("SELECT max(expires_at) FROM pawl.upkeep")
        wait_until(lambda: api.one("SELECT max(expires_at) FROM pawl.upkeep") > looks, 20, busy.log)
        assert api.one("SELECT xmin::text || ctid::text FROM pawl.stall") == written
        gate.touch()
        wait_until(lambda: api.state(second) == "succeeded", 20, busy.log)
        goes_on(api, busy)
        assert listed(db)["state"] == "alive"
        assert busy.log().count("no progress for") == 1


def test_no_work_is_no_reason(db, api, worker):
    """Red: who says "no progress" whenever nothing has moved cries all night."""
    api.push("k", run_at="2999-01-01T00:00:00Z")
    with worker("-j", "1", *LEASE, handlers={"k": "true", "slow": "sleep 3"}) as idle:
        api.push("slow")  # nothing else waits: a handler that runs is progress enough
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome") == 1, 20, idle.log)
        assert row(api).stalled is None and api.query("SELECT FROM pawl.stall") == []
        assert "no progress" not in idle.log()


def test_its_queues_are_paused(db, api, worker):
    api.value("queue_pause", queue="mail")
    job = api.push("k", queue="mail")
    with worker("-q", "default,mail", *LEASE, handlers={"k": "true"}) as idle:
        assert stalled(api, idle, "paused").endswith(": mail")
        api.value("queue_resume", queue="mail")
        wait_until(lambda: api.state(job) == "succeeded", 20, idle.log)
        goes_on(api, idle)


def test_kinds_that_nobody_handles(db, api, worker):
    """Only while nobody does: a job that waits for another worker is not this one's."""
    job = api.push("exotic")
    with worker(*LEASE, handlers={"k": "true"}) as idle:
        assert stalled(api, idle, "kinds").endswith(": exotic")
        other = api.worker_start(name="other", queues=["default"], kinds=["exotic"])
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.stall") == 0, 20, idle.log)
        assert api.state(job) == "ready"
        api.value("worker_stop", worker=other)


def test_results_cannot_be_stored(db, api, worker):
    with worker(*LEASE, handlers={"k": "true"}) as full:
        wait_until(lambda: api.query("SELECT FROM pawl.workers"), 20, full.log)
        with without(db, "complete_many"):
            job = api.push("k")
            detail = stalled(api, full, "results")
            assert detail.startswith("results cannot be stored: ") and "42883" in detail
        wait_until(lambda: api.state(job) == "succeeded", 20, full.log)
        goes_on(api, full)


def test_too_many_results_wait(db, api, worker):
    """And nothing more is claimed: 2,000, and what was begun by then."""
    with worker("-L", f"k={OBJECT}", "-j", "2", *LEASE) as full:
        wait_until(lambda: api.query("SELECT FROM pawl.workers"), 20, full.log)
        with without(db, "complete_many"):
            api.push_some(4000)
            wait_until(lambda: "too many" in (row(api).stalled_detail or ""), 20, full.log)
            assert row(api).stalled == "results"
            assert 2000 <= api.one("SELECT count(*) FROM pawl.running") < 4000
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome") == 4000, 30, full.log)
        goes_on(api, full)


def test_claims_fail(db, api, worker):
    with worker(*LEASE, handlers={"k": "true"}) as deaf:
        wait_until(lambda: api.query("SELECT FROM pawl.workers"), 20, deaf.log)
        with without(db, "claim", "claim_few"):
            job = api.push("k")
            assert stalled(api, deaf, "claims").startswith("claims fail: ")
        wait_until(lambda: api.state(job) == "succeeded", 20, deaf.log)
        goes_on(api, deaf)


def test_a_ready_job_that_somebody_has_locked(db, api, worker):
    """A claim passes over it without a word, as often as it looks."""
    job = api.push("k")
    with db.connect(autocommit=False) as outsider:
        outsider.execute("SELECT FROM pawl.ready FOR UPDATE")
        with worker(*LEASE, handlers={"k": "true"}) as idle:
            assert stalled(api, idle, "locked").startswith(f"job {job} is ready and cannot be claimed")
            outsider.rollback()
            wait_until(lambda: api.state(job) == "succeeded", 20, idle.log)
            goes_on(api, idle)


STUBBORN = "sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'"


def test_a_handler_that_does_not_come_back(db, api, worker):
    """Said also while the others go on: it keeps an executor, and its job, for good."""
    job = api.push("stubborn", timeout="1 s")
    with worker("-j", "2", *LEASE, handlers={"stubborn": STUBBORN, "k": "true"}) as half:
        detail = stalled(api, half, "handler")
        assert detail.startswith(f'the handler of job {job}, kind "stubborn",')
        other = api.push("k")
        wait_until(lambda: api.state(other) == "succeeded", 20, half.log)
        assert row(api).stalled == "handler"


def test_a_group_whose_handler_does_not_come_back(db, api, worker):
    """Its group stands still for as long, and the worker goes on renewing its lease."""
    job = api.push("stubborn", group_key="acme/orders", timeout="1 s")
    with worker("-j", "1", *LEASE, handlers={"stubborn": STUBBORN, "k": "true"}) as half:
        detail = stalled(api, half, "handler")
        assert detail.startswith(f'the handler of job {job} of group "acme/orders", kind "stubborn",')
        other = api.push("k")
        wait_until(lambda: api.state(other) == "succeeded", 20, half.log)
        assert row(api).stalled == "handler"


def test_no_runner_of_groups_is_free(db, api, worker, tmp_path):
    gate = tmp_path / "open"
    first = api.push("slow", group_key="a")
    with worker("-j", "1", "-g", "1", *LEASE, handlers={"slow": GATE.format(gate)}) as busy:
        wait_until(lambda: api.state(first) == "running", 20, busy.log)
        second = api.push("slow", group_key="b")
        assert f"job {first}" in stalled(api, busy, "runners")
        gate.touch()
        wait_until(lambda: api.state(second) == "succeeded", 20, busy.log)
        goes_on(api, busy)


def test_a_worker_that_works_on_no_groups(db, api, worker):
    job = api.push("k", group_key="a")
    with worker("-g", "0", *LEASE, handlers={"k": "true"}) as idle:
        assert stalled(api, idle, "runners").startswith(f"job {job} is of a group, ")


def test_groups_cannot_be_worked_on(db, api, worker):
    with worker(*LEASE, handlers={"k": "true"}) as deaf:
        wait_until(lambda: api.query("SELECT FROM pawl.workers"), 20, deaf.log)
        with without(db, "group_take"):
            job = api.push("k", group_key="a")
            assert stalled(api, deaf, "groups").startswith("groups cannot be worked on: ")
        wait_until(lambda: api.state(job) == "succeeded", 20, deaf.log)
        goes_on(api, deaf)


def test_the_row_of_a_lost_worker_is_void(db, api, worker):
    """The bug: a worker that was killed is told of for ever."""
    api.push("exotic")
    with worker(*LEASE, handlers={"k": "true"}) as first:
        stalled(api, first, "kinds")
        first.kill()
    gone = api.one("SELECT worker FROM pawl.stall")
    with worker(*LEASE, handlers={"k": "true"}) as second:
        wait_until(lambda: api.query("SELECT FROM pawl.workers WHERE stalled IS NOT NULL AND id <> %s",
                                     [gone]), 20, second.log)
        assert [w.worker for w in api.query("SELECT worker FROM pawl.stall")] != [gone]
        assert api.query("SELECT FROM pawl.stall WHERE worker = %s", [gone]) == []
