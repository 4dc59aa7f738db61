"""Somebody else's lock on a table of Pawl's: VACUUM FULL, a migration, a forgotten psql.

The bug: the heartbeat waits behind such a lock with the rest, every lease of the fleet
runs out at once, and every running job is started a second time.

PAWL_TORTURE=1 takes the real times: the default lease of 30 s, and a lock of a minute.
"""

import os
import threading

import pytest
from harness import invariants, processes
from harness.api import Api
from harness.ledger import Ledger
from harness.program import Worker
from harness.wait import wait_until

TORTURE = bool(os.environ.get("PAWL_TORTURE"))
LEASE_S, LOCK_S = (30, 60) if TORTURE else (2, 10)

# Every table of the schema but `worker`, which has a test of its own.
TABLES = ("job", "ready", "scheduled", "running", "outcome", "attempt", "log", "queue",
          "lane", "unique_key", "upkeep", "sleeper", "silent_wait", "silent_wait_end",
          "migration", "batch", "batch_delta", "waiting", "group_lease", "group_stop", "stall")

HELD = """SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
    AND relation = ('pawl.' || %s)::regclass"""


class Lock:
    """An outsider's transaction that holds ACCESS EXCLUSIVE."""

    def __init__(self, db, table):
        self.connection = db.connect(autocommit=False)
        # a lock of the whole fleet's table is got between two transactions of others
        self.connection.execute(f"LOCK TABLE pawl.{table} IN ACCESS EXCLUSIVE MODE")

    def hold(self, seconds):
        """Its length is what is tested."""
        self.connection.execute("SELECT pg_sleep(%s)", [seconds])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.rollback()
        self.connection.close()


class Scene:
    """A worker under load in a database of its own while one table is locked."""

    def __init__(self, db, directory, table, lock_s=LOCK_S, lease_s=LEASE_S):
        self.db, self.table, self.lock_s, self.lease_s = db, table, lock_s, lease_s
        directory.mkdir()
        self.ledger = Ledger(directory)
        # runs through the whole time that the lock is held
        self.long = self.ledger.handler(f"exec sleep {lock_s}")
        self.short = self.ledger.handler("exec sleep 0.05")
        self.error = None
        self.thread = threading.Thread(target=self.run_guarded)

    def run_guarded(self):
        try:
            with Worker(self.db, "-j", "4", "--lease", f"{self.lease_s}s", "--poll", "100ms",
                        handlers={"long": self.long, "short": self.short}) as worker:
                self.play(worker)
        except BaseException as error:
            self.error = error

    def play(self, worker):
        with self.db.connect() as connection:
            api = Api(connection)
            jobs = [api.push("long", priority=0), *api.push_some(60, kind="short")]
            self.ledger.wait_for(5)
            before = {row.id for row in api.query("SELECT id FROM pawl.worker")}
            with Lock(self.db, self.table) as lock:
                lock.hold(self.lock_s)
            invariants.wait_finished(self.db, len(jobs), 60 + self.lock_s)
            after = {row.id for row in api.query("SELECT id FROM pawl.worker")}
            assert after == before, f"{self.table}: the lease was lost\n{worker.log()}"
            twice = invariants.check_outcomes(self.db, jobs, self.ledger, False)
            assert twice == [] and invariants.read_attempts(self.db) == {}, self.table
            assert worker.drain() == 0, worker.log()


def test_the_tables_are_all_named(db):
    """A new table needs a line here."""
    tables = db.execute("""SELECT relname FROM pg_class WHERE relnamespace = 'pawl'::regnamespace
        AND relkind IN ('r', 'p') AND NOT relispartition""")
    known = {name for (name,) in tables} - {"worker"}
    assert known == set(TABLES) or known - set(TABLES) <= {"object"}, known


@pytest.mark.slow
@pytest.mark.deadline(300)
@pytest.mark.parametrize("tables", [TABLES[::2], TABLES[1::2]], ids=["a", "b"])
def test_a_lock_loses_no_lease(cluster, tmp_path, tables):
    """Five leases long, on each table in turn (half of them at once, in a database each: all
    would be too many workers): the worker keeps its lease, no job crashes, each runs once."""
    databases = [cluster.new_database() for _ in tables]
    scenes = [Scene(db, tmp_path / table, table) for db, table in zip(databases, tables)]
    for scene in scenes:
        scene.thread.start()
    for scene in scenes:
        scene.thread.join()
    for db in databases:
        db.drop()
    wrong = {scene.table: scene.error for scene in scenes if scene.error}
    assert not wrong, wrong


def test_a_short_lock_of_the_workers_table_loses_no_lease(db, tmp_path):
    """The lease is in this table: what is shorter than the lease is survived."""
    scene = Scene(db, tmp_path / "worker", "worker", lock_s=LEASE_S, lease_s=2 * LEASE_S)
    scene.thread.start()
    scene.thread.join()
    if scene.error:
        raise scene.error


def test_a_long_lock_of_the_workers_table_costs_one_attempt(db, api, tmp_path):
    """Longer than the lease: the handler is stopped when its worker can no longer know,
    and afterwards everything finishes, each job once."""
    ledger = Ledger(tmp_path)
    handler = ledger.handler('[ "$PAWL_ATTEMPT" != 1 ] || exec sleep 60')
    jobs = api.push_some(2, kind="work")
    with Worker(db, "-j", "2", "--lease", "500ms", "--poll", "100ms",
                handlers={"work": handler}) as worker:
        ledger.wait_for(2)
        with Lock(db, "worker"):
            log = worker.log
            wait_until(lambda: not handlers_of(db), 30, lambda: f"handlers to be stopped\n{log()}")
        invariants.wait_finished(db, len(jobs), 30)
        assert worker.drain() == 0, worker.log()
    assert invariants.check_outcomes(db, jobs, ledger) == jobs
    assert invariants.crashed(db) == jobs


def handlers_of(db):
    return [p for p in processes.of_database(db)
            if "PAWL_JOB" in processes.environment(p.pid)]


def test_naive_heartbeat_behind_a_lock_loses_its_lease(db, api):
    """Red: a heartbeat that looks at its running jobs in the same statement waits behind
    the lock longer than its lease."""
    worker = api.worker_start(lease="300 ms")
    naive = """WITH mine AS (SELECT count(*) FROM pawl.running WHERE worker = %(w)s)
        UPDATE pawl.worker SET expires_at = clock_timestamp() + lease
        WHERE id = %(w)s AND expires_at > statement_timestamp() AND (SELECT count(*) FROM mine) >= 0
        RETURNING id"""
    over = "SELECT expires_at <= clock_timestamp() FROM pawl.worker WHERE id = %s"
    with db.connect() as own, Lock(db, "running"):
        waiting = threading.Thread(target=lambda: own.execute(naive, {"w": worker}))
        waiting.start()
        wait_until(lambda: api.one(over, [worker]), 30, "the naive lease to be over")
        assert waiting.is_alive(), "turned green"
    waiting.join(30)


def test_heartbeat_behind_a_lock_keeps_its_lease(db, api):
    """The same moment with Pawl's own: it returns before the holder releases."""
    worker = api.worker_start(lease="5 s")
    expires = "SELECT expires_at FROM pawl.worker WHERE id = %s"
    before = api.one(expires, [worker])
    with Lock(db, "running"):
        api.rows("heartbeat", worker=worker, jobs=[1], fences=[1])
        assert api.one(expires, [worker]) > before
