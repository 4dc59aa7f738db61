"""Groups whose workers are killed or drained at random moments.

The bugs: a group whose worker was killed belongs to it as long as its session lingers on
the server, and its stream stands still; two workers run jobs of one group side by side;
what was written by a killed attempt is there twice; a job that is pushed while the last
one ends, or stands behind one that backs off, is stranded or overtakes.
"""

import os
import signal
import subprocess
import time

import pytest
from harness import group_load, invariants, processes
from harness.fleet import Fleet, seeded
from harness.group_load import GroupLedger, Groups
from harness.many import in_sessions
from harness.paths import PG_BIN
from harness.program import Worker
from harness.strain import Strain
from harness.wait import wait_until
from psycopg.types.json import Jsonb

LEASE_S, POLL_S = 0.5, 0.1
BOUND_S = LEASE_S + POLL_S + (5 if os.environ.get("PAWL_SANITIZER") else 1)
FAST = ("-j", "1", "--lease", "500ms", "--poll", "100ms")
CALM = ("-j", "1", "--lease", "10s", "--poll", "100ms")  # no lease is lost here
KILLS = 20
RUNNERS = 6
OWN = 5  # claim, settle, keep, upkeep, log


@pytest.mark.kill
def test_twenty_kills(db, api, tmp_path):
    """Three workers, twelve groups, one worker killed twenty times while jobs run: no job
    begins before the one before it is terminal, none runs beside itself, and what the
    function wrote is there once, by the claim that counts."""
    rng = seeded("group-kill")
    work = Groups(db, api, GroupLedger(tmp_path))
    most = 0
    with Fleet(db, 3, *FAST, "-g", RUNNERS, *work.handlers()) as fleet:
        for _ in range(KILLS):
            work.wait_more(rng.randrange(1, 16), fleet.logs)
            most = max(most, group_load.most_sessions(db))
            fleet.kill(rng.choice(list(wait_until(
                lambda: work.at_work(fleet), 30, fleet.logs))))
            fleet.add()
        work.finish(fleet.logs)
        twice = work.check()
        crashed = invariants.crashed(db)
        print(f"{len(crashed)} jobs were interrupted, {len(twice)} handlers ran again;"
              f" at most {most} connections of a worker")
        assert len(crashed) >= KILLS / 4, "the kills have met little"
        assert 0 < most <= RUNNERS + OWN
        assert fleet.running(), fleet.logs()
        assert fleet.drain() == [0, 0, 0], fleet.logs()
        invariants.check_quiet(db, LEASE_S, [w.pid for w in fleet.ended])
    assert db.value("SELECT count(*) FROM pawl.group_lease") == 0


# -- a session that lingers ----------------------------------------------------------------

LINGER = group_load.WRITE.format("CASE WHEN $3::int = 1 THEN 60 ELSE 0 END")


class Killed:
    """A worker that was killed while the server ran a statement of its group's."""

    def __init__(self, db, fleet, job, group):
        self.db, self.job, self.group = db, job, group
        worker = wait_until(self.holder, 20, lambda: f"{group} to run\n{fleet.logs()}")
        victims = group_load.at_work(db, fleet).items()
        (victim,) = [process for process, id in victims if str(id) == worker]
        self.sessions = db.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s"
            " AND wait_event = 'PgSleep'", [f"pawl group %:{victim.pid}"])
        assert self.sessions, "no session that could linger"
        self.at = db.value("SELECT clock_timestamp()")
        fleet.kill(victim)
        fleet.add()

    def holder(self):
        """The worker, when its statement has come to the pause."""
        rows = self.db.execute(
            "SELECT w.id::text FROM pawl.group_lease l JOIN pawl.worker w ON w.id = l.worker"
            " JOIN pg_stat_activity a ON a.application_name = 'pawl group ' || w.name"
            " WHERE l.group_key = %s AND a.wait_event = 'PgSleep'", [self.group])
        return rows[0][0] if rows else None

    def again_at(self):
        """When the job was begun by another; None: not yet."""
        return self.db.value(
            "SELECT min(started_at) FROM (SELECT started_at, job_id,"
            " (tries).attempt + 1 AS attempt FROM pawl.running UNION ALL SELECT started_at, job_id, attempt FROM pawl.attempt"
            " UNION ALL SELECT started_at, job_id, attempt FROM pawl.outcome) x"
            " WHERE job_id = %s AND attempt > 1", [self.job])

    def linger(self):
        there = {pid for (pid,) in self.db.execute("SELECT pid FROM pg_stat_activity")}
        return all(pid in there for (pid,) in self.sessions)


@pytest.mark.kill
def test_taken_over_while_the_session_lingers(db, api):
    """Twenty times: the worker is dead, the server still runs its statement and has its
    transaction open; the group goes on elsewhere within the lease, a poll and a second (and
    what the machine kept everybody waiting meanwhile)."""
    db.execute(group_load.TABLE)
    group_load.skip_failed(api)
    killed, jobs = [], []
    with Fleet(db, 3, *FAST, "-L", f"sql={group_load.OBJECT}") as fleet, Strain(db) as strain:
        for n in range(KILLS):
            group = f"linger/{n}"
            jobs += [api.push("sql", args=Jsonb(sql), group_key=group)
                     for sql in (LINGER, group_load.WRITE.format("0"))]
            killed.append(Killed(db, fleet, jobs[-2], group))
        waits = []
        for one in killed:
            at = wait_until(one.again_at, 30, lambda: f"a takeover\n{fleet.logs()}")
            assert one.linger(), "the session of the killed worker is gone"
            waits.append((one.at.timestamp(), at.timestamp()))
        invariants.wait_finished(db, len(jobs), 20)
        assert fleet.drain() == [0, 0, 0], fleet.logs()
    took = sorted((ended - began, strain.during(began, ended)) for began, ended in waits)
    print("taken over after", " ".join(f"{wait:.2f} ({more:.2f})" for wait, more in took), "s")
    assert len(took) == KILLS and all(wait <= BOUND_S + more for wait, more in took), took
    group_load.check_order(db)
    group_load.check_failures(db)
    assert db.execute("SELECT job, fence FROM public.written ORDER BY 1") == db.execute(
        "SELECT job_id, fence FROM pawl.outcome WHERE state = 'succeeded' ORDER BY 1")
    for one in killed:
        for (pid,) in one.sessions:
            db.execute("SELECT pg_terminate_backend(%s)", [pid])
    invariants.check_quiet(db, LEASE_S)


def test_naive_session_lock_stays_with_a_dead_process(db):
    """Red: ownership by a session's advisory lock outlives its process by as long as the
    server does not notice."""
    lock = "SELECT pg_try_advisory_lock(7)"
    owner = subprocess.Popen([PG_BIN / "psql", "-qAtX", "-c", lock, "-c", "SELECT pg_sleep(60)"],
                             env=db.env(), stdout=subprocess.DEVNULL)
    sleeping = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    ((pid,),) = wait_until(lambda: db.execute(sleeping), 30, "the lock to be held")
    owner.kill()
    owner.wait(30)
    end = time.monotonic() + BOUND_S
    with db.connect() as other:
        wait_until(lambda: other.execute(lock).fetchone() == (True,) or time.monotonic() > end,
                   BOUND_S + 10, "the bound")
        assert time.monotonic() > end, "turned green"
        db.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: other.execute(lock).fetchone() == (True,), 30, "the session to end")


# -- drained -------------------------------------------------------------------------------


@pytest.mark.drain
def test_rolling_restart(db, api, tmp_path):
    """Twenty workers one after another, each drained at work: it ends its jobs, gives its
    groups back at once, and every job runs once."""
    work = Groups(db, api, GroupLedger(tmp_path), n=8)
    workers = [Worker(db, *CALM, "-g", "8", *work.handlers())]
    try:
        for _ in range(20):
            work.wait_more(4, workers[-1].log)
            workers.append(Worker(db, *CALM, "-g", "8", *work.handlers()))
            assert workers[-2].drain() == 0, workers[-2].log()
            gone = "SELECT count(*) FROM pawl.group_lease l WHERE NOT EXISTS (SELECT FROM" \
                " pawl.worker w WHERE w.id = l.worker)"
            assert db.value(gone) == 0, "a lease was left behind"
        work.finish(workers[-1].log)
        assert workers[-1].drain() == 0, workers[-1].log()
    finally:
        for worker in workers:
            worker.__exit__(None, None, None)
    assert work.check() == []
    assert invariants.read_attempts(db) == {}
    invariants.check_quiet(db, 0)


@pytest.mark.drain
def test_straggler_of_a_group_is_given_back(db, api, tmp_path):
    """After --drain its handler is interrupted; the job is the head of its group again,
    the next worker begins with it, and nothing is counted against it."""
    ledger = GroupLedger(tmp_path)
    jobs = [api.push("work", group_key="g") for _ in range(3)]
    handlers = {"work": ledger.held()}
    with Worker(db, *CALM, "--drain", "300ms", handlers=handlers) as worker:
        ledger.wait_for(1)
        assert worker.drain() == 0, worker.log()
        assert not processes.of_database(db)
    assert api.state(jobs[0]) == "waiting" and api.attempts(jobs[0]) == []
    assert db.value("SELECT count(*) FROM pawl.group_lease") == 0
    ledger.go()
    with Worker(db, *CALM, handlers=handlers) as worker:
        invariants.wait_finished(db, 3)
        assert worker.drain() == 0
    assert ledger.jobs() == [jobs[0], *jobs]
    group_load.check_order(db)


@pytest.mark.drain
def test_second_signal_gives_groups_back_at_once(db, api, tmp_path):
    ledger = GroupLedger(tmp_path)
    job = api.push("work", group_key="g")
    handlers = {"work": ledger.handler("while :; do sleep 0.02; done")}
    with Worker(db, *CALM, "--drain", "10min", handlers=handlers) as worker:
        ledger.wait_for(1)
        worker.signal(signal.SIGTERM)
        wait_until(lambda: "drain" in worker.log().lower(), 30, "the first to be noticed")
        worker.signal(signal.SIGTERM)
        worker.wait()
    assert api.state(job) == "waiting" and api.attempts(job) == []
    assert db.value("SELECT count(*) FROM pawl.group_lease") == 0


# -- nothing is stranded, nothing overtakes ---------------------------------------------------


def test_a_push_that_races_with_the_end(db, api, tmp_path):
    """Thirty groups that run empty all the time: each push meets its group before, at or
    after its end, and each job runs, in order."""
    ledger = GroupLedger(tmp_path)
    with Fleet(db, 2, *CALM, handlers={"work": ledger.handler()}) as fleet:
        wait_until(lambda: invariants.leases(db) == 2, 30, fleet.logs)

        def push(connection, part):
            for n in range(90):
                connection.execute("SELECT pawl.push('work', group_key => %s)",
                                   [f"race/{part}-{n % 15}"])

        in_sessions(db, [1, 2], push)
        invariants.wait_finished(db, 180, 30)
        assert fleet.drain() == [0, 0], fleet.logs()
    group_load.check_alone(ledger)
    group_load.check_order(db)
    assert len(ledger.runs()) == 180 and invariants.read_attempts(db) == {}


def test_a_head_that_backs_off_holds_its_group(db, api, tmp_path):
    """Failed, snoozed: its successors wait, in ten groups, over two workers."""
    ledger = GroupLedger(tmp_path)
    handler = ledger.handler("""
case "$PAWL_JOB-$PAWL_ATTEMPT" in
*[13579]-1) echo '{"retry_after_s": 0.3}' >&3; exit 1 ;;
*[02468]-1) echo '{"retry_after_s": 0.3}' >&3; exit 75 ;;
esac""")
    jobs = [api.push("work", group_key=f"g{n % 10}") for n in range(30)]
    with Fleet(db, 2, *CALM, handlers={"work": handler}) as fleet:
        invariants.wait_finished(db, len(jobs), 30)
        assert fleet.drain() == [0, 0], fleet.logs()
    group_load.check_alone(ledger)
    group_load.check_order(db)
    assert ledger.twice() == jobs and len(ledger.runs()) == 2 * len(jobs)
