"""Workers killed with SIGKILL at random moments while jobs run.

The bug: a job that was claimed by a worker which died is lost, runs twice at the same
time, or is charged to another worker; its children live on and write to what others
have taken over.
"""

import pytest
from harness import invariants, processes
from harness.fleet import Fleet, seeded
from harness.ledger import Ledger
from harness.wait import wait_until

pytestmark = pytest.mark.kill

LEASE = "500ms"
LEASE_S = 0.5
JOBS = 500
KILLS = 20


SETTLING = """SELECT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'
    AND datname = current_database() AND application_name LIKE 'pawl settle %'"""


def kill_in_settle(db, fleet, rng, allow, ledger):
    """Kill a worker whose settle waits for a lock: its handlers have ended, and what they
    did is not committed."""
    def settling():
        pids = {int(name.rpartition(":")[2]) for (name,) in db.execute(SETTLING)}
        return [worker for worker in fleet.workers if worker.pid in pids]

    with db.connect(autocommit=False) as outsider:
        outsider.execute("LOCK TABLE pawl.outcome IN SHARE MODE")
        allow(len(ledger.runs()) + rng.randrange(1, 12))
        fleet.kill(rng.choice(wait_until(settling, 30, fleet.logs)))
        outsider.rollback()


def test_twenty_kills_over_five_hundred_jobs(db, api, tmp_path):
    """Three workers, one of them killed twenty times at seeded moments: what ran, what
    is recorded and what was pushed are the same jobs; nothing is left over."""
    rng = seeded("kill")
    ledger, ended = Ledger(tmp_path), Ledger(tmp_path, "ended")
    allow, gate = ledger.gate()
    handler = ledger.handler(f"{gate}\nsleep 0.0$((PAWL_JOB % 7))\n{ended.line()}")
    jobs = api.push_some(JOBS, kind="work")
    moments = sorted(rng.sample(range(20, JOBS - 150), KILLS))
    with Fleet(db, 3, "-j", "4", "--lease", LEASE, "--poll", "100ms",
               handlers={"work": handler}) as fleet:
        for moment in moments:  # what begins after it waits, however long a kill takes
            allow(moment)
            ledger.wait_for(moment, 60)
            if rng.random() < 0.5:
                kill_in_settle(db, fleet, rng, allow, ledger)
            else:
                fleet.kill(rng.choice(fleet.busy()))
            fleet.add()
        allow(10 * JOBS)
        invariants.wait_finished(db, JOBS, 90)
        invariants.check_no_orphans(db, LEASE_S)
        twice = invariants.check_outcomes(db, jobs, ledger)
        lost = invariants.unsettled(db, ended)
        print(f"ran twice: {twice}; of these had ended: {lost}")
        assert lost, "the kills have met no settle"
        assert fleet.running(), fleet.logs()
        assert twice, "no job was interrupted: the kills have met nothing"
        assert set(twice) <= set(invariants.crashed(db))
        for worker in fleet.workers:
            assert not invariants.zombies(worker.pid)
        assert fleet.drain() == [0, 0, 0], fleet.logs()
        invariants.check_quiet(db, LEASE_S, [w.pid for w in fleet.ended])


def test_the_only_worker_is_killed_again_and_again(db, api, tmp_path):
    """Nobody else is there: each start has to recover what the one before it left, and
    the whole process tree of a killed worker is gone before its jobs run again."""
    rng = seeded("kill-alone")
    ledger = Ledger(tmp_path)
    handler = ledger.handler("sleep 0.1")
    jobs = api.push_some(60, kind="work")
    for _ in range(5):
        with Fleet(db, 1, "-j", "4", "--lease", LEASE, "--poll", "100ms",
                   handlers={"work": handler}) as fleet:
            started = len(ledger.runs())
            ledger.wait_for(started + rng.randrange(1, 6))
            fleet.kill(fleet.workers[0])
        wait_until(lambda: not processes.of_database(db), 30, "its process tree to end")
    with Fleet(db, 1, "-j", "4", "--lease", LEASE, "--poll", "100ms",
               handlers={"work": handler}) as fleet:
        invariants.wait_finished(db, len(jobs), 60)
        assert fleet.drain() == [0], fleet.logs()
    invariants.check_outcomes(db, jobs, ledger)
    invariants.check_quiet(db, LEASE_S)


NAIVE_CLAIM = """
    UPDATE naive SET state = 'running', worker = %s WHERE id = (
        SELECT id FROM naive WHERE state = 'ready' OR state = 'running' AND worker <> %s
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"""


def test_naive_ownership_by_name_runs_a_job_twice(db):
    """Red: a job that is taken over by the worker's name alone is taken from a worker
    that lives, and both finish it."""
    with db.connect() as one, db.connect() as two:
        one.execute("CREATE TABLE naive (id int, state text, worker text, done int DEFAULT 0)")
        one.execute("INSERT INTO naive VALUES (1, 'ready', '')")
        finish = "UPDATE naive SET state = 'done', done = done + 1 WHERE id = 1"
        assert one.execute(NAIVE_CLAIM, ["a", "a"]).fetchall() == [(1,)]
        assert two.execute(NAIVE_CLAIM, ["b", "b"]).fetchall() == [(1,)]
        one.execute(finish)
        two.execute(finish)
        assert one.execute("SELECT done FROM naive").fetchone() == (2,), "turned green"
