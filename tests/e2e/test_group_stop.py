"""Groups whose workers are stopped, cut off, or have a wrong clock, while jobs run.

The bugs: a worker that was stopped past its lease wakes up and writes over what the next
owner has done; one whose connection is gone settles by another connection, for a group
that it has lost; a lease that is judged by the worker's clock; and report 002's: all
groups of a process share one connection, one of them waits, and everything stands still.
"""

import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from harness import group_load, invariants
from harness.fleet import Fleet, seeded
from harness.group_load import GroupLedger, Groups
from harness.paths import BUILD
from harness.program import Worker
from harness.strain import Strain
from harness.wait import wait_until
from psycopg.types.json import Jsonb

OFFSET = BUILD / "tests/e2e/clock_offset.so"
LEASE_S, POLL_S = 0.5, 0.1
FAST = ("-j", "1", "--lease", "500ms", "--poll", "100ms")
TIMES = 20
ALIVE = "SELECT count(*) FROM pawl.workers WHERE alive"
RUNNING = """SELECT count(*) FROM pawl.running WHERE worker = ANY (%s)"""


def ids(db, processes):
    """The uuids of these processes."""
    rows = db.execute("SELECT id, name FROM pawl.worker")
    pids = {process.pid for process in processes}
    return [worker for worker, name in rows if int(name.rpartition(":")[2]) in pids]


def two_at_work(fleet, work):
    found = work.at_work(fleet)
    return list(found.items()) if len(found) > 1 else None


# -- stopped past the lease ------------------------------------------------------------------


@pytest.mark.kill
def test_late_writer(db, api, tmp_path):
    """A is stopped, B takes A's groups over and completes their jobs, A goes on: neither
    the handler that ends late nor the function that wrote on its own connection counts."""
    ledger = GroupLedger(tmp_path)
    db.execute(group_load.TABLE)
    go = tmp_path / "go"
    slow = ledger.handler(f"""
until [ "$PAWL_ATTEMPT" -gt 1 ] || [ -e {go} ]; do sleep 0.02; done
echo "{{\\"result\\": $PAWL_ATTEMPT}}" >&3""", "[ $PAWL_ATTEMPT -gt 1 ] || trap '' TERM")
    options = (*FAST, "-H", f"work={slow}", "-L", f"sql={group_load.OBJECT}")
    work = api.push("work", group_key="a")
    sql = api.push("sql", group_key="b", args=Jsonb(
        group_load.WRITE.format("CASE WHEN $3::int = 1 THEN 1 ELSE 0 END")))
    with Worker(db, *options) as a:
        wait_until(lambda: db.value("SELECT count(*) FROM pawl.running") == 2
                   and ledger.runs(), 30, a.log)
        (first,) = ids(db, [a])
        a.stop()
        with Worker(db, *options) as b:
            wait_until(lambda: {api.state(work), api.state(sql)} == {"succeeded"}, 15, b.log)
            before = db.execute("SELECT * FROM pawl.outcome ORDER BY job_id")
            go.touch()
            wait_until(lambda: len([1 for line in ledger.lines() if line[3] == "end"]) == 2, 30,
                       "the late handler to end well")
            a.resume()
            assert b.drain() == 0, b.log()
        wait_until(lambda: db.value(ALIVE) == 1 and first not in ids(db, [a]), 15, a.log)
        more = [api.push("work", group_key=key) for key in ("a", "b")]
        wait_until(lambda: {api.state(job) for job in more} == {"succeeded"}, 15, a.log)
        assert a.drain() == 0, a.log()
    assert db.execute("SELECT * FROM pawl.outcome WHERE job_id = ANY (%s) ORDER BY job_id",
                      [[work, sql]]) == before
    assert api.job(work).result == 2 and api.job(work).attempt == 2
    assert db.execute("SELECT job, fence FROM public.written") == [(sql, api.job(sql).fence)]
    assert [api.attempts(job) for job in (work, sql)] == [["crash"], ["crash"]]
    invariants.check_quiet(db, LEASE_S)


@pytest.mark.kill
def test_twenty_stops(db, api, tmp_path):
    """Four workers, two of them stopped at a time at a random moment until others have all
    that they had, ten times over."""
    rng = seeded("group-stop")
    work = Groups(db, api, GroupLedger(tmp_path))
    with Fleet(db, 4, *FAST, "-g", "6", *work.handlers()) as fleet:
        for n in range(TIMES // 2):
            work.wait_more(rng.randrange(1, 20), fleet.logs)
            victims = rng.sample(wait_until(lambda: two_at_work(fleet, work), 20,
                                            fleet.logs), 2)
            for victim, _ in victims:
                victim.stop()
            names = [name for _, name in victims]
            wait_until(lambda v=names: db.value(RUNNING, [v]) == 0, 20,
                       lambda n=n: f"round {n}: a takeover of what they had\n{fleet.logs()}")
            for victim, _ in victims:
                victim.resume()
        work.finish(fleet.logs)
        twice = work.check(strict=False)
        crashed = invariants.crashed(db)
        print(f"{len(crashed)} jobs were taken over, {len(twice)} handlers ran again")
        assert len(crashed) >= TIMES / 2, "the stops have met little"
        assert fleet.drain() == [0] * 4, fleet.logs()
    invariants.check_quiet(db, LEASE_S)


SLOW_SETTLE = """
    CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF coalesce(new.attempt, 1) = 1 THEN PERFORM pg_sleep(0.3); END IF;
        RETURN new; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON pawl.outcome
        FOR EACH ROW EXECUTE FUNCTION public.slow()"""
SETTLING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
LOCKED_FOR_S = 10  # idle in transaction, where nothing else is said


@pytest.mark.kill
def test_stopped_within_its_settle(db, api):
    """The bug: stopped between the settle and its COMMIT, it holds its group by the locks
    of that transaction when its lease is over long since.  They last as long as a lease."""
    db.execute(group_load.TABLE)
    db.execute(SLOW_SETTLE)
    options = (*FAST, "-L", f"sql={group_load.OBJECT}")
    job = api.push("sql", group_key="g", args=Jsonb(group_load.WRITE.format("0")))
    with Worker(db, *options) as a:
        wait_until(lambda: db.value(SETTLING), 30, a.log)
        a.stop()
        at = db.value("SELECT clock_timestamp()")
        with Worker(db, *options) as b:
            wait_until(lambda: api.state(job) == "succeeded", LOCKED_FOR_S + 10, b.log)
            assert b.drain() == 0, b.log()
        a.resume()
        assert a.drain() == 0, a.log()
    assert api.job(job).attempt == 2 and api.attempts(job) == ["crash"]
    after_s = (api.job(job).started_at - at).total_seconds()
    print(f"taken over after {after_s:.2f} s")
    assert after_s < LOCKED_FOR_S


# -- cut off ---------------------------------------------------------------------------------

WITNESS = """
    CREATE TABLE public.seen (fence bigint, pid int, what text);
    GRANT ALL ON public.seen TO PUBLIC;
    CREATE FUNCTION public.witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.seen VALUES (new.fence, pg_backend_pid(), tg_table_name);
        RETURN NULL; END $$;
    CREATE TRIGGER witness AFTER INSERT ON pawl.running
        FOR EACH ROW EXECUTE FUNCTION public.witness();
    CREATE TRIGGER witness AFTER INSERT ON pawl.outcome
        FOR EACH ROW EXECUTE FUNCTION public.witness()"""
AT_WORK = """SELECT s.pid, s.fence FROM pawl.running r JOIN public.seen s USING (fence)
    JOIN pg_stat_activity a ON a.pid = s.pid"""
SETTLED_ELSEWHERE = """SELECT * FROM public.seen d JOIN public.seen s USING (fence)
    WHERE d.what ~ '^running' AND s.what ~ '^outcome' AND s.pid <> d.pid"""
GONE = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %s"
CRASHES = "SELECT count(*) FROM pawl.attempt WHERE category = 'crash' AND fence = ANY (%s)"


@pytest.mark.kill
def test_connections_of_groups_are_terminated(db, api, tmp_path):
    """pg_terminate_backend in mid-job, at random moments, until twenty jobs have lost their
    connection so: none of them is settled by another connection; the next attempt ends it."""
    rng = seeded("group-terminate")
    work = Groups(db, api, GroupLedger(tmp_path), n=8, nap="0.1 + random() * 0.1")
    db.execute(WITNESS)
    cut = {}  # fence: the connection on which its job was dispatched
    with Fleet(db, 3, *FAST, "-g", "4", *work.handlers("sleep 0.15")) as fleet:
        while db.value(CRASHES, [list(cut)]) < TIMES:
            work.wait_more(0, fleet.logs)
            pid, fence = rng.choice(wait_until(lambda: db.execute(AT_WORK), 20, fleet.logs))
            db.execute("SELECT pg_terminate_backend(%s)", [pid])
            wait_until(lambda p=pid: db.value(GONE, [p]), 30, "it to end")
            cut[fence] = pid
            assert len(cut) < 4 * TIMES, "the cuts meet nothing"
        work.finish(fleet.logs)
        twice = work.check(strict=False)
        assert fleet.running() and fleet.drain() == [0] * 3, fleet.logs()
    elsewhere = db.execute(SETTLED_ELSEWHERE + " AND NOT EXISTS (SELECT FROM pawl.attempt a"
                           " WHERE a.fence = d.fence)")
    assert elsewhere == [], "settled by another connection than the job's"
    hits = db.value(CRASHES, [list(cut)])
    print(f"{len(cut)} connections, {hits} in mid-job; {len(twice)} handlers ran again")
    invariants.check_quiet(db, LEASE_S)


# -- a wrong clock ---------------------------------------------------------------------------


class Clock:
    """The wall clock of a program, so many seconds ahead."""

    def __init__(self, directory, name, seconds):
        self.path = Path(directory) / name
        self.set(seconds)
        self.env = {"LD_PRELOAD": str(OFFSET), "PAWL_TEST_CLOCK": str(self.path)}

    def set(self, seconds):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))

    def now(self, db):
        """What a program sees that has it, in seconds."""
        return float(subprocess.run([sys.executable, "-c", "import time; print(time.time())"],
                                    env=db.env() | self.env, check=True, text=True,
                                    stdout=subprocess.PIPE).stdout)


def test_ten_minutes_ahead_and_behind(db, api, tmp_path):
    """One worker's clock is ahead, the other's behind, and they change places while jobs
    run: no lease is lost, none is taken early, none lasts longer; and both can be killed."""
    clocks = [Clock(tmp_path, "ahead", 600), Clock(tmp_path, "behind", -600)]
    true = db.value("SELECT extract(epoch FROM clock_timestamp())::float8")
    assert [round((clock.now(db) - true) / 60) for clock in clocks] == [10, -10]
    work = Groups(db, api, GroupLedger(tmp_path), n=8)
    left = "SELECT coalesce(max(extract(epoch FROM expires_at - clock_timestamp())), 0)::float8" \
        " FROM pawl.group_lease"
    options = ("-j", "1", "--lease", "2s", "--poll", "100ms", "-g", "4", *work.handlers())
    with Worker(db, *options, env=clocks[0].env) as a, \
            Worker(db, *options, env=clocks[1].env) as b:
        for n in range(20):
            work.wait_more(5, a.log)
            assert db.value(left) <= 2
            if n == 10:
                clocks[0].set(-600)
                clocks[1].set(600)
        for worker in (a, b):
            assert "clock_offset.so" in Path(f"/proc/{worker.pid}/maps").read_text()
        work.finish(a.log)
        work.check()
        assert invariants.read_attempts(db) == {}, "a lease was lost"
        assert db.value("SELECT count(DISTINCT worker) FROM pawl.outcome") == 2
        kill_and_take_over(db, api, a)
    with Worker(db, *options, env=clocks[0].env) as a, \
            Worker(db, *options, env=clocks[1].env) as b:
        wait_until(lambda: db.value(ALIVE) == 2, 30, "both to start")
        kill_and_take_over(db, api, b)


def kill_and_take_over(db, api, victim):
    """Eight groups run; the victim's are taken over when its lease has ended."""
    jobs = [api.push("sql", group_key=f"kill/{n}", args=Jsonb(group_load.WRITE.format(
        "CASE WHEN $3::int = 1 THEN 0.5 ELSE 0 END"))) for n in range(8)]
    mine = ids(db, [victim])
    wait_until(lambda: db.value(RUNNING, [mine]) > 0, 30, victim.log)
    with Strain(db) as strain:
        victim.kill()
        at = db.value("SELECT clock_timestamp()")
        lost = [job for (job,) in db.execute(
            "SELECT job_id FROM pawl.running WHERE worker = ANY (%s)", [mine])]
        wait_until(lambda: {api.state(job) for job in jobs} == {"succeeded"}, 20, victim.log)
    began, ends = at.timestamp(), [api.job(job).started_at.timestamp() for job in lost]
    took = sorted((ended - began, strain.during(began, ended)) for ended in ends)
    print("taken over after", " ".join(f"{wait:.2f} ({more:.2f})" for wait, more in took), "s")
    assert took and all(wait <= 2 + POLL_S + 1 + more for wait, more in took), took


def test_naive_clock_of_the_worker_takes_a_lease_in_force(db, tmp_path):
    """Red: a lease that is compared with the clock of who wants it."""
    clock = Clock(tmp_path, "ahead", 600)
    db.execute("CREATE TABLE naive_lease (owner text, expires_at timestamptz);"
               "INSERT INTO naive_lease VALUES ('a', now() + interval '30 s')")
    take = "UPDATE naive_lease SET owner = 'b' WHERE expires_at < to_timestamp(%s) RETURNING 1"
    assert db.execute(take, [clock.now(db)]) == [(1,)], "turned green"


# -- one connection for all ------------------------------------------------------------------


def locked(db):
    """A row that the test has locked; waits() is whether somebody waits for it."""
    db.execute("CREATE TABLE public.locked (id int); INSERT INTO public.locked VALUES (1)")
    db.execute("GRANT ALL ON public.locked TO PUBLIC")
    holder = db.connect(autocommit=False)
    holder.execute("SELECT FROM public.locked FOR UPDATE")
    return holder


def waits(db):
    return db.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database()")


def test_naive_shared_connection_wedges(db):
    """Red, as the report has it: a statement of one group waits, and with it the others'
    statements and the heartbeat, until the lease is over, though nothing has failed."""
    db.execute("CREATE TABLE naive_lease (expires_at timestamptz)")
    db.execute("INSERT INTO naive_lease VALUES (clock_timestamp() + interval '500 ms')")
    done = []

    def group(name, statement):
        shared.execute(statement)
        done.append(name)

    statements = {
        "a": "UPDATE public.locked SET id = 2",
        "b": "SELECT 1",
        "heartbeat": "UPDATE naive_lease SET expires_at = clock_timestamp() + interval '500 ms'"
                     " WHERE expires_at > clock_timestamp()"}
    with db.connect() as shared, locked(db) as holder:
        threads = [threading.Thread(target=group, args=item) for item in statements.items()]
        threads[0].start()
        wait_until(lambda: waits(db) == 1, 30, "the first group to wait")
        for thread in threads[1:]:
            thread.start()
        wait_until(lambda: db.value("SELECT expires_at < clock_timestamp() FROM naive_lease"),
                   30, "the lease to end")
        assert done == [] and all(thread.is_alive() for thread in threads), "turned green"
        holder.rollback()
        for thread in threads:
            thread.join(30)
    assert sorted(done) == ["a", "b", "heartbeat"]
    assert db.value("SELECT expires_at < clock_timestamp() FROM naive_lease")


def test_a_group_that_waits_delays_no_other(db, api):
    """The same with a worker: the others end their jobs, and its leases are renewed; the
    one that waits goes on when it can, in its first attempt."""
    db.execute(group_load.TABLE)
    slow = api.push("sql", group_key="slow", args=Jsonb(
        "UPDATE public.locked SET id = $1::int + $2::int + $3::int + length($4)"))
    with locked(db) as holder, Worker(db, *FAST, "-g", "4", "-L",
                                      f"sql={group_load.OBJECT}") as worker:
        wait_until(lambda: waits(db) == 1, 30, worker.log)
        lease = group_load.leases(db)["slow"]
        expires = "SELECT expires_at FROM pawl.group_lease WHERE group_key = 'slow'"
        before = db.value(expires)
        jobs = [api.push("sql", group_key=f"quick/{n % 8}",
                         args=Jsonb(group_load.WRITE.format("0"))) for n in range(40)]
        wait_until(lambda: all(api.state(job) == "succeeded" for job in jobs), 30, worker.log)
        wait_until(lambda: db.value(expires) > before, 30, "a renewal")
        assert waits(db) == 1 and group_load.leases(db)["slow"] == lease
        holder.rollback()
        wait_until(lambda: api.state(slow) == "succeeded", 30, worker.log)
        assert worker.drain() == 0, worker.log()
    assert api.job(slow).attempt == 1 and api.attempts(slow) == []
