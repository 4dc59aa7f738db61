"""Settings of a role that were made for something else.

The bug: ALTER ROLE … SET is in force in every session of that role; a program that
trusts the defaults breaks on the first site that has it: read-only by default, a
statement timeout of a second, a search_path with functions of its own, dates in German.
"""

import itertools
import json
import subprocess

import psycopg
import pytest
from harness import invariants
from harness.ledger import Ledger
from harness.program import Worker, environment, program, run_pawl
from harness.wait import wait_until

# Each has a test of its own, …
ALONE = {
    "search_path": "evil, pg_catalog",
    "statement_timeout": "'100ms'",
    "lock_timeout": "'50ms'",
    "default_transaction_isolation": "'serializable'",
    "default_transaction_read_only": "on",
    "TimeZone": "'Asia/Kathmandu'",
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'sql_standard'",
    "client_encoding": "'LATIN1'",
    "enable_indexscan": "off",
    "idle_in_transaction_session_timeout": "'50ms'",
}

# … and these are added to all of those in one more.
SETTINGS = ALONE | {
    "enable_nestloop": "off",
    "default_transaction_deferrable": "on",
    "bytea_output": "'escape'",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "xmloption": "'document'",
}

# Functions that a search_path finds before PostgreSQL's own.
EVIL = """
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.boom() RETURNS void LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'an outsider''s function was called'; END $$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT evil.boom(); SELECT NULL::timestamptz';
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT evil.boom(); SELECT NULL::timestamptz';
CREATE FUNCTION evil.to_timestamp(float8) RETURNS timestamptz LANGUAGE sql AS 'SELECT evil.boom(); SELECT NULL::timestamptz';
CREATE FUNCTION evil.to_char(timestamp, text) RETURNS text LANGUAGE sql AS 'SELECT evil.boom(); SELECT NULL::text';
CREATE FUNCTION evil.make_interval(int, int, int, int, int, int, float8) RETURNS interval LANGUAGE sql AS 'SELECT evil.boom(); SELECT NULL::interval';
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT evil.boom(); SELECT NULL::text';
CREATE FUNCTION evil.same(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT evil.boom(); SELECT false';
CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.same);
CREATE TABLE evil.job (id int);
"""

NAMES = (f"hostile_{n}" for n in itertools.count())


@pytest.fixture
def role(db):
    """A role of this test's own that may do everything with jobs."""
    name = f"{next(NAMES)}_{db.name}"
    db.execute(f"CREATE ROLE {name} LOGIN IN ROLE pawl_producer, pawl_worker, pawl_reader")
    yield name
    db.cluster.database("postgres").execute(f"REASSIGN OWNED BY {name} TO postgres")
    db.cluster.database("postgres").execute(f"DROP ROLE {name}")


def work_with(db, role, tmp_path):
    """push, work, retry with a delay, cancel, list, show, drain; all of it by `role`."""
    env = {"PGUSER": role}
    text = "Grüße, 日本 \\ '"
    ledger = Ledger(tmp_path)
    handler = ledger.handler("""
cat >&3
[ "$PAWL_ATTEMPT" = 1 ] && { echo '{"retry_after_s": 0.1}' >&3; exit 1; }
echo "in the log"
exit 0""")

    def pawl(*args, **options):
        return run_pawl(db, *args, env=env, **options)

    args = json.dumps({"result": text}, ensure_ascii=False)
    job = int(pawl("push", "work", args).stdout)
    delayed = int(pawl("push", "work", args, "--in", "300ms", "--timeout", "90s").stdout)
    later = int(pawl("push", "work", "--in", "1h").stdout)
    done = pawl("push", "--ndjson", "-", input='{"kind": "other", "args": {"n": 1}}\n' * 3)
    assert len(done.stdout.split()) == 3
    with Worker(db, "-j", "2", "--lease", "2s", "--poll", "100ms", env=env,
                handlers={"work": handler, "held": ledger.handler("exec sleep 60")}) as worker:
        wait_until(lambda: db.value("SELECT count(*) FROM pawl.outcome") == 2, 30,
                   lambda: f"two outcomes\n{worker.log()}")
        held = int(pawl("push", "held").stdout)
        ledger.wait_for(5)
        pawl("job", "cancel", held, later)
        shown = json.loads(pawl("job", "show", job, "-o", "json").stdout)
        listed = pawl("job", "list", "-o", "jsonl").stdout.splitlines()
        assert worker.drain() == 0, worker.log()
    if isinstance(shown, list):
        (shown,) = shown
    assert shown["result"] == text and shown["state"] == "succeeded"
    states = {row["id"]: row["state"] for row in map(json.loads, listed)}
    assert {states[job], states[delayed]} == {"succeeded"}
    assert {states[later], states[held]} == {"cancelled"}
    assert db.execute("SELECT DISTINCT category FROM pawl.attempts WHERE job IN (%s, %s)",
                      [job, delayed]) == [("error",)]
    assert db.value("SELECT timeout = '90 s' FROM pawl.jobs WHERE id = %s", [delayed])
    early = "SELECT count(*) FROM pawl.attempts a, pawl.jobs j WHERE j.id = a.job AND a.job = %s"
    assert db.value(early + " AND a.started_at < j.pushed_at + interval '300 ms'", [delayed]) == 0
    invariants.check_quiet(db, 2.0)


@pytest.mark.parametrize("name", ALONE)
def test_setting(db, role, tmp_path, name):
    """Each setting alone."""
    db.execute(EVIL)
    db.execute(f"ALTER ROLE {role} SET {name} = {SETTINGS[name]}")
    work_with(db, role, tmp_path)


def test_all_settings_together(db, role, tmp_path):
    """And all of them at once."""
    db.execute(EVIL)
    for name, value in SETTINGS.items():
        db.execute(f"ALTER ROLE {role} SET {name} = {value}")
    work_with(db, role, tmp_path)


@pytest.mark.parametrize("name, sqlstate", [
    ("statement_timeout", "57014"), ("lock_timeout", "55P03"),
    ("default_transaction_read_only", "25006")])
def test_naive_session_fails(db, role, name, sqlstate):
    """Red: a session that takes the role's settings as they are, where a push has to
    wait 300 ms; the program in the same place succeeds."""
    db.execute(f"ALTER ROLE {role} SET {name} = {SETTINGS[name]}")
    with db.connect(autocommit=False) as outsider, db.connect(user=role) as naive:
        outsider.execute("LOCK TABLE pawl.ready IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.Error) as failed:
            naive.execute("SELECT pawl.push('k')")
        assert failed.value.sqlstate == sqlstate, "turned green"
    with db.connect(autocommit=False) as outsider:
        outsider.execute("LOCK TABLE pawl.ready IN ACCESS EXCLUSIVE MODE")
        push = subprocess.Popen([str(program()), "push", "k"], stdin=subprocess.DEVNULL,
                                env=environment(db, {"PGUSER": role}))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'"
        since = " AND query_start < clock_timestamp() - interval '300 ms'"
        wait_until(lambda: db.value(waits + since, [role]), 30, "the push to wait long enough")
        outsider.rollback()
        assert push.wait(30) == 0
