"""`pawl locks`: who waits, on which key, for whom, since when, in which job.

The bug: a worker hangs, nothing is logged, and nobody can say for whom it waits: the
answer is spread over pg_locks, pg_stat_activity and pg_blocking_pids, and the key of the
row is in none of them.
"""

import csv
import io
import json
import subprocess
import uuid

import pytest
from harness.paths import program
from harness.program import run_pawl
from harness.sessions import Sessions, worker_name
from harness.wait import wait_until

TABLE = """CREATE TABLE pair (aa text, "n t" text, seen int, PRIMARY KEY (aa, "n t"));
    CREATE TABLE keyless (aa text);
    INSERT INTO pair VALUES ('CA1', 'CA2', 0), ('CA3', 'CA4', 0);
    INSERT INTO keyless VALUES ('CA1')"""
FIRST = "UPDATE pair SET seen = seen + 1 WHERE aa = 'CA1'"
SECOND = "UPDATE pair SET seen = seen + 1 WHERE aa = 'CA3'"
COLUMNS = ["waiter", "session", "job", "worker", "role", "since", "relation", "key", "lock",
           "blocker", "blocker_session", "blocker_job", "blocker_role", "blocker_state",
           "blocker_since", "silent", "holder", "statement"]


@pytest.fixture
def sessions(db):
    db.execute(TABLE)
    with Sessions(db) as made:
        yield made


@pytest.fixture
def locks(db):
    """(rows, stderr) of `pawl locks -o json`."""

    def run(*args, env=None):
        result = run_pawl(db, "locks", "-o", "json", *args, env=env)
        return json.loads(result.stdout), result.stderr

    return run


def chain(sessions, worker):
    """w waits for x of another program, x for h, which is idle: h and w of one process."""
    h = sessions(worker_name(worker, 7)).run(FIRST)
    x = sessions("report").run(SECOND).wait(FIRST)
    w = sessions(worker_name(worker, 8)).wait(SECOND)
    return w, x, h


def silent_ones(locks):
    return [row for row in locks()[0] if row["silent"]]


def test_nobody_waits(db, locks):
    """The bug: an empty answer that may mean anything."""
    rows, said = locks()
    assert rows == []
    assert "nobody waits for a lock" in said
    assert "no silent wait was found in the last 30 days" in said
    for form, text in (("table", ""), ("jsonl", ""), ("csv", ",".join(COLUMNS) + "\n")):
        assert run_pawl(db, "locks", "-o", form).stdout == text


def test_the_whole_chain(sessions, locks):
    """The bug: the direct blocker is shown, which waits itself, and not who holds it up."""
    worker = uuid.uuid4()
    w, x, h = chain(sessions, worker)
    wait_until(lambda: silent_ones(locks), 30, "the wait to be a silent one")
    rows = {row["waiter"]: row for row in locks()[0]}
    assert set(rows) == {w.pid, x.pid}
    assert list(rows[w.pid]) == COLUMNS
    expected = {
        "session": w.name, "job": 8, "worker": str(worker), "role": "postgres",
        "relation": "public.pair", "key": "(aa, n t) = (CA3, CA4)", "blocker": x.pid,
        "blocker_session": "report", "blocker_job": None, "blocker_state": "active",
        "lock": "transactionid ShareLock", "silent": True, "holder": h.pid,
        "statement": SECOND,
    }
    assert {name: rows[w.pid][name] for name in expected} == expected
    expected = {
        "session": "report", "job": None, "relation": "public.pair",
        "key": "(aa, n t) = (CA1, CA2)", "blocker": h.pid, "blocker_session": h.name,
        "blocker_job": 7, "blocker_state": "idle in transaction", "silent": False,
        "holder": None, "statement": FIRST,
    }
    assert {name: rows[x.pid][name] for name in expected} == expected
    assert rows[x.pid]["blocker_since"] < rows[w.pid]["since"]


def test_formats(db, sessions):
    """The bug: one of the formats loses a column, or a row."""
    w, x, h = chain(sessions, uuid.uuid4())
    table = run_pawl(db, "locks").stdout.splitlines()
    assert len(table) == 3 and str(w.pid) in table[1] + table[2]
    assert "(aa, n t) = (CA1, CA2)" in table[1] + table[2]
    lines = run_pawl(db, "locks", "-o", "jsonl").stdout.splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [sorted(COLUMNS)] * 2
    rows = list(csv.DictReader(io.StringIO(run_pawl(db, "locks", "-o", "csv").stdout)))
    assert {int(row["waiter"]) for row in rows} == {w.pid, x.pid}
    assert {row["key"] for row in rows} == {"(aa, n t) = (CA1, CA2)", "(aa, n t) = (CA3, CA4)"}
    assert len(run_pawl(db, "locks", "-n", "1", "-o", "jsonl").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "held, wanted, relation, key",
    [
        # nobody but its inserter sees the row: the table is known, the key is not
        ("INSERT INTO pair VALUES ('n', 'n')",
         "INSERT INTO pair VALUES ('n', 'n') ON CONFLICT DO NOTHING", "public.pair", None),
        ("INSERT INTO pair VALUES ('n', 'n')",
         "INSERT INTO keyless VALUES ('k'); INSERT INTO pair VALUES ('n', 'n')",
         "public.pair", None),
        # a row without a primary key
        ("UPDATE keyless SET aa = 'x'", "UPDATE keyless SET aa = 'y'", "public.keyless", None),
        # the whole table
        ("LOCK TABLE pair", "SELECT count(*) FROM pair", "public.pair", None),
        # no table at all
        ("SELECT pg_advisory_xact_lock(7)", "SELECT pg_advisory_xact_lock(7)", None, None),
        # a row with a lock, not a write
        ("SELECT FROM pair WHERE aa = 'CA1' FOR UPDATE", FIRST, "public.pair",
         "(aa, n t) = (CA1, CA2)"),
    ],
)
def test_what_is_waited_for(sessions, locks, held, wanted, relation, key):
    """The bug: the table of another statement of the transaction, or a guessed key."""
    sessions("holder").run(held)
    w = sessions("waiter").wait(wanted)
    ((row,), _) = locks()
    assert (row["waiter"], row["relation"], row["key"]) == (w.pid, relation, key)


def test_three_in_a_queue(sessions, locks):
    """The bug: who stands second in the queue of one row has no key."""
    sessions("holder").run(FIRST)
    waiters = [sessions(f"waiter {i}").wait(FIRST) for i in range(3)]
    rows, _ = locks()
    assert {row["waiter"] for row in rows} == {w.pid for w in waiters}
    assert {row["key"] for row in rows} == {"(aa, n t) = (CA1, CA2)"}


def test_a_prepared_transaction(cluster, base_cluster):
    """The bug: process 0."""
    own = base_cluster.copy(durable=False, settings={"max_prepared_transactions": "2"}).start()
    try:
        db = own.new_database()
        db.execute(TABLE)
        with Sessions(db) as sessions:
            sessions("forgotten").run(FIRST).run("PREPARE TRANSACTION 'it'")
            sessions("waiter").wait(FIRST)
            (row,) = json.loads(run_pawl(db, "locks", "-o", "json").stdout)
            assert row["blocker"] is None and row["blocker_session"] == "prepared transaction"
            db.execute("ROLLBACK PREPARED 'it'")
    finally:
        own.remove()


def test_a_reader_without_rights(db, sessions):
    """The bug: what is hidden looks as if it were not there."""
    db.execute("DROP ROLE IF EXISTS looker")
    db.execute("CREATE ROLE looker LOGIN IN ROLE pawl_reader")
    w, x, h = chain(sessions, uuid.uuid4())
    result = run_pawl(db, "locks", "-o", "json", env={"PGUSER": "looker"})
    rows = {row["waiter"]: row for row in json.loads(result.stdout)}
    assert set(rows) == {w.pid, x.pid}
    assert rows[x.pid]["blocker"] == h.pid and rows[w.pid]["job"] == 8
    for name in ("key", "statement", "blocker_state"):
        assert rows[w.pid][name] is None, name
    assert not any(row["silent"] for row in rows.values())
    assert "of other roles cannot be seen in full: silent waits among them are not marked" in result.stderr
    assert "pg_read_all_stats" in result.stderr
    # with the right it is seen, but for the key: that takes the table's
    db.execute("GRANT pg_read_all_stats TO looker")
    result = run_pawl(db, "locks", "-o", "json", env={"PGUSER": "looker"})
    rows = {row["waiter"]: row for row in json.loads(result.stdout)}
    wait_until(lambda: [row for row in json.loads(run_pawl(
        db, "locks", "-o", "json", env={"PGUSER": "looker"}).stdout) if row["silent"]], 30)
    assert rows[w.pid]["statement"] == SECOND and rows[w.pid]["key"] is None
    assert "cannot be seen" not in result.stderr
    db.execute("GRANT SELECT (aa) ON pair TO looker")
    ((row, *_),) = [json.loads(run_pawl(db, "locks", "-o", "json",
                                        env={"PGUSER": "looker"}).stdout)]
    assert row["key"] is None, "a part of the key may be read, the rest may not"
    db.execute('GRANT SELECT ON pair TO looker')
    rows = json.loads(run_pawl(db, "locks", "-o", "json", env={"PGUSER": "looker"}).stdout)
    assert {row["key"] for row in rows} == {"(aa, n t) = (CA1, CA2)", "(aa, n t) = (CA3, CA4)"}
    sessions.__exit__()
    db.execute("DROP OWNED BY looker")
    db.execute("DROP ROLE looker")


def test_a_role_without_any_right(db, sessions):
    """The bug: no answer at all because the last line of it is forbidden."""
    result = run_pawl(db, "locks", "-o", "json", env={"PGUSER": "postgres"})
    assert json.loads(result.stdout) == []
    db.execute("DROP ROLE IF EXISTS pusher")
    db.execute("CREATE ROLE pusher LOGIN IN ROLE pawl_producer")
    result = run_pawl(db, "locks", "-o", "json", env={"PGUSER": "pusher"})
    assert json.loads(result.stdout) == [] and "pawl_reader" in result.stderr
    db.execute("DROP OWNED BY pusher")
    db.execute("DROP ROLE pusher")


def test_policies_of_the_table_do_not_run(db, sessions):
    """The bug: looking at a key runs a function that the table's owner has written, with
    the rights of whoever looks."""
    db.execute("DROP ROLE IF EXISTS looker")
    db.execute("CREATE ROLE looker LOGIN IN ROLE pawl_reader, pg_read_all_stats")
    db.execute("""GRANT SELECT ON pair TO looker;
        CREATE FUNCTION trap() RETURNS boolean LANGUAGE plpgsql AS
            $$BEGIN RAISE WARNING 'policy ran'; RETURN true; END$$;
        ALTER TABLE pair ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON pair USING (trap())""")
    sessions("holder").run(FIRST)
    sessions("waiter").wait(FIRST)
    before = db.cluster.log_size()
    (row,) = json.loads(run_pawl(db, "locks", "-o", "json", env={"PGUSER": "looker"}).stdout)
    assert row["relation"] == "public.pair" and row["key"] is None
    assert "policy ran" not in db.cluster.log_text(before)
    sessions.__exit__()
    db.execute("DROP OWNED BY looker")
    db.execute("DROP ROLE looker")


def test_hostile_names(db, locks):
    """The bug: a table with quotes in its name breaks the statement that reads the key,
    a statement with control characters the terminal."""
    db.execute('CREATE SCHEMA "s""; x"; '
               'CREATE TABLE "s""; x"."t\'%s""" ("k\'%L""" text PRIMARY KEY, v int)')
    db.execute('INSERT INTO "s""; x"."t\'%%s""" VALUES (%s, 0)', ["a\x1b[31m'%s" + "x" * 300])
    change = 'UPDATE "s""; x"."t\'%%s""" SET v = 1 /* \x1b[2J */'
    with Sessions(db) as sessions:
        sessions("holder").run(change.replace("%%", "%"))
        sessions("waiter").wait(change.replace("%%", "%"))
        ((row,), _) = locks()
        assert row["key"].startswith("(k'%L\") = (a\x1b[31m'%s") and row["key"].endswith("x)")
        assert len(row["key"]) < 250
        assert "\x1b" not in run_pawl(db, "locks").stdout


def test_watching(db, sessions):
    """The bug: -w ends after one look, or never shows what comes later."""
    result = run_pawl(db, "locks", "-w", "-o", "csv", check=2)
    assert '"--watch" writes tables or jsonl' in result.stderr
    with subprocess.Popen([str(program()), "locks", "-w", "-o", "jsonl"], env=db.env(),
                          stdout=subprocess.PIPE, text=True) as watching:
        sessions("holder").run(FIRST)
        w = sessions("waiter").wait(FIRST)
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        assert first["waiter"] == second["waiter"] == w.pid
        watching.terminate()
