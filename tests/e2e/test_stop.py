"""A worker that is stopped past its lease and goes on, and a claim that is made anew.

The bug: a process that was stopped (a laptop's lid, a paused virtual machine, a long
page fault) wakes up with the result of a job that somebody else has done meanwhile, and
writes it over the other's.  Its identity must be the claim, not the worker: the same
worker may hold the same job again.
"""

import pytest
from harness import invariants
from harness.api import sqlstate
from harness.ledger import Ledger, write_script
from harness.load import Load
from harness.program import Worker
from harness.wait import wait_until

pytestmark = pytest.mark.kill

LEASE = "500ms"
OPTIONS = ("-j", "1", "--lease", LEASE, "--poll", "100ms")


def say(text):
    """Shell: the result of the job."""
    return f"""echo '{{"result": "{text}"}}' >&3"""


@pytest.fixture
def slow_first(tmp_path):
    """The first attempt ends when the file `go` is there, whatever signals come; later
    ones at once.  Each writes its line, and its number as the result."""
    ledger = Ledger(tmp_path)
    ledger.go = tmp_path / "go"
    ledger.ended = tmp_path / "ended"
    ledger.command = ledger.handler(f"""
if [ "$PAWL_ATTEMPT" = 1 ]; then
    until [ -e {ledger.go} ]; do sleep 0.02; done
fi
echo "{{\\"result\\": $PAWL_ATTEMPT}}" >&3
echo "$PAWL_ATTEMPT" >>{ledger.ended}""", "[ $PAWL_ATTEMPT -gt 1 ] || trap '' TERM")
    return ledger


def test_late_result_is_refused(db, api, slow_first):
    """A stopped, B takes over and completes, A goes on: B's outcome stands, A's attempt
    is a crash, and A itself works on under a new lease."""
    ledger = slow_first
    job = api.push("work")
    with Worker(db, *OPTIONS, handlers={"work": ledger.command}) as a:
        ledger.wait_for(1)
        first_worker = api.job(job).worker
        a.stop()
        with Worker(db, *OPTIONS, handlers={"work": ledger.command}) as b:
            wait_until(lambda: api.state(job) == "succeeded", 15, "B to finish it")
            before = api.query("SELECT * FROM pawl.outcome WHERE job_id = %s", [job])
            ledger.go.touch()
            wait_until(lambda: "1" in ledger.ended.read_text().split(), 30,
                       "the handler of A to end with a result")
            a.resume()
            assert b.drain() == 0, b.log()
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.workers WHERE alive") == 1, 15,
                   "A to start anew")
        assert api.one("SELECT id FROM pawl.workers WHERE alive") != first_worker
        another = api.push("work")
        wait_until(lambda: api.state(another) == "succeeded", 15, "A to work on")
        assert a.drain() == 0, a.log()
    assert api.query("SELECT * FROM pawl.outcome WHERE job_id = %s", [job]) == before
    outcome = api.job(job)
    assert (outcome.result, outcome.attempt) == (2, 2)
    assert api.attempts(job) == ["crash"]
    fences = [fence for ran, fence in ledger.runs() if ran == job]
    assert len(fences) == 2 and outcome.fence == fences[1] > fences[0]
    invariants.check_quiet(db, 0.5)


def test_twenty_stops(db, api, tmp_path):
    """The same at twenty moments: two workers, one of them stopped past its lease again
    and again while jobs run."""
    ledger = Ledger(tmp_path)
    load = Load(api, ledger)
    handler = ledger.handler("exec sleep 0.1")
    options = ("-j", "3", "--lease", LEASE, "--poll", "100ms")
    with Worker(db, *options, handlers={"work": handler}) as a, \
            Worker(db, *options, handlers={"work": handler}) as b:
        for n in range(20):
            victim = (a, b)[n % 2]
            load.wait_more(1)
            names = "SELECT count(*) FROM pawl.workers WHERE alive"
            victim.stop()
            wait_until(lambda: api.one(names) == 1, 30, "its lease to end")
            victim.resume()
            wait_until(lambda: api.one(names) == 2, 30, "it to start anew")
        invariants.wait_finished(db, len(load.jobs), 60)
        assert a.drain() == 0 and b.drain() == 0
    print(f"ran twice: {invariants.check_outcomes(db, load.jobs, ledger)}")
    invariants.check_quiet(db, 0.5)


NAIVE_COMPLETE = """
    WITH gone AS (DELETE FROM pawl.running WHERE job_id = %(job)s AND worker = %(worker)s
        RETURNING job_id)
    SELECT count(*) FROM gone"""


def test_same_worker_claims_the_same_job_again(db, api):
    """The old attempt's fence is refused although worker and job are the same."""
    worker = api.worker_start(name="w")
    job = api.push("k")
    old = api.claim_one(worker)
    assert api.fail(job, old.fence, retry_in="0") == "scheduled"
    assert api.value("promote") == 1
    new = api.claim_one(worker)
    assert new.job == old.job == job and new.fence > old.fence
    for verb in (api.complete, api.fail, api.snooze, api.release, api.fence):
        assert sqlstate(verb, job, old.fence) == "PW001", verb
    many = api.rows("complete_many", jobs=[job], fences=[old.fence])
    assert [row.answer for row in many] == ["stale"]
    assert api.job(job).fence == new.fence
    # Red: whoever takes the worker for the claim's identity lets the old attempt win.
    with db.connect(autocommit=False) as naive:
        cursor = naive.execute(NAIVE_COMPLETE, {"job": job, "worker": worker})
        assert cursor.fetchone() == (1,), "turned green"
        naive.rollback()
    api.complete(job, new.fence)
    assert api.state(job) == "succeeded"


def test_same_worker_runs_the_same_job_again(db, api, slow_first):
    """Through a real worker: cancelled and retried while the first attempt's handler
    does not let itself be stopped; its late exit 0 and result change nothing."""
    ledger = slow_first
    second_go = ledger.directory / "go2"
    hold = f"until [ -e {second_go} ]; do sleep 0.02; done"
    command = write_script(ledger.directory, "both", f"""
if [ "$PAWL_ATTEMPT" != 1 ]; then echo "$PAWL_JOB $PAWL_FENCE" >>{ledger.path}; {hold}; \
{say("new")}; exit 0; fi
exec {ledger.command}""")
    job = api.push("work")
    with Worker(db, "-j", "2", "--lease", LEASE, "--poll", "100ms",
                handlers={"work": command}) as worker:
        ledger.wait_for(1)
        first = api.job(job)
        assert api.cancel(job) == "running"
        assert api.retry(job) == "cancelled"
        ledger.wait_for(2)
        second = api.job(job)
        assert second.worker == first.worker and second.fence > first.fence
        ledger.go.touch()
        wait_until(ledger.ended.exists, 30, "the first attempt's handler to end well")
        # whatever the worker makes of it has been settled when a later job has been
        other = api.push("work", priority=0)
        second_go.touch()
        wait_until(lambda: api.state(job) == "succeeded", 30, "the second attempt")
        assert api.cancel(other)
        assert worker.drain() == 0, worker.log()
    row = api.job(job)
    assert (row.result, row.fence, row.attempt) == ("new", second.fence, 2)
    assert ledger.runs()[:2] == [(job, first.fence), (job, second.fence)]
