"""A worker that is asked to end.

The bug: a deployment that stops workers loses what they were doing, does it twice, or
waits for ever; what was claimed but not begun is stranded until a lease is over.
"""

import signal

import pytest
from harness import invariants, processes
from harness.ledger import Ledger
from harness.program import Worker
from harness.wait import wait_until

pytestmark = pytest.mark.drain

POLL = ("--poll", "100ms")


NO_SPACE = """
    CREATE FUNCTION public.no_space() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER no_space BEFORE INSERT ON pawl.outcome
        FOR EACH ROW EXECUTE FUNCTION public.no_space()"""


def states(api):
    rows = api.query("SELECT state, count(*) AS n FROM pawl.jobs GROUP BY 1")
    return {row.state: row.n for row in rows}


def test_running_work_finishes(db, api, tmp_path):
    """SIGTERM while two jobs run and others wait: the two finish and are recorded, none
    of the others is begun, all are ready again at once, exit 0."""
    ledger = Ledger(tmp_path)
    jobs = api.push_some(30, kind="work")
    with Worker(db, "-j", "2", *POLL, handlers={"work": ledger.held()}) as worker:
        ledger.wait_for(2)
        worker.signal(signal.SIGTERM)
        wait_until(lambda: states(api).get("running") == 2, 30,
                   lambda: f"the unstarted to be released; {states(api)}\n{worker.log()}")
        assert worker.running()
        ledger.go()
        assert worker.wait() == 0, worker.log()
    assert states(api) == {"succeeded": 2, "ready": 28}
    done = [row.job_id for row in api.query("SELECT job_id FROM pawl.outcome ORDER BY 1")]
    assert done == sorted(ledger.jobs()) and len(done) == 2
    assert api.query("SELECT FROM pawl.attempt") == []
    assert api.query("SELECT FROM pawl.worker") == [], "its lease is given back"
    assert set(done) < set(jobs)
    invariants.check_quiet(db, 0)


def test_no_new_claims_while_draining(db, api, tmp_path):
    """What is pushed after SIGTERM is not taken, although an executor is idle."""
    ledger = Ledger(tmp_path)
    first = api.push("work")
    with Worker(db, "-j", "4", "--lease", "1s", *POLL, handlers={"work": ledger.held()}) as worker:
        ledger.wait_for(1)
        worker.signal(signal.SIGTERM)
        wait_until(lambda: "drain" in worker.log().lower() or not worker.running(), 30,
                   "the worker to have noticed")
        claims, beat = "SELECT last_value FROM pawl.fence", "SELECT expires_at FROM pawl.worker"
        before = api.one(claims)
        second = api.push("work")
        for _ in range(3):
            # a heartbeat comes every third of the lease: three polls and more
            expires = api.one(beat)
            wait_until(lambda e=expires: api.one(beat) > e, 30, "a heartbeat")
        assert api.one(claims) == before and api.state(second) == "ready"
        ledger.go()
        assert worker.wait() == 0
    assert (api.state(first), api.state(second)) == ("succeeded", "ready")


def test_stragglers_are_interrupted_and_given_back(db, api, tmp_path):
    """After --drain the handler gets SIGTERM; its job is ready again, not failed."""
    ledger = Ledger(tmp_path)
    told = tmp_path / "told"
    handler = ledger.handler(loop(), f"trap 'echo TERM >{told}; exit 1' TERM")
    job = api.push("work")
    with Worker(db, "-j", "1", "--drain", "300ms", *POLL, handlers={"work": handler}) as worker:
        ledger.wait_for(1)
        assert worker.drain() == 0, worker.log()
    assert told.read_text() == "TERM\n"
    assert api.state(job) == "ready" and api.attempts(job) == []
    row = api.job(job)
    assert (row.attempt, row.failures, row.crashes) == (1, 0, 0)
    invariants.check_quiet(db, 0)


def loop():
    return "while :; do sleep 0.02; done"


def test_straggler_that_finishes_after_all_is_recorded(db, api, tmp_path):
    """A handler that is told to end and completes in its grace has completed."""
    ledger = Ledger(tmp_path)
    handler = ledger.handler(loop(), "trap 'exit 0' TERM")
    job = api.push("work")
    with Worker(db, "-j", "1", "--drain", "300ms", *POLL, handlers={"work": handler}) as worker:
        ledger.wait_for(1)
        assert worker.drain() == 0, worker.log()
    assert api.state(job) in ("succeeded", "ready")
    assert api.attempts(job) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_stops_at_once(db, api, tmp_path, number):
    """Not after --drain: the handlers are interrupted at the second signal."""
    ledger = Ledger(tmp_path)
    job = api.push("work")
    with Worker(db, "-j", "1", "--drain", "10min", *POLL,
                handlers={"work": ledger.handler(loop())}) as worker:
        ledger.wait_for(1)
        worker.signal(number)
        wait_until(lambda: "drain" in worker.log().lower(), 30, "the first to be noticed")
        assert worker.running()
        worker.signal(number)
        worker.wait()
    assert api.state(job) == "ready" and api.attempts(job) == []
    invariants.check_quiet(db, 0)


def test_handler_deaf_to_sigterm_is_killed(db, api, tmp_path):
    """SIGKILL ten seconds after SIGTERM; nothing of it is left."""
    ledger = Ledger(tmp_path)
    job = api.push("work")
    handler = ledger.handler(f"sleep 300 & {loop()}", "trap '' TERM")
    with Worker(db, "-j", "1", "--drain", "100ms", *POLL, handlers={"work": handler}) as worker:
        ledger.wait_for(1)
        assert worker.drain() == 0, worker.log()
    assert api.state(job) == "ready" and api.attempts(job) == []
    assert not processes.of_database(db)


def test_results_that_cannot_be_stored_do_not_keep_it(db, api, tmp_path):
    """The bug: results that the server does not take (a full disk, no connection left)
    are due again at once, which looks like new ones: while heartbeats go on, a worker
    that was asked to end goes on for ever.  It gives up, and its job is given back."""
    ledger = Ledger(tmp_path)
    job = api.push("work")
    api.connection.execute(NO_SPACE)
    with Worker(db, *POLL, handlers={"work": ledger.handler()}) as worker:
        wait_until(lambda: "no space left" in worker.log(), 20, worker.log)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert "could not be stored" in worker.log()
    assert api.state(job) == "ready" and len(ledger.runs()) == 1


def test_once_runs_what_is_ready_and_ends(db, api, tmp_path):
    """--once: everything that is ready, exit 0; what is due later stays."""
    ledger = Ledger(tmp_path)
    jobs = api.push_some(50, kind="work")
    later = api.push("work", run_at="2099-01-01")
    other = api.push("unknown")
    worker = Worker(db, "-j", "2", "--once", *POLL, handlers={"work": ledger.handler()})
    with worker:
        assert worker.wait() == 0, worker.log()
    assert sorted(ledger.jobs()) == jobs
    assert states(api) == {"succeeded": 50, "scheduled": 1, "ready": 1}
    assert (api.state(later), api.state(other)) == ("scheduled", "ready")


def test_once_with_nothing_to_do(db, api, tmp_path):
    """It ends before its second poll, not when some timer comes round."""
    handler = {"work": Ledger(tmp_path).handler()}
    with Worker(db, "--once", "--poll", "10min", handlers=handler) as worker:
        assert worker.wait() == 0, worker.log()
    assert api.query("SELECT FROM pawl.worker") == []


def test_rolling_restart_loses_and_doubles_nothing(db, api, tmp_path):
    """Twenty workers one after another, each drained at work: every job runs once."""
    ledger = Ledger(tmp_path)
    jobs = api.push_some(200, kind="work")
    handler = ledger.handler("exec sleep 0.05")
    workers = []
    try:
        for _ in range(20):
            workers.append(Worker(db, "-j", "3", *POLL, handlers={"work": handler}))
            ledger.wait_for(min(len(ledger.runs()) + 6, len(jobs)))
            if len(workers) > 1:
                assert workers[-2].drain() == 0, workers[-2].log()
        invariants.wait_finished(db, len(jobs))
        assert workers[-1].drain() == 0
    finally:
        for worker in workers:
            worker.__exit__(None, None, None)
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []
    assert invariants.read_attempts(db) == {}
    invariants.check_quiet(db, 0)
