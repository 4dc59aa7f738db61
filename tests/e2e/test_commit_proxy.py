"""The answer of a COMMIT is lost; a connection goes silent.

The bug: a client that takes a lost answer for "not done" does it again, and one that
takes it for "done" loses it.  Pawl asks the server by pg_xact_status, and says
"unknown" (exit 7) only when nobody can be asked.
"""

import subprocess
import threading
import time

import psycopg
import pytest
from harness import invariants
from harness.ledger import Ledger
from harness.program import Worker, environment, program, run_pawl
from harness.proxy import CUT_ANSWER, CUT_BEFORE, SILENCE, Proxy, commit_of
from harness.wait import wait_until

SILENT_BOUND_S = 50  # a statement's 30 s and its margin, and the asking afterwards


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
    assert fault.struck.wait(10)
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


@pytest.mark.deadline(100)
def test_push_that_cannot_ask(db, proxy):
    """Nobody can be asked: exit 7, in bounded time, and not a second job."""

    def then_refuse(message):
        proxy.refuse = proxy.refuse or commit_of("cli push")(message)
        return proxy.refuse

    fault = proxy.fault(CUT_ANSWER, then_refuse)
    began = time.monotonic()
    result = run_pawl(db, "push", "k", env=proxy.env(), check=7, deadline=SILENT_BOUND_S + 20)
    assert fault.struck.is_set()
    assert time.monotonic() - began < SILENT_BOUND_S
    assert result.stdout == ""
    assert count(db) == 1


# ---------------------------------------------------------------- silence ---------


class SilentPush(threading.Thread):
    """`pawl push` through a proxy that goes silent at its nth message."""

    def __init__(self, db, number):
        super().__init__()
        self.db = db
        self.number = number
        self.struck = False
        self.exit = None
        self.took_s = None
        self.start()

    def run(self):
        with Proxy(self.db) as proxy:
            fault = proxy.fault(SILENCE, lambda message: message.number == self.number
                                and proxy.connections == 1)
            began = time.monotonic()
            command = [str(program()), "push", "silent", f'{{"n": {self.number}}}']
            done = subprocess.run(command, env=environment(self.db, proxy.env()),
                                  stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=3 * SILENT_BOUND_S, check=False)
            self.took_s = time.monotonic() - began
            self.exit = done.returncode
            self.struck = fault.struck.is_set()
            self.said = done.stderr.decode()


@pytest.mark.slow
@pytest.mark.deadline(200)
def test_silence_at_any_message_of_a_push(db, proxy):
    """The connection stays open and says nothing more, from each message on in turn:
    the command ends in bounded time, and what it says is true."""
    run_pawl(db, "push", "loud", env=proxy.env())
    messages = len(proxy.messages)
    assert messages >= 10
    runs = [SilentPush(db, n) for n in range(messages)]
    for run in runs:
        run.join()
    assert all(run.struck for run in runs), [run.number for run in runs if not run.struck]
    for run in runs:
        pushed = db.value("SELECT count(*) FROM pawl.job WHERE kind = 'silent'"
                          " AND args->'n' = to_jsonb(%s::int)", [run.number])
        said = f"message {run.number}: exit {run.exit}, {pushed} jobs, {run.said}"
        assert run.took_s < 2 * SILENT_BOUND_S, said
        assert {0: pushed == 1, 4: pushed == 0, 1: pushed == 0, 7: pushed <= 1,
                124: pushed == 0}.get(run.exit), said


# ---------------------------------------------------------------- worker ----------


def drained(worker):
    code = worker.drain()
    assert code == 0, worker.log()


@pytest.mark.parametrize("action", [CUT_ANSWER, CUT_BEFORE])
def test_settle_whose_answer_is_lost(db, api, proxy, tmp_path, action):
    """Twenty times: the settler asks, and settles again only what was not settled; no
    job runs twice, and none is taken for stale."""
    ledger = Ledger(tmp_path)
    jobs = api.push_some(100, kind="work")
    fault = proxy.fault(action, commit_of("settle"), times=20)
    with Worker(db, "-j", "4", "--lease", "1s", "--poll", "100ms", env=proxy.env(),
                handlers={"work": ledger.handler("exec sleep 0.02")}) as worker:
        wait_until(lambda: fault.times == 0 or not any(invariants.live(db).values()), 60,
                   "twenty faults")
        invariants.wait_finished(db, len(jobs), 60)
        drained(worker)
    assert fault.times <= 10, f"only {20 - fault.times} faults"
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []
    assert invariants.read_attempts(db) == {}
    invariants.check_quiet(db, 1.0)


@pytest.mark.parametrize("action", [CUT_ANSWER, CUT_BEFORE])
def test_claim_whose_answer_is_lost(db, api, proxy, tmp_path, action):
    """What a claim took without the worker learning it stands in running under a worker
    that lives and beats: it is released, and runs once."""
    ledger = Ledger(tmp_path)
    jobs = api.push_some(60, kind="work")
    fault = proxy.fault(action, commit_of("claim"), times=10)
    with Worker(db, "-j", "4", "--lease", "1s", "--poll", "100ms", env=proxy.env(),
                handlers={"work": ledger.handler("exec sleep 0.02")}) as worker:
        invariants.wait_finished(db, len(jobs), 60)
        drained(worker)
    assert fault.times < 10
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []
    assert invariants.read_attempts(db) == {}, "a lost answer is no crash"
    invariants.check_quiet(db, 1.0)


def test_failure_whose_answer_is_lost(db, api, proxy, tmp_path):
    """A failure recorded twice would use up two tries."""
    ledger = Ledger(tmp_path)
    handler = ledger.handler("""
[ "$PAWL_ATTEMPT" -gt 2 ] && exit 0
echo '{"retry_after_s": 0}' >&3
exit 1""")
    jobs = api.push_some(8, kind="work")
    fault = proxy.fault(CUT_ANSWER, commit_of("settle"), times=6)
    with Worker(db, "-j", "2", "--lease", "1s", "--poll", "50ms", env=proxy.env(),
                handlers={"work": handler}) as worker:
        invariants.wait_finished(db, len(jobs), 60)
        drained(worker)
    assert fault.times < 6
    for job in jobs:
        assert api.attempts(job) == ["error", "error"]
        assert api.job(job).attempt == 3


@pytest.mark.slow
@pytest.mark.deadline(150)
@pytest.mark.parametrize("role", ["claim", "settle", "keep", "upkeep", "log"])
def test_connection_of_a_worker_goes_silent(db, api, proxy, tmp_path, role):
    """One thread's connection says nothing more in mid-work: bounded, and no job is lost
    or has two outcomes.  The lease may be lost when it is the keeper's; with it what
    runs is interrupted, recovered and run again."""
    ledger = Ledger(tmp_path)
    jobs = api.push_some(40, kind="work")
    seen = []

    def tenth(message):
        if message.application.startswith(f"pawl {role}"):
            seen.append(message.number)
        return len(seen) == 10

    fault = proxy.fault(SILENCE, tenth)
    with Worker(db, "-j", "2", "--lease", "1s", "--poll", "100ms", env=proxy.env(),
                handlers={"work": ledger.handler("echo hello; exec sleep 0.05")}) as worker:
        assert fault.struck.wait(30), (role, worker.log())
        invariants.wait_finished(db, len(jobs), 2 * SILENT_BOUND_S)
        more = api.push_some(5, kind="work")
        invariants.wait_finished(db, len(jobs) + len(more), 2 * SILENT_BOUND_S)
        assert worker.running(), worker.log()
        worker.kill()
    invariants.check_outcomes(db, jobs + more, ledger)
