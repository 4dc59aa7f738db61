"""The answer of a COMMIT is lost.

The bug: a client that takes a lost answer for "not done" does it again, and one that
takes it for "done" loses it.  Pawl asks the server by pg_xact_status, and says
"unknown" (exit 7) only when nobody can be asked.
"""

import psycopg
import pytest
from harness import invariants
from harness.ledger import Ledger, write_script
from harness.load import Load
from harness.program import Worker, run_pawl
from harness.proxy import CUT_ANSWER, CUT_BEFORE, Proxy, commit_of
from harness.wait import wait_until

TOLD_S = 30


@pytest.fixture
def proxy(db):
    with Proxy(db) as made:
        yield made


def count(db, table="job"):
    return db.value(f"SELECT count(*) FROM pawl.{table}")


def conninfo(proxy, **options):
    words = {"host": proxy.directory, "dbname": proxy.behind.name, "user": "postgres"}
    return " ".join(f"{n}='{v}'" for n, v in (words | options).items())


# ---------------------------------------------------------------- push ------------


def test_naive_push_is_pushed_twice(db, proxy):
    """Red: trying again after a lost answer, as most clients do."""
    fault = proxy.fault(CUT_ANSWER, commit_of("cli"))
    for _ in range(2):
        try:
            with psycopg.connect(conninfo(proxy, application_name="pawl cli naive")) as client:
                client.execute("SELECT pawl.push('k')")
            break
        except psycopg.OperationalError:
            continue
    assert fault.struck.wait(30)
    assert count(db) == 2, "turned green"


def test_push_whose_answer_is_lost(db, proxy):
    """The COMMIT was done: one job, its id is printed, exit 0."""
    fault = proxy.fault(CUT_ANSWER, commit_of("cli push"))
    result = run_pawl(db, "push", "k", env=proxy.env())
    assert fault.struck.is_set(), proxy.messages
    assert count(db) == 1
    assert result.stdout.split() == [str(db.value("SELECT id FROM pawl.job"))]
    asked = [sql for _, _, _, sql in proxy.messages if "pg_xact_status" in sql]
    assert asked, proxy.messages


def test_push_cut_before_commit(db, proxy):
    """The COMMIT never reached the server: it was rolled back, and is done again."""
    fault = proxy.fault(CUT_BEFORE, commit_of("cli push"))
    result = run_pawl(db, "push", "k", env=proxy.env())
    assert fault.struck.is_set()
    assert count(db) == 1
    assert result.stdout.split() == [str(db.value("SELECT id FROM pawl.job"))]


@pytest.mark.parametrize("action", [CUT_ANSWER, CUT_BEFORE])
def test_ndjson_push_whose_answer_is_lost(db, proxy, action):
    """The same for a stream of jobs in several transactions: each line once."""
    fault = proxy.fault(action, commit_of("cli push"))
    lines = "".join(f'{{"kind": "k", "args": {{"n": {n}}}}}\n' for n in range(2500))
    run_pawl(db, "push", "--ndjson", "-", input=lines, env=proxy.env())
    assert fault.struck.is_set()
    found = db.execute("SELECT (args->>'n')::int FROM pawl.job ORDER BY id")
    assert [n for (n,) in found] == list(range(2500))


# ---------------------------------------------------------------- worker ----------


def drained(worker):
    code = worker.drain()
    assert code == 0, worker.log()


def every_other(accepts):
    """Not twice in a row: a backoff would grow, and is not what is tested."""
    seen = []

    def when(message):
        if accepts(message):
            seen.append(message.number)
            return len(seen) % 2 == 0
        return False

    return when


def work_through_faults(db, api, proxy, ledger, fault):
    """Push and work until all the faults have struck; answers the jobs."""
    load = Load(api, ledger)
    with Worker(db, "-j", "4", "--lease", "2s", "--poll", "100ms", env=proxy.env(),
                handlers={"work": ledger.handler("exec sleep 0.02")}) as worker:
        while fault.times > 0:
            load.wait_more(1, worker.log)
        invariants.wait_finished(db, len(load.jobs), 60)
        drained(worker)
    return load.jobs


@pytest.mark.parametrize("action", [CUT_ANSWER, CUT_BEFORE])
def test_settle_whose_answer_is_lost(db, api, proxy, tmp_path, action):
    """Twenty times: the settler asks, and settles again only what was not settled; no
    job runs twice, and none is taken for stale."""
    ledger = Ledger(tmp_path)
    fault = proxy.fault(action, every_other(commit_of("settle")), times=20)
    jobs = work_through_faults(db, api, proxy, ledger, fault)
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []
    assert invariants.read_attempts(db) == {}
    invariants.check_quiet(db, 2.0)


@pytest.mark.parametrize("action", [CUT_ANSWER, CUT_BEFORE])
def test_claim_whose_answer_is_lost(db, api, proxy, tmp_path, action):
    """Twenty times: what a claim took without the worker learning it stands in running
    under a worker that lives and beats: it is released, and runs once."""
    ledger = Ledger(tmp_path)
    fault = proxy.fault(action, every_other(commit_of("claim")), times=20)
    jobs = work_through_faults(db, api, proxy, ledger, fault)
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []
    assert invariants.read_attempts(db) == {}, "a lost answer is no crash"
    invariants.check_quiet(db, 2.0)


@pytest.mark.slow
def test_claim_that_nobody_can_tell_of(db, api, proxy, tmp_path):
    """The COMMIT of a claim was done, and the server cannot be had: the jobs stand in
    running under a worker that lives and beats.  It reads what it holds, releases what
    it does not know of, and they run once; a lost answer is no crash."""
    ledger = Ledger(tmp_path)
    jobs = api.push_some(4, kind="work")
    took = []

    def took_jobs(message):
        if not commit_of("claim")(message) or took:
            return False
        last = [sql for name, _, _, sql in proxy.messages if name == message.application and sql]
        took.append(any("pawl.claim" in sql for sql in last[-6:]))
        proxy.refuse = took[-1]
        if not took[-1]:
            took.pop()
        return proxy.refuse

    fault = proxy.fault(CUT_ANSWER, took_jobs)
    with Worker(db, "-j", "4", "--lease", "3s", "--poll", "100ms", env=proxy.env(),
                handlers={"work": ledger.handler()}) as worker:
        assert fault.struck.wait(30), worker.log()
        stranded = api.query("SELECT job_id FROM pawl.running")
        assert len(stranded) > 0 and ledger.runs() == []
        wait_until(lambda: "trying again" in worker.log(), TOLD_S, worker.log)
        proxy.refuse = False
        invariants.wait_finished(db, len(jobs), 30)
        drained(worker)
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []
    assert invariants.read_attempts(db) == {}
    assert api.one("SELECT max(attempt) FROM pawl.outcome") == 2


@pytest.mark.parametrize("action", [CUT_ANSWER, CUT_BEFORE])
def test_lines_whose_answer_is_lost(db, api, proxy, tmp_path, action):
    """Six times: the log writer asks, and stores again only what was not stored, so each
    line is there once, in its order, and none counts as dropped.

    Red on: a writer that stores again what it has no answer to, or takes it for stored.
    """
    stop = tmp_path / "stop"
    script = write_script(tmp_path, "talk", f"""
n=0
while [ ! -e {stop} ]; do n=$((n+1)); echo $n; sleep 0.02; done""")
    fault = proxy.fault(action, every_other(commit_of("log")), times=6)
    job = api.push("work")
    with Worker(db, "-j", "1", "--poll", "100ms", env=proxy.env(),
                handlers={"work": script}) as worker:
        wait_until(lambda: fault.times == 0, 60, worker.log)
        stop.touch()
        invariants.wait_finished(db, 1, 30)
        drained(worker)
        assert "dropped" not in worker.log()
    stored = [int(line) for line, in db.execute(
        "SELECT message FROM pawl.logs WHERE job = %s ORDER BY id", [job])]
    assert stored == list(range(1, len(stored) + 1)) and len(stored) > 20


def test_failure_whose_answer_is_lost(db, api, proxy, tmp_path):
    """A failure recorded twice would use up two tries."""
    ledger = Ledger(tmp_path)
    handler = ledger.handler("""
[ "$PAWL_ATTEMPT" -gt 2 ] && exit 0
echo '{"retry_after_s": 0}' >&3
exit 1""")
    jobs = api.push_some(8, kind="work")
    fault = proxy.fault(CUT_ANSWER, every_other(commit_of("settle")), times=3)
    with Worker(db, "-j", "2", "--lease", "2s", "--poll", "50ms", env=proxy.env(),
                handlers={"work": handler}) as worker:
        invariants.wait_finished(db, len(jobs), 60)
        drained(worker)
    assert fault.times < 3
    for job in jobs:
        assert api.attempts(job) == ["error", "error"]
        assert api.job(job).attempt == 3
