"""The wait that PostgreSQL cannot see, and the watch for it.

The bug, as the report has it: two jobs in one process, each with a connection of its own;
one waits, in a call that does not return, for a row that the other has written and not
committed; the other cannot commit, because the process stands in that call.  PostgreSQL
sees a waiter and an idle session and no cycle.  Nothing is raised, nothing is logged, for
three hours.
"""

import contextlib
import re
import subprocess
import time
import uuid
from pathlib import Path

import psycopg
import pytest
from harness.api import sqlstate
from harness.fleet import Fleet
from harness.sessions import Sessions, worker_name
from harness.wait import wait_until

PROGRAM = Path(__file__).parent / "programs" / "translate.py"
CANCELLED = "57014"

# without anything to do: what is tested is its steward
IDLE = ("--poll", "50ms", "-H", "none=true")
WATCHING = (*IDLE, "--wait-cancel", "500ms")
BLIND = (*IDLE, "--wait-cancel", "0")

TABLE = """CREATE TABLE item (id int PRIMARY KEY, v int);
    INSERT INTO item SELECT g, 0 FROM generate_series(1, 9) g"""
ONE, TWO, THREE = (f"UPDATE item SET v = v + 1 WHERE id = {i}" for i in (1, 2, 3))

# Who waits and for whom, as PostgreSQL has it.
PAIR = """SELECT w.pid, w.application_name, w.query_start, h.pid, h.application_name, h.state
    FROM pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) b
    JOIN pg_stat_activity h ON h.pid = b
    WHERE w.datname = current_database() AND w.wait_event_type = 'Lock'"""


# The naive definition: a session waits directly for an idle one of its own process.
NAIVE = """SELECT count(*) FROM pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) b
    JOIN pg_stat_activity h ON h.pid = b
    WHERE w.datname = current_database() AND w.wait_event_type = 'Lock'
        AND h.state = 'idle in transaction'
        AND split_part(h.application_name, ' ', 3) = split_part(w.application_name, ' ', 3)"""

TEXT = re.sub(r"--[^\n]*", "", (
    Path(__file__).parents[2] / "sql" / "queries" / "waits.sql").read_text(encoding="utf-8"))


def look(db, silent_only=True, identity=(None,) * 4, before=""):
    """What the watch asks; identity is of a wait that is to be cancelled."""
    text = re.sub(r"\$(\d)", r"%(p\1)s", TEXT.replace("%", "%%"))
    values = dict(zip(("p1", "p2", "p3", "p4", "p5", "p6"), (silent_only, None, *identity)))
    with db.connect() as connection:
        connection.execute("SET search_path = pg_catalog")
        cursor = connection.cursor(row_factory=psycopg.rows.namedtuple_row)
        return cursor.execute(before + text, values).fetchall()


def found(db):
    """The silent waits that were recorded, oldest first."""
    return db.execute("SELECT waiter, holder, waiter_job, holder_job, relation, key, answer, "
                      "process FROM pawl.silent_waits ORDER BY found_at")


def cancels(db, before):
    """Statements that were cancelled, by whoever it was."""
    return db.cluster.log_text(before).count(f" {CANCELLED} ERROR: ")


def settled(db, n, said):
    """n silent waits were found, and what was done about them is recorded too."""
    wait_until(lambda: len(found(db)) == n and all(row[6] for row in found(db)), 30, said)


# ---------------------------------------------------------------- the report's program


A = [["CA%03d" % i, "NT%03d" % i] for i in range(40)]
# three of its own, and then those that the other has written and not committed
B = [["PA%03d" % i, "NT%03d" % i] for i in range(3)] + A[:37]


@contextlib.contextmanager
def program(db, *args):
    """The program of the report; killed when the block ends."""
    command = ["/usr/bin/python3", str(PROGRAM), "2", *args]
    running = subprocess.Popen(command, env=db.env(), stdin=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


@pytest.fixture
def two_jobs(db, api):
    db.execute("CREATE TABLE variant_translation (aa text, nt text, PRIMARY KEY (aa, nt))")
    return [api.push("translate", args={"pairs": pairs}) for pairs in (A, B)]


def hang(db, running):
    """Wait until the program hangs, and say how: the very wait of the report."""
    wait_until(lambda: len(db.execute(PAIR)) == 1 or running.poll() is not None, 20,
               "the two jobs to meet")
    assert running.poll() is None, running.stderr.read()
    (row,) = db.execute(PAIR)
    return row


def still_hangs(db, running, pair, seconds):
    """The same statement waits for the same idle session all the while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert db.execute(PAIR) == [pair]
        assert running.poll() is None
    return True


def test_the_report_without_the_watch(db, api, two_jobs, worker):
    """Red: it hangs, for the report's reason, and PostgreSQL sees nothing.

    The worker beside it reports only (--wait-cancel 0), which is the naive variant.
    """
    before = db.cluster.log_size()
    with worker(*BLIND) as steward, program(db) as running:
        pair = hang(db, running)
        _, waiter, _, _, holder, state = pair
        assert state == "idle in transaction"
        assert waiter.split()[2] == holder.split()[2], "two connections of one process"
        assert sorted([waiter.split()[3], holder.split()[3]]) == sorted(map(str, two_jobs))
        wait_until(lambda: found(db), 30, steward.log)
        # ten times as long as the watch of the next test lets it last
        assert still_hangs(db, running, pair, 5)
        assert [api.state(job) for job in two_jobs] == ["running"] * 2
        assert "it is only reported" in steward.log()
        assert found(db)[0][6] is None
    assert db.cluster.log_count("40P01", before) == 0
    assert cancels(db, before) == 0


def test_the_report_with_the_watch(db, api, two_jobs, worker, pawl):
    """Green: both jobs succeed, counts are exact, one wait is counted, told by name."""
    before = db.cluster.log_size()
    with worker(*WATCHING) as steward, program(db) as running:
        waiter, name, _, holder, _, _ = hang(db, running)
        wait_until(lambda: running.poll() is not None, 30, steward.log)
        settled(db, 1, steward.log)
        assert running.returncode == 0, running.stderr.read()
        log = steward.log()
    assert [api.state(job) for job in two_jobs] == ["succeeded"] * 2
    assert db.value("SELECT count(*) FROM variant_translation") == 43
    created = [api.job(job).result["created"] for job in two_jobs]
    assert sum(created) == 43 and created[0] == 40
    # one, with all that is known of it
    job, process = int(name.split()[3]), name.split()[2]
    other = next(j for j in two_jobs if j != job)
    assert found(db) == [(waiter, holder, job, other, "public.variant_translation", None,
                          "cancelled", process)]
    assert log.count("silent wait: session") == 1 and log.count("silent wait: cancelled") == 1
    assert (f"silent wait: session {waiter} of job {job} waits on public.variant_translation"
            in log)
    assert f"for session {holder} of job {other}, idle in transaction" in log
    # and nothing else was cancelled, or deadlocked
    assert cancels(db, before) == 1 and db.cluster.log_count("40P01", before) == 0
    lines = pawl("job", "logs", str(job)).stdout
    assert "silent wait" in lines and "was cancelled" in lines
    assert "silent wait" in pawl("job", "logs", str(other)).stdout
    assert "silent waits found in the last 30 days: 1, of which 1 were cancelled" in (
        pawl("locks").stderr)


def test_sessions_without_names_are_not_known(db, two_jobs, worker):
    """Red: the watch can only tell sessions of one process by their names."""
    with worker(*WATCHING) as steward, program(db, "--unnamed") as running:
        pair = hang(db, running)
        assert still_hangs(db, running, pair, 4)
        assert found(db) == [] and "silent wait" not in steward.log()


# ---------------------------------------------------------------- other shapes


@pytest.fixture
def sessions(db):
    db.execute(TABLE)
    with Sessions(db) as made:
        yield made


def test_the_waiter_can_go_on(db, sessions, worker):
    """The bug: the session is terminated, or what it had done before is lost unasked."""
    process = uuid.uuid4()
    h = sessions(worker_name(process, 1)).run(ONE)
    w = sessions(worker_name(process, 2))
    with worker(*WATCHING) as steward:
        w.run("SAVEPOINT before").wait(ONE)
        assert w.answer() == CANCELLED
        w.run("ROLLBACK TO before").run(TWO)
        h.connection.commit()
        w.run(ONE).connection.commit()
        settled(db, 1, steward.log)
    assert db.value("SELECT v FROM item WHERE id = 1") == 2
    (row,) = found(db)
    assert row[4:7] == ("public.item", "(id) = (1)", "cancelled")


def test_a_chain_through_a_third_process(db, sessions, worker):
    """The bug: only the direct blocker is looked at, which is no session of the process."""
    before = db.cluster.log_size()
    process = uuid.uuid4()
    h = sessions(worker_name(process, 1)).run(ONE)
    x = sessions("report").run(TWO).wait(ONE)
    with worker(*WATCHING):
        w = sessions(worker_name(process, 2)).wait(TWO)
        assert db.value(NAIVE) == 0, "red: the naive definition sees nothing"
        assert w.answer() == CANCELLED
        w.rollback()
        assert x.waits(), "x is no session of that process"
        h.connection.commit()
        assert x.answer() is None
    assert [row[:2] for row in found(db)] == [(w.pid, h.pid)]
    assert cancels(db, before) == 1


def test_a_cycle_through_two_processes(db, sessions, worker):
    """The bug: two processes of two jobs each; every waiter waits for the idle session of
    the other process, so that no session waits for one of its own."""
    before = db.cluster.log_size()
    p, q = uuid.uuid4(), uuid.uuid4()
    idle_p, idle_q = sessions(worker_name(p, 1)).run(ONE), sessions(worker_name(q, 2)).run(TWO)
    with worker(*WATCHING):
        in_p = sessions(worker_name(p, 3)).wait(TWO)
        in_q = sessions(worker_name(q, 4)).wait(ONE)
        assert db.value(NAIVE) == 0, "red: the naive definition sees nothing"
        # one of the two is enough, the later: then the other process goes on
        assert in_q.answer() == CANCELLED
        in_q.rollback()
        idle_q.connection.commit()
        assert in_p.answer() is None
        in_p.rollback()
        idle_p.connection.commit()
    assert sorted(row[:2] for row in found(db)) == sorted(
        [(in_p.pid, idle_p.pid), (in_q.pid, idle_q.pid)])
    assert cancels(db, before) == 1


def test_several_at_once(db, sessions, worker):
    """The bug: one pair a tick."""
    pairs = []
    for i in range(1, 10):
        process = uuid.uuid4()
        sessions(worker_name(process)).run(f"UPDATE item SET v = 1 WHERE id = {i}")
        pairs.append(sessions(worker_name(process)))
    with worker(*WATCHING):
        for i, w in enumerate(pairs, 1):
            w.wait(f"UPDATE item SET v = 2 WHERE id = {i}")
        assert [w.answer() for w in pairs] == [CANCELLED] * 9
    assert len(found(db)) == 9


def test_a_key_of_long_and_odd_text(db, sessions, worker):
    """The bug: a key is cut within a character, the server refuses it, and with it every
    look of the watch; or its newline begins a line of the log that nobody has written."""
    db.execute("CREATE TABLE odd (a text, b text, PRIMARY KEY (a, b))")
    db.execute("INSERT INTO odd VALUES (%s, %s)", ["x\n2026 error forged" + "€" * 190, "€" * 300])
    process = uuid.uuid4()
    sessions(worker_name(process, 1)).run("UPDATE odd SET a = a")
    w = sessions(worker_name(process, 2))
    with worker(*WATCHING) as steward:
        assert w.wait("UPDATE odd SET a = a").answer() == CANCELLED
        settled(db, 1, steward.log)
        log = steward.log()
    ((*_, key, _, _),) = found(db)
    assert key.startswith("(a, b) = (x\n2026 error forged€") and key.endswith("€")
    assert len(key.encode()) in range(508, 512)
    assert "x 2026 error forged€" in log and "upkeep: " not in log


HANDLER = """#!/usr/bin/python3
import sys, threading
import psycopg
one, two = psycopg.connect(), psycopg.connect()  # named by PGAPPNAME
one.execute("UPDATE item SET v = v + 1 WHERE id = 1")
try:
    two.execute("UPDATE item SET v = v + 1 WHERE id = 1")
except psycopg.errors.QueryCanceled:
    two.rollback()
one.commit()
two.execute("UPDATE item SET v = v + 1 WHERE id = 1")
two.commit()
"""


def test_an_exec_handler_with_two_connections(db, api, sessions, worker, tmp_path):
    """The bug: a program that knows nothing of Pawl's names is not watched."""
    script = tmp_path / "handler"
    script.write_text(HANDLER)
    script.chmod(0o755)
    job = api.push("two")
    with worker("--poll", "50ms", "--wait-cancel", "500ms", handlers={"two": script}) as running:
        wait_until(lambda: api.state(job) == "succeeded", 30, running.log)
        settled(db, 1, running.log)
    assert api.job(job).attempt == 1
    assert db.value("SELECT v FROM item WHERE id = 1") == 2
    (row,) = found(db)
    assert row[2:4] == (job, job) and row[6:] == ("cancelled", f"job {job}")


# ---------------------------------------------------------------- what is left alone


def watched(sessions, n):
    """Wait until n silent waits beside the others were cancelled, one after another: the
    others have lasted longer then, and were looked at more often."""
    for _ in range(n):
        process = uuid.uuid4()
        h = sessions(worker_name(process)).run("SELECT pg_advisory_xact_lock(1)")
        w = sessions(worker_name(process)).wait("SELECT pg_advisory_xact_lock(1)")
        assert w.answer() == CANCELLED
        h.rollback()
        w.rollback()


@pytest.mark.parametrize(
    "holder, waiter",
    [
        ("pawl worker {p} 1", "pawl worker {q} 2"),  # two processes
        ("pawl job 1", "pawl job 2"),
        ("report", "report"),  # not names of Pawl's
        ("pawl worker 1", "pawl worker 1"),
        ("pawl keep host:17", "pawl settle host:17"),  # Pawl's own
    ],
)
def test_a_wait_of_two_processes(db, sessions, worker, holder, waiter):
    """The bug: a wait that ends by itself is cancelled."""
    names = {"p": uuid.uuid4(), "q": uuid.uuid4()}
    h = sessions(holder.format(**names)).run(ONE)
    w = sessions(waiter.format(**names)).wait(ONE)
    before = db.cluster.log_size()
    with worker(*WATCHING):
        watched(sessions, 2)
        assert w.waits()
        h.connection.commit()
        assert w.answer() is None
    assert len(found(db)) == 2 and cancels(db, before) == 2


def test_a_holder_that_works(db, sessions, worker):
    """The bug: a thread that computes in the database holds up another thread's statement,
    and that is cancelled: nothing is stuck there."""
    process = uuid.uuid4()
    h = sessions(worker_name(process, 1)).run(ONE)
    z = sessions("somebody").run("SELECT pg_advisory_xact_lock(2)")
    w = sessions(worker_name(process, 2)).wait(ONE)
    h.wait("SELECT pg_advisory_xact_lock(2)")  # active, for as long as we like
    with worker(*WATCHING):
        watched(sessions, 2)
        assert w.waits() and h.waits()
        z.rollback()
        assert h.answer() is None
        h.connection.commit()
        assert w.answer() is None
    assert len(found(db)) == 2


def test_a_holder_that_goes_on_now_and_then(db, sessions, worker):
    """The bug: the time of several short waits is added up.  The holder is idle at every
    look, but it has gone on between them."""
    process = uuid.uuid4()
    h = sessions(worker_name(process, 1)).run(ONE)
    w = sessions(worker_name(process, 2)).wait(ONE)
    with worker(*IDLE, "--wait-cancel", "3s"):
        end = time.monotonic() + 6
        while time.monotonic() < end:
            known = len(found(db))
            wait_until(lambda: len(found(db)) > known or time.monotonic() > end, 10)
            h.run("SELECT 1")
        assert w.waits()
        h.connection.commit()
        assert w.answer() is None
    assert found(db) and all(row[6] is None for row in found(db))


def test_other_users_names(db, sessions, worker):
    """The bug: whoever takes a name of Pawl's has somebody else's statement cancelled."""
    db.execute("DROP ROLE IF EXISTS impostor")
    db.execute("CREATE ROLE impostor LOGIN; GRANT ALL ON item TO impostor")
    process = uuid.uuid4()
    h = sessions(worker_name(process, 1), "impostor").run(ONE)
    w = sessions(worker_name(process, 2)).wait(ONE)
    with worker(*WATCHING):
        watched(sessions, 1)
        assert w.waits()
        h.connection.commit()
        assert w.answer() is None
    assert len(found(db)) == 1
    sessions.__exit__()
    db.execute("DROP OWNED BY impostor; DROP ROLE impostor")


# ---------------------------------------------------------------- the fleet, and rights


@pytest.mark.kill
def test_a_fleet_reports_it_once(db, sessions, worker):
    """The bug: each worker tells it, or it is told anew when the duty changes hands."""
    process = uuid.uuid4()
    sessions(worker_name(process, 1)).run(ONE)
    w = sessions(worker_name(process, 2)).wait(ONE)
    holder = "SELECT worker FROM pawl.upkeep WHERE duty = 'watch' AND expires_at > now()"
    with Fleet(db, 3, *IDLE, "--wait-cancel", "8s", "--lease", "1s") as fleet:
        wait_until(lambda: found(db), 20, fleet.logs)
        (first,) = db.execute(holder)
        # whoever told it dies; the next goes on with the same time
        teller = next(x for x in fleet.workers if "silent wait: session" in x.log())
        fleet.kill(teller)
        wait_until(lambda: db.execute(holder) not in ([], [first]), 20, fleet.logs)
        assert w.answer() == CANCELLED
        settled(db, 1, fleet.logs)
        wait_until(lambda: "silent wait: cancelled" in fleet.logs(), 30, fleet.logs)
        logs = fleet.logs()
    assert logs.count("silent wait: session") == 1, logs
    assert logs.count("silent wait: cancelled") == 1, logs
    assert len(found(db)) == 1


@pytest.fixture
def roles(db):
    for role in ("plain_worker", "handlers"):
        db.execute(f"DROP ROLE IF EXISTS {role}")
    db.execute("CREATE ROLE plain_worker LOGIN IN ROLE pawl_worker; CREATE ROLE handlers LOGIN")
    yield
    db.execute("DROP OWNED BY plain_worker, handlers; DROP ROLE plain_worker, handlers")


def test_rights_of_the_workers_role(db, roles, worker):
    """The bug: the watch of a worker without rights fails, and with it the steward's other
    duties; or it is silent about what it may not do."""
    db.execute(TABLE + "; GRANT ALL ON item TO handlers")
    process = uuid.uuid4()
    env = {"PGUSER": "plain_worker"}
    with Sessions(db) as sessions, worker(*WATCHING, env=env) as steward:
        h = sessions(worker_name(process, 1), "handlers").run(ONE)
        w = sessions(worker_name(process, 2), "handlers").wait(ONE)
        # it does not even see it
        own = uuid.uuid4()
        sessions(worker_name(own), "plain_worker").run("SELECT pg_advisory_xact_lock(1)")
        mine = sessions(worker_name(own), "plain_worker")
        assert mine.wait("SELECT pg_advisory_xact_lock(1)").answer() == CANCELLED
        assert [row[0] for row in found(db)] == [mine.pid]
        # it sees it, and may not cancel it: told once
        db.execute("GRANT pg_read_all_stats TO plain_worker")
        wait_until(lambda: "may not cancel the statement" in steward.log(), 20, steward.log)
        assert "needs pg_signal_backend" in steward.log() and w.waits()
        # nothing else of the upkeep suffers
        before = db.value("SELECT max(expires_at) FROM pawl.upkeep WHERE duty = 'recover'")
        wait_until(lambda: db.value("SELECT max(expires_at) FROM pawl.upkeep "
                                    "WHERE duty = 'recover'") > before, 30, steward.log)
        assert steward.log().count("may not cancel") == 1
        assert "upkeep: " not in steward.log()
        # it may; the key it may not read
        db.execute("GRANT pg_signal_backend TO plain_worker")
        assert w.answer() == CANCELLED
        assert found(db)[-1][4:6] == ("public.item", None)
        h.rollback()


def test_a_look_costs_little_when_nobody_waits(db, sessions):
    """The bug: a tick takes the locks of the lock table (pg_locks, pg_blocking_pids) each
    second, for nothing."""
    h = sessions(worker_name(uuid.uuid4(), 1)).run(ONE)
    w = sessions(worker_name(uuid.uuid4(), 2)).wait(ONE)  # somebody waits, but not silently
    plan = "\n".join(row[0] for row in look(db, before="EXPLAIN (ANALYZE, COSTS OFF) "))
    for function in ("pg_lock_status", "unnest"):
        (line,) = [line for line in plan.splitlines() if f"Function Scan on {function}" in line]
        assert "never executed" in line, plan
    h.connection.commit()
    assert w.answer() is None


# ---------------------------------------------------------------- the statements


def test_a_session_that_has_moved_on_is_not_hit(db, sessions):
    """The bug: between the look and the cancelling the session has gone on, and another of
    its statements is cancelled.  Red: pg_cancel_backend by the pid alone hits it."""
    process = uuid.uuid4()
    h, w = sessions(worker_name(process, 1)), sessions(worker_name(process, 2))

    def silent_wait():
        h.run(ONE)
        w.wait(ONE)
        wait_until(lambda: look(db), 30, "the wait to be a silent one")
        (row,) = look(db)
        return row.waiter, row.waiter_us, row.holder, row.holder_us

    first = silent_wait()
    h.rollback()
    assert w.answer() is None
    w.rollback()
    second = silent_wait()
    assert first[0] == second[0] and first[2] == second[2] and first != second
    assert [row.cancelled for row in look(db, identity=first)] == [None]
    assert w.waits()
    assert [row.cancelled for row in look(db, identity=second)] == [True]
    assert w.answer() == CANCELLED
    w.rollback()
    h.rollback()
    # red
    first = silent_wait()
    h.rollback()
    assert w.answer() is None
    w.rollback()
    silent_wait()
    db.execute("SELECT pg_cancel_backend(%s)", [first[0]])
    assert w.answer() == CANCELLED


FOUND = {"waiter": 1, "waiter_since": "2026-01-01", "holder": 2, "holder_since": "2026-01-01",
         "process": "p"}


def test_recording_once(db, api):
    """The bug: two watches at once count it twice; a log that cannot be written keeps the
    wait from being recorded, and so from being ended."""
    job = api.push("k")
    claim = api.claim_one(api.worker_start())
    assert claim.job == job
    assert api.rows("silent_wait_found", **FOUND, waiter_job=job, holder_job=None)[0].created
    (again,) = api.rows("silent_wait_found", **FOUND)
    assert not again.created and again.lasted.total_seconds() > 0
    ended = {name: value for name, value in FOUND.items() if name != "process"}
    assert api.value("silent_wait_ended", **ended, answer="cancelled") is True
    assert api.value("silent_wait_ended", **ended, answer="cancelled") is False
    assert api.one("SELECT count(*) FROM pawl.logs WHERE job = %s", [job]) == 2
    db.execute("ALTER TABLE pawl.log RENAME TO away")
    assert api.rows("silent_wait_found", **FOUND | {"waiter": 3}, waiter_job=job)[0].created
    db.execute("ALTER TABLE pawl.away RENAME TO log")
    for name in FOUND:
        assert sqlstate(api.rows, "silent_wait_found", **FOUND | {name: None}) == "22023"
    assert sqlstate(api.value, "silent_wait_ended", **ended | {"waiter": 9}, answer="x") == "23514"


def test_what_is_old_is_removed(db, api):
    """The bug: a program that hangs every minute fills a table for ever."""
    db.execute(
        "INSERT INTO pawl.silent_wait (found_at, waiter_since, holder_since, waiter, holder, "
        "process) SELECT now() - i * interval '1 day', now(), now(), i, i, 'p' "
        "FROM generate_series(1, 60) i"
    )
    db.execute(
        "INSERT INTO pawl.silent_wait_end (at, waiter_since, holder_since, waiter, holder, "
        "answer) SELECT found_at, waiter_since, holder_since, waiter, holder, 'cancelled' "
        "FROM pawl.silent_wait"
    )
    with db.connect(autocommit=False) as other:
        # a row that somebody holds is left for the next time
        other.execute("SELECT FROM pawl.silent_wait WHERE waiter = 40 FOR UPDATE")
        assert api.rows("silent_wait_found", **FOUND)[0].created
        assert api.one("SELECT count(*) FROM pawl.silent_wait") == 31
        assert api.one("SELECT count(*) FROM pawl.silent_wait_end") == 29
        other.rollback()
