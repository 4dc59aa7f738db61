"""An upsert that has to wait: how long, for whom, and what others do meanwhile.

The bug (report 000): two jobs of one worker hang for three hours, without an error, on a
row that an open transaction holds.
"""

import asyncio
import re
import threading
import time

import psycopg
import pytest
from harness.contention import Holder, Running, wait_for_waiters, waiting
from harness.paths import program
from harness.program import Worker, run_pawl
from harness.upserter import Refusal, Sums, Upserter
from harness.wait import wait_until

PAIRS = """CREATE TABLE pairs (aa text, nt text, note text, PRIMARY KEY (aa, nt))"""
HOLD = "INSERT INTO pairs VALUES ('CA5', 'PA5', 'held')"
ROWS = [(f"CA{n}", f"PA{n}", "x") for n in range(9)]


@pytest.fixture
def pairs(db):
    db.execute(PAIRS)
    return db


def handler(tmp_path, lock_timeout, name="upsert"):
    """A handler that upserts the rows that are its arguments: [["CA1", "PA1"], ...]."""
    path = tmp_path / name
    path.write_text(f"""#!/bin/sh
{{ echo aa,nt; tr -d '[]" ' | tr ';' '\\n'; }} |
    {program()} upsert --table pairs --key aa,nt --lock-timeout {lock_timeout} -
""")
    path.chmod(0o755)
    return path


def push(db, rows):
    return int(run_pawl(db, "push", "upsert", f'"{";".join(rows)}"').stdout)


# -- 0.4: a holder that does not commit ------------------------------------------------


@pytest.mark.parametrize("update", ["", "note"])
def test_a_lock_timeout_names_relation_key_and_holder(pairs, tmp_path, update):
    """Red: the server's own words name none of them."""
    pairs.execute("INSERT INTO pairs VALUES ('CA5', 'PA5', 'old')")
    hold = "UPDATE pairs SET note = 'held'" if update else HOLD.replace("5'", "6'")
    key = "(CA5, PA5)" if update else "(CA6, PA6)"
    offset = pairs.cluster.log_size()
    with Holder(pairs, hold, application_name="report") as holder, \
            Upserter(pairs, tmp_path / "rows", "pairs", "aa,nt", ROWS[::-1], values="note",
                     update=update, lock=600) as one:
        refused = one.run()
        assert refused.status == "PAWL_ERR_TRANSIENT" and refused.sqlstate == "55P03"
        assert re.fullmatch(r'could not get a lock on relation "pairs\w*" within \d+ ms: '
                            rf"key \(aa, nt\) = {re.escape(key)}", refused.message), refused
        assert f'Process {holder.pid} ("report", idle in transaction for' in refused.detail
        # rolled back whole, the connection is good, the holder is unharmed
        assert pairs.value("SELECT count(*) FROM pairs") == 1
        with psycopg.connect(pairs.conninfo()) as naive:
            naive.execute("SET LOCAL lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable) as words:
                naive.execute("INSERT INTO pairs SELECT 'CA' || n, 'PA' || n, 'x' FROM"
                              " generate_series(0, 8) n ON CONFLICT (aa, nt) DO UPDATE"
                              " SET note = 'x'")
            said = str(words.value)
            assert "CA" not in said and str(holder.pid) not in said, "turned green"
            assert pairs.cluster.log_count("25P02", offset) == 0
            with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                naive.execute("SELECT")  # what the report's authors met next: 25P02
        holder.commit()
        assert one.run() == Sums(9, 8 if update else 7, 1 if update else 2)
    assert pairs.value("SELECT count(*) FROM pairs WHERE note = 'held'") == (0 if update else 1)


def test_the_key_is_the_one_that_was_waited_for(pairs, tmp_path):
    """Two holders: the first key in the order is held by the one that is named."""
    rows = [(f"CA{n:05}", "P", "x") for n in range(3000)]
    with Holder(pairs, "INSERT INTO pairs VALUES ('CA02000', 'P')", application_name="late"), \
            Holder(pairs, "INSERT INTO pairs VALUES ('CA01999', 'P')",
                   application_name="early") as early, \
            Upserter(pairs, tmp_path / "rows", "pairs", "aa,nt", rows[::-1], values="note",
                     lock=500) as one:
        refused = one.run()
        assert "(CA01999, P)" in refused.message and '"early"' in refused.detail, refused
        early.rollback()
        refused = one.run()
        assert "(CA02000, P)" in refused.message and '"late"' in refused.detail, refused
    assert pairs.value("SELECT count(*) FROM pairs") == 0


def test_a_lock_of_the_whole_relation_is_no_keys(pairs, tmp_path):
    """Red: every key is found to be locked, and the first one is named."""
    with Holder(pairs, "LOCK TABLE pairs IN SHARE MODE", application_name="index") as holder, \
            Upserter(pairs, tmp_path / "rows", "pairs", "aa,nt", ROWS, values="note",
                     lock=500) as one:
        refused = one.run()
    assert refused.sqlstate == "55P03" and "key" not in refused.message, refused
    assert f'Process {holder.pid} ("index"' in refused.detail


def test_a_job_that_met_a_holder_is_tried_again(pairs, tmp_path):
    """Its error and its log tell relation, key and holder; it succeeds when they are
    free.  Red: without a limit it waits as long as the holder likes."""
    job = push(pairs, ["CA6,PA6", "CA5,PA5"])
    with Holder(pairs, HOLD, application_name="report") as holder:
        naive = Running(pairs.execute, HOLD + " ON CONFLICT DO NOTHING")
        wait_for_waiters(pairs)
        with Worker(pairs, "-j", "2", "--poll", "100ms",
                    handlers={"upsert": handler(tmp_path, "600ms")}) as worker:
            attempts = "SELECT category, error FROM pawl.attempts WHERE job = %s"
            wait_until(lambda: pairs.execute(attempts, [job]), 30, worker.log)
            (category, _), = pairs.execute(attempts, [job])
            assert category == "error"
            said = wait_until(lambda: pairs.value(
                "SELECT string_agg(message, ' ') FROM pawl.logs WHERE job = %s", [job]), 30)
            assert "key (aa, nt) = (CA5, PA5)" in said and f"Process {holder.pid}" in said
            assert not naive.done(), "turned green"
            holder.commit()
            naive.answer()
            run_pawl(pairs, "job", "wait", job, "--timeout", "60s")
    assert pairs.execute("SELECT aa, note FROM pairs ORDER BY aa") == [("CA5", "held"),
                                                                      ("CA6", None)]


# -- 0.5: several upserts in one job's life ---------------------------------------------


def test_opposite_orders_across_statements(pairs, tmp_path):
    """k2 then k1 against k1 then k2.  Red: each statement sorted, in long transactions."""
    first, second = ROWS[:4], ROWS[4:8]
    steps = [second, first, first, second]  # of A, of B, of A, of B
    offset = pairs.cluster.log_size()
    started = [Upserter(pairs, tmp_path / f"{n}", "pairs", "aa,nt", rows, values="note")
               for n, rows in enumerate(steps)]
    assert [one.run() for one in started] == [Sums(4, 4, 0), Sums(4, 4, 0), Sums(4, 0, 4),
                                              Sums(4, 0, 4)]
    for one in started:
        one.__exit__()
    assert pairs.cluster.log_count("40P01", offset) == 0

    pairs.execute("TRUNCATE pairs")
    sql = """INSERT INTO pairs SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
        u (aa, nt, note) ORDER BY aa COLLATE "C", nt COLLATE "C" ON CONFLICT DO NOTHING"""
    a, b = (pairs.connect(autocommit=False) for _ in range(2))
    a.execute(sql, [list(c) for c in zip(*second)])
    b.execute(sql, [list(c) for c in zip(*first)])
    crossing = Running(a.execute, sql, [list(c) for c in zip(*first)])
    wait_for_waiters(pairs)
    deadlocks = 0
    for attempt in (lambda: b.execute(sql, [list(c) for c in zip(*second)]), crossing.answer):
        try:
            attempt()
        except psycopg.errors.DeadlockDetected:
            deadlocks += 1
            b.rollback()
    assert deadlocks == 1, "turned green"
    a.close()
    b.close()


# -- 0.6: others go on -------------------------------------------------------------------


def test_another_job_of_the_worker_goes_on(pairs, tmp_path):
    """While one job waits for a row, one of the same worker is executed to its end."""
    with Holder(pairs, HOLD) as holder, \
            Worker(pairs, "-j", "2", "--poll", "100ms",
                   handlers={"upsert": handler(tmp_path, "30s")}) as worker:
        stuck = push(pairs, ["CA4,PA4", "CA5,PA5"])
        wait_for_waiters(pairs)
        other = push(pairs, ["CA7,PA7"])
        run_pawl(pairs, "job", "wait", other, "--timeout", "30s")
        assert waiting(pairs) == 1, worker.log()
        assert pairs.value("SELECT state FROM pawl.jobs WHERE id = %s", [stuck]) == "running"
        # the name that a blocked session's error will show
        assert pairs.value("""SELECT application_name FROM pg_stat_activity
            WHERE wait_event_type = 'Lock'""") == f"pawl job {stuck}"
        holder.rollback()
        run_pawl(pairs, "job", "wait", stuck, "--timeout", "30s")
    assert pairs.value("SELECT count(*) FROM pairs") == 3


def test_one_loop_for_all_jobs_stands_still(pairs):
    """The naive variant: two coroutines and a synchronous driver in one loop."""
    progress = []

    async def stuck():
        with pairs.connect() as session:
            session.execute(HOLD + " ON CONFLICT DO NOTHING")
        progress.append("stuck")

    async def other():
        progress.append("other")

    async def both():
        await asyncio.gather(stuck(), other())

    with Holder(pairs, HOLD) as holder:
        loop = Running(asyncio.run, both())
        wait_for_waiters(pairs)
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + 0.5, 5)
        assert progress == [], "turned green"
        holder.commit()
        loop.answer()
    assert progress == ["stuck", "other"]


# -- 0.9: the whole is bounded -----------------------------------------------------------


def hold_one_after_the_other(db, started, seconds, n):
    """A session for each of n rows; each ends when the upsert has waited for it."""
    sessions = [db.connect(autocommit=False) for _ in range(n)]
    for i, session in enumerate(sessions):
        session.execute("INSERT INTO pairs VALUES (%s, %s)", [f"CA{i}", f"PA{i}"])
    started.wait()
    for session in sessions:
        session.execute("SELECT pg_sleep(%s)", [seconds])
        session.rollback()
        session.close()


def test_a_deadline_bounds_the_sum_of_the_waits(pairs, tmp_path):
    """Eight waits, each shorter than lock_timeout.  Red: lock_timeout alone."""
    def measure(upsert):
        started = threading.Barrier(2)
        holders = Running(hold_one_after_the_other, pairs, started, 0.5, 8)
        wait_until(lambda: pairs.value("""SELECT count(*) FROM pg_stat_activity
            WHERE state = 'idle in transaction'""") == 8, 20)
        started.wait()
        began = time.monotonic()
        answer = upsert()
        took = time.monotonic() - began
        holders.answer()
        return answer, took

    with Upserter(pairs, tmp_path / "rows", "pairs", "aa,nt", ROWS, values="note", lock=3000,
                  timeout=1000) as one:
        refused, took = measure(one.run)
    assert isinstance(refused, Refusal), refused
    assert refused.status == "PAWL_ERR_TIMEOUT" and refused.sqlstate == "57014", refused
    assert "did not end within 1000 ms" in refused.message
    assert 0.9 < took < 3.5, took
    with pairs.connect() as naive:
        naive.execute("SET lock_timeout = '3000ms'")
        _, took = measure(lambda: naive.execute(
            "INSERT INTO pairs SELECT 'CA' || n, 'PA' || n FROM generate_series(0, 8) n"
            " ON CONFLICT DO NOTHING"))
    assert took > 3.5, "turned green"


# -- a deadlock that no order prevents -----------------------------------------------------


def test_a_second_unique_index_deadlocks_and_is_tried_again(db, tmp_path):
    """The order of the key is not that of the other index: 40P01, and nobody is told.
    Who looks for a cycle first is ended, so the other session looks late."""
    db.execute("CREATE TABLE t (k int PRIMARY KEY, u int UNIQUE)")
    offset = db.cluster.log_size()
    with Holder(db, "INSERT INTO t VALUES (5, 50)") as first, \
            Holder(db, "INSERT INTO t VALUES (10, 1)",
                   options="-c deadlock_timeout=10min") as other, \
            Upserter(db, tmp_path / "rows", "t", "k", [(9, 1), (5, 50), (1, 5)],
                     values="u") as one:
        one.go()
        wait_for_waiters(db)  # it has u 5, and waits for k 5
        crossing = Running(other.connection.execute, "INSERT INTO t VALUES (11, 5)")
        wait_for_waiters(db, 2)
        first.rollback()  # now it waits for u 1
        crossing.answer()
        other.rollback()
        assert one.answer() == Sums(3, 3, 0)
    assert "ERROR:  deadlock detected" in db.cluster.log_text(offset)
