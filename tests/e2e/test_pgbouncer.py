"""Everything through Debian's pgbouncer in transaction mode.

The bug: a program that keeps something in its session (SET, prepared statements,
advisory locks, LISTEN) works until a pooler hands the session to somebody else after
each transaction.
"""

import pytest
from harness import invariants
from harness.fleet import Fleet, seeded
from harness.ledger import Ledger
from harness.pooler import Pooler
from harness.program import Worker, run_pawl
from harness.wait import wait_until


@pytest.fixture
def pooled(cluster, db):
    """The database, reached through the pooler."""
    with Pooler(cluster) as pooler:
        yield pooler.database(db)


def test_session_state_does_not_survive_the_pooler(pooled):
    """Red: what is set in a session is gone, or another's, in the next transaction."""
    with pooled.connect() as naive:
        naive.execute("SET lock_timeout = '1234ms'")
        others = [pooled.connect(autocommit=False) for _ in range(4)]
        seen = [other.execute("SHOW lock_timeout").fetchone()[0] for other in others]
        for other in others:
            other.close()
    assert seen.count("1234ms") == 1, "turned green"


def test_push_work_kill_and_drain(db, pooled, tmp_path):
    """The whole way, with the pooler between every program and the server; the checks
    look at the server itself."""
    rng = seeded("pgbouncer")
    ledger = Ledger(tmp_path)
    lines = "".join(f'{{"kind": "work", "args": {{"n": {n}}}}}\n' for n in range(150))
    pushed = run_pawl(pooled, "push", "--ndjson", "-", input=lines)
    jobs = sorted(map(int, pushed.stdout.split()))
    assert len(jobs) == 150
    with Fleet(pooled, 3, "-j", "3", "--lease", "1s", "--poll", "100ms",
               handlers={"work": ledger.handler("echo line; exec sleep 0.05")}) as fleet:
        for moment in sorted(rng.sample(range(5, 130), 6)):
            ledger.wait_for(moment, 60)
            fleet.kill(rng.choice(fleet.workers))
            fleet.add()
        invariants.wait_finished(db, len(jobs), 60)
        assert fleet.drain() == [0, 0, 0], fleet.logs()
    invariants.check_outcomes(db, jobs, ledger)
    wait_until(lambda: not invariants.processes.of_database(pooled), 30, "all to end")
    assert not invariants.orphans(db)
    # a kill loses the lines of at most a second
    assert db.value("SELECT count(*) FROM pawl.logs WHERE message = 'line'") >= len(jobs) // 2


def test_commands(db, pooled, tmp_path):
    """show, list, logs, cancel, retry and wait through the pooler; a cancelled handler
    is stopped although NOTIFY does not come through."""
    ledger = Ledger(tmp_path)
    job = int(run_pawl(pooled, "push", "work").stdout)
    with Worker(pooled, "-j", "1", "--lease", "1s", "--poll", "100ms",
                handlers={"work": ledger.handler('[ "$PAWL_ATTEMPT" != 1 ] || exec sleep 60')}) as worker:
        ledger.wait_for(1)
        run_pawl(pooled, "job", "cancel", job)
        run_pawl(pooled, "job", "retry", job)
        run_pawl(pooled, "job", "wait", job, "--timeout", "20s")
        assert "succeeded" in run_pawl(pooled, "job", "show", job).stdout
        run_pawl(pooled, "job", "list")
        run_pawl(pooled, "job", "logs", job)
        assert worker.drain() == 0, worker.log()
    assert ledger.jobs() == [job, job]
