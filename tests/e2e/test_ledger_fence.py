"""A handler that writes to the user's own tables and completes in one transaction.

The bug: a worker dies, or is slow, between its write and its completion; the job runs
again, and the user's table has the row twice. With the fence and the completion in the
handler's own transaction the row is there exactly once, wherever it was killed.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import invariants, processes
from harness.fenced_handler import POINTS
from harness.fleet import seeded
from harness.ledger import Ledger
from harness.paths import REPO
from harness.program import Worker
from harness.wait import wait_until

SCRIPT = Path(REPO) / "tests/e2e/harness/fenced_handler.py"
ROUNDS = 5  # kills at each of the four points


@pytest.fixture
def table(db):
    """The user's table: no key keeps a row from being there twice."""
    db.execute("CREATE TABLE public.ledger (job bigint, fence bigint)")

    def rows():
        return sorted(db.execute("SELECT job, fence FROM public.ledger"))

    return rows


def outcomes(db):
    return sorted(db.execute(
        "SELECT job_id, fence FROM pawl.outcome WHERE state = 'succeeded'"))


class Handler:
    """The handler's process; starting it does not wait."""

    def __init__(self, db, claim, point, *options):
        env = db.env() | {"PAWL_JOB": str(claim.job), "PAWL_FENCE": str(claim.fence)}
        self.point = point
        self.claim = claim
        self.process = subprocess.Popen([sys.executable, str(SCRIPT), point, *options],
                                        env=env, stdout=subprocess.PIPE, text=True)

    def kill_at_point(self):
        assert self.process.stdout.readline() == f"at {self.point}\n"
        self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()

    def finish(self):
        self.process.stdout.close()
        return self.process.wait(60)


def recover(api, worker, jobs):
    """Until the jobs that the worker held and did not complete are ready again."""
    lost = "SELECT count(*) FROM pawl.running WHERE worker = %s"
    wait_until(lambda: api.value("recover") is None or api.one(lost, [worker]) == 0, 15,
               "the lost jobs to be taken back")


def test_naive_handler_writes_twice(db, api, table):
    """Red: the row and the completion in two transactions, killed between them."""
    job = api.push("k")
    worker = api.worker_start(lease="1 hour")
    Handler(db, api.claim_one(worker), "before-fence", "naive").kill_at_point()
    api.end_lease(worker)
    recover(api, worker, [job])
    second = api.worker_start()
    assert Handler(db, api.claim_one(second), "nowhere", "naive").finish() == 0
    assert [row[0] for row in table()] == [job, job], "turned green"


def test_killed_at_each_point(db, api, table):
    """Twenty kills, five at each point: every job is in the ledger once, with the fence
    of its outcome; only what was killed after COMMIT has not run again."""
    rng = seeded("ledger")
    jobs = api.push_some(4 * ROUNDS)
    points = [point for point in POINTS for _ in range(ROUNDS)]
    rng.shuffle(points)
    worker = api.worker_start(lease="1 hour")
    claims = api.claim(worker, len(jobs))
    for begin in range(0, len(jobs), 5):
        batch = list(zip(claims, points))[begin:begin + 5]
        for handler in [Handler(db, claim, point) for claim, point in batch]:
            handler.kill_at_point()
    killed_at = {claim.job: point for claim, point in zip(claims, points)}
    api.end_lease(worker)
    recover(api, worker, jobs)
    assert sorted(row.job_id for row in api.query("SELECT job_id FROM pawl.ready")) == sorted(
        job for job in jobs if killed_at[job] != "after-commit")
    second = api.worker_start()
    while claim := api.claim(second, 1):
        # a job that has crashed a worker is handed out alone
        assert Handler(db, claim[0], "nowhere").finish() == 0
    assert table() == outcomes(db)
    assert [job for job, _ in table()] == jobs
    assert invariants.crashed(db) == sorted(
        job for job in jobs if killed_at[job] != "after-commit")


def test_stale_handler_writes_nothing(db, api, table):
    """Not killed but late: it comes to the fence after somebody else has the job."""
    job = api.push("k")
    worker = api.worker_start(lease="1 hour")
    old = api.claim_one(worker)
    api.end_lease(worker)
    recover(api, worker, [job])
    second = api.worker_start()
    new = api.claim_one(second)
    late = Handler(db, old, "nowhere")
    assert late.finish() != 0
    assert table() == []
    assert Handler(db, new, "nowhere").finish() == 0
    assert table() == outcomes(db) == [(job, new.fence)]


def test_fenced_job_waits_for_its_transaction(db, api, table):
    """A handler that holds the fence past its worker's lease keeps the job: recovery
    leaves it, cancel says busy, and its COMMIT counts."""
    job = api.push("k")
    worker = api.worker_start(lease="1 hour")
    claim = api.claim_one(worker)
    with db.connect(autocommit=False) as own:
        own.execute("SELECT pawl.fence(%s, %s)", [job, claim.fence])
        own.execute("INSERT INTO public.ledger VALUES (%s, %s)", [job, claim.fence])
        api.end_lease(worker)
        wait_until(lambda: api.value("recover") == 0 and not api.query(
            "SELECT FROM pawl.worker"), 30, "the worker's row to be recovered")
        assert api.state(job) == "running"
        assert api.cancel(job) == "busy"
        own.execute("SELECT pawl.complete(%s, %s)", [job, claim.fence])
        own.commit()
    assert table() == outcomes(db) == [(job, claim.fence)]
    assert api.value("recover") == 0


# ---------------------------------------------------------------- under a worker --


@pytest.fixture
def exec_handler(tmp_path, db, table):
    """The handler above as an exec handler: its first attempt stops at a point that the
    job's args name, later ones nowhere. The worker's environment is all that it gets."""
    ledger = Ledger(tmp_path)
    ledger.command = ledger.handler(f"""
point=nowhere
[ "$PAWL_ATTEMPT" != 1 ] || point=$(sed 's/.*"point": *"\\([a-z-]*\\)".*/\\1/')
exec {sys.executable} {SCRIPT} $point""")
    return ledger


def push_points(api):
    return {api.push("work", args={"point": point}): point for point in POINTS}


def wait_at_points(db, ledger):
    """Until each first attempt has said that it is at its point; their pids by job."""
    found = {}

    def all_wait():
        for process in processes.of_database(db):
            env = processes.environment(process.pid)
            if "PAWL_JOB" in env:
                found[int(env["PAWL_JOB"])] = process.pid
        said = db.value("SELECT count(*) FROM pawl.logs WHERE message LIKE 'at %'")
        return said == len(POINTS) and len(found) == len(POINTS)

    wait_until(all_wait, 30, "each handler to stand at its point")
    return found


@pytest.mark.kill
def test_exec_handlers_killed_with_their_worker(db, api, table, exec_handler):
    """The worker is killed while each of four handlers stands at a point: they die with
    it, the next worker runs three of them again, the ledger has each job once."""
    points = push_points(api)
    options = ("-j", "4", "--lease", "1s", "--poll", "100ms")
    with Worker(db, *options, handlers={"work": exec_handler.command}) as worker:
        pids = wait_at_points(db, exec_handler)
        worker.kill()
        wait_until(lambda: not any(map(processes.alive, pids.values())), 30,
                   "the handlers to die with their worker")
    with Worker(db, *options, handlers={"work": exec_handler.command}) as worker:
        invariants.wait_finished(db, len(points), 30)
        assert worker.drain() == 0, worker.log()
    assert table() == outcomes(db)
    assert [job for job, _ in table()] == sorted(points)
    again = [job for job, point in points.items() if point != "after-commit"]
    assert exec_handler.twice() == invariants.crashed(db) == sorted(again)
    invariants.check_quiet(db, 1.0)


@pytest.mark.kill
def test_exec_handlers_killed_alone(db, api, table, exec_handler):
    """The handler dies, the worker lives: its word "failed" is stale for the one that
    had committed, and a try more for the others."""
    points = push_points(api)
    options = ("-j", "4", "--lease", "1s", "--poll", "100ms")
    with Worker(db, *options, handlers={"work": exec_handler.command}) as worker:
        for pid in wait_at_points(db, exec_handler).values():
            # the one that has committed may have been told that its claim has ended
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        done = [job for job, point in points.items() if point == "after-commit"]
        wait_until(lambda: [row for row in outcomes(db) if row[0] in done], 30, "the one")
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.attempt") == 3, 30,
                   "the three to fail")
        # an operator does not wait for the backoff
        api.query("UPDATE pawl.scheduled SET due = now() RETURNING job_id")
        invariants.wait_finished(db, len(points), 30)
        assert worker.drain() == 0, worker.log()
    assert table() == outcomes(db)
    assert [job for job, _ in table()] == sorted(points)
    for job, point in points.items():
        assert api.attempts(job) == ([] if point == "after-commit" else ["error"]), point
        assert api.job(job).state == "succeeded"
