"""`pawl migrate`: two at once, interrupted anywhere, and without the right to make roles.

The bug: a migration that was interrupted leaves a schema that neither the old program
nor the new one knows, and the next attempt fails on what is already there.
"""

import datetime
import hashlib
import os
import re
import signal
import subprocess
import threading

import psycopg
import pytest
from harness.cluster import WHOLE, Cluster
from harness.fleet import seeded
from harness.paths import BUILD, PG_BIN
from harness.program import environment, program, run_pawl
from harness.proxy import CUT_BEFORE, Proxy
from harness.wait import wait_until

VERSIONS = "SELECT version, name, checksum FROM pawl.migration ORDER BY version"


@pytest.fixture
def empty(cluster):
    """A database without the schema, made by hand: the template has it."""
    database = cluster.new_database(template="template0")
    yield database
    database.drop()


def dump(database):
    """The schema as text: tables, partitions, functions, owners, grants, comments."""
    done = subprocess.run(
        [PG_BIN / "pg_dump", "--schema-only", "-d", database.conninfo()],
        capture_output=True, text=True, check=True)
    lines = (line for line in done.stdout.splitlines() if not line.startswith(("--", "\\")))
    return count_days("\n".join(lines))


def count_days(text):
    """The log's partitions have the days of their making in them: counted from the
    first, so that midnight may come between two migrations."""
    first = datetime.datetime.strptime(min(re.findall(r"log_p(\d{8})", text)), "%Y%m%d")
    for n in range(200):
        day = first + datetime.timedelta(days=n)
        text = text.replace(day.strftime("log_p%Y%m%d"), f"log_day{n}")
        text = text.replace(day.strftime("'%Y-%m-%d "), f"'day {n} ")
    return text


@pytest.fixture(scope="module")
def whole(cluster):
    """What an undisturbed migration makes."""
    database = cluster.new_database(WHOLE)
    text = dump(database), database.execute(VERSIONS)
    database.drop()
    return text


def is_whole(database, whole):
    run_pawl(database, "migrate", "status")
    assert (dump(database), database.execute(VERSIONS)) == whole
    return run_pawl(database, "push", "k").stdout


# ---------------------------------------------------------------- at once ---------


def migrate(database, **env):
    return subprocess.Popen([str(program()), "migrate", "up"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment(database, env))


def ended(process, deadline=60):
    out, err = process.communicate(timeout=deadline)
    return process.returncode, out + err


def test_four_at_once(empty, whole):
    """All of them succeed, the schema is there once."""
    for code, said in [ended(p) for p in [migrate(empty) for _ in range(4)]]:
        assert code == 0, said
    is_whole(empty, whole)


def test_two_databases_at_once(cluster):
    """The roles belong to the cluster: who is second must not stumble over them."""
    fresh = Cluster(durable=False)
    try:
        fresh.initdb()
        fresh.start()
        databases = [fresh.new_database(template="template0") for _ in range(4)]
        for code, said in [ended(p) for p in [migrate(d) for d in databases]]:
            assert code == 0, said
        for database in databases:
            run_pawl(database, "migrate", "status")
            assert database.value(
                "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'pawl'"
            ) == "pawl_owner"
    finally:
        fresh.remove()


# ---------------------------------------------------------------- interrupted -----


class Interrupted:
    """A migration that is killed, or cut off, when its nth message passes."""

    def __init__(self, database, number):
        self.number = number
        self.process = None
        self.ready = threading.Event()
        with Proxy(database) as proxy:
            proxy.fault(CUT_BEFORE, self.strike)
            self.process = migrate(database, **proxy.env())
            self.ready.set()
            self.code, self.said = ended(self.process)

    def strike(self, message):
        self.ready.wait(10)
        if message.number != self.number:
            return False
        os.kill(self.process.pid, signal.SIGKILL)
        return True


def test_killed_at_twenty_moments(cluster, whole):
    """SIGKILL at twenty of its messages, the first and the last among them: what is left
    is either no schema, or one that a second run makes whole."""
    rng = seeded("migrate")
    measured = cluster.new_database(template="template0")
    with Proxy(measured) as proxy:
        assert ended(migrate(measured, **proxy.env()))[0] == 0
        last = proxy.count() - 2  # the very last says good-bye, and waits for nothing
    measured.drop()
    moments = sorted({1, last, last - 1, *rng.sample(range(2, last - 1), 17)})
    for number in moments:
        database = cluster.new_database(template="template0")
        run = Interrupted(database, number)
        assert run.code == -signal.SIGKILL, (number, run.said)
        run_pawl(database, "migrate", "up")
        is_whole(database, whole)
        database.drop()


def test_function_that_was_changed_is_made_again(db, whole):
    """Another version's text is replaced, what no file defines any more is dropped, what
    the user has made himself is left alone; twice is the same as once."""
    db.execute("CREATE OR REPLACE VIEW pawl.gone AS SELECT 1 AS one")
    db.execute(f"COMMENT ON VIEW pawl.gone IS 'pawl {'0' * 64}'")
    db.execute("""CREATE OR REPLACE FUNCTION pawl.release(job bigint, fence bigint)
        RETURNS void LANGUAGE sql AS 'SELECT'""")
    db.execute(f"COMMENT ON FUNCTION pawl.release(bigint, bigint) IS 'pawl {'0' * 64}'")
    db.execute("CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    shown = run_pawl(db, "migrate", "status", check=6)
    assert "changed" in shown.stdout
    run_pawl(db, "migrate", "up")
    assert db.value("SELECT public.mine()") == 1
    db.execute("DROP FUNCTION public.mine()")
    is_whole(db, whole)
    run_pawl(db, "migrate", "up")
    is_whole(db, whole)


def test_script_makes_the_same(empty, whole):
    """`pawl migrate sql` through psql, twice: the very schema of `migrate up`."""
    script = run_pawl(None, "migrate", "sql").stdout
    for _ in range(2):
        subprocess.run([PG_BIN / "psql", "-X", "-q", "-d", empty.conninfo()], input=script,
                       text=True, check=True, capture_output=True)
    is_whole(empty, whole)


# ---------------------------------------------------------------- versions --------


@pytest.mark.parametrize("command", [
    ("migrate", "status"), ("migrate", "up"), ("push", "k"), ("job", "list"),
    ("work", "-H", "k=true", "--once")])
def test_a_newer_schema_is_refused(db, command):
    """Exit 6, and it says which program is needed; nothing is pushed, nothing changed."""
    db.execute("INSERT INTO pawl.migration VALUES (9999, '9999_new', repeat('0', 64), now())")
    said = run_pawl(db, *command, check=6)
    assert "9999" in said.stderr + said.stdout
    assert "version" in said.stderr and "nstall" in said.stderr, "a hint"
    assert db.value("SELECT count(*) FROM pawl.job") == 0


@pytest.mark.parametrize("command", [
    ("migrate", "status"), ("push", "k"), ("job", "show", "1"), ("work", "-H", "k=true")])
def test_a_missing_schema_is_refused(empty, command):
    """Exit 6, with the command that helps."""
    said = run_pawl(empty, *command, check=6)
    assert "migrate up" in said.stderr


# ---------------------------------------------------------------- without rights --


def test_an_owner_who_may_not_make_roles(tmp_path):
    """A database's owner without CREATEROLE: the schema is made and works for him; what
    an administrator has to run is printed, and does the rest."""
    fresh = Cluster(durable=False)
    try:
        fresh.initdb()
        fresh.start()
        postgres = fresh.database("postgres")
        postgres.execute("CREATE ROLE plain LOGIN")
        postgres.execute("CREATE DATABASE his OWNER plain TEMPLATE template0")
        his = fresh.database("his")
        first = run_pawl(his, "migrate", "up", env={"PGUSER": "plain"})
        assert "CREATE ROLE pawl_owner NOLOGIN;" in first.stderr
        assert "GRANT pawl_owner TO plain;" in first.stderr
        run_pawl(his, "push", "k", env={"PGUSER": "plain"})
        run_pawl(his, "work", "-H", "k=true", "--once", env={"PGUSER": "plain"})
        assert his.value("SELECT state FROM pawl.jobs") == "succeeded"
        (line,) = [line for line in first.stderr.splitlines() if "CREATE ROLE" in line]
        begin, end = line.index("CREATE ROLE"), line.rindex(";") + 1
        postgres.execute(line[begin:end])
        second = run_pawl(his, "migrate", "up", env={"PGUSER": "plain"})
        assert "CREATE ROLE" not in second.stderr
        assert his.value("SELECT pg_get_userbyid(nspowner) FROM pg_namespace"
                         " WHERE nspname = 'pawl'") == "pawl_owner"
        # The bug: a kind of object stays behind, and the role cannot be dropped any more.
        assert his.execute("SELECT classid::regclass, objid FROM pg_shdepend"
                           " WHERE refobjid = 'plain'::regrole AND deptype = 'o' AND dbid ="
                           " (SELECT oid FROM pg_database"
                           " WHERE datname = current_database())") == []
        postgres.execute("CREATE ROLE pusher LOGIN IN ROLE pawl_producer")
        run_pawl(his, "push", "k", env={"PGUSER": "pusher"})
        run_pawl(his, "migrate", "status", env={"PGUSER": "plain"})
    finally:
        fresh.remove()


# ---------------------------------------------------------------- of our own ------


class Own:
    """Migrations, views and functions of a test's own, applied by the same machinery."""

    def __init__(self, database, directory):
        self.database = database
        self.directory = directory
        self.files = {}

    def set(self, kind, name, text):
        path = self.directory / f"{kind}-{name}.sql"
        path.write_text(text, encoding="utf-8")
        self.files[kind, name] = path

    def manifest(self):
        lines = []
        for (kind, name), path in sorted(self.files.items()):
            checksum = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{kind} {name} {checksum} {path}\n")
        path = self.directory / "manifest"
        new = self.directory / "manifest.new"
        new.write_text("".join(lines), encoding="utf-8")
        return new.rename(path)  # never half there for one that was started before

    def start(self):
        command = [BUILD / "tests/e2e/migrate_own", self.database.conninfo(), self.manifest()]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def up(self, check=0):
        code, said = ended(self.start())
        assert code == check, said
        return said

    def versions(self):
        return [v for (v,) in self.database.execute(
            "SELECT version FROM pawl.migration ORDER BY version")]


@pytest.fixture
def own(empty, tmp_path):
    made = Own(empty, tmp_path)
    made.set("migrations", "0001_base", "CREATE TABLE pawl.t (n int);")
    made.set("migrations", "0002_row", "INSERT INTO pawl.t VALUES (2);")
    return made


def test_own_in_order_and_once(own):
    """Each once, in the order of the numbers, also when four run at the same time."""
    for code, said in [ended(p) for p in [own.start() for _ in range(4)]]:
        assert code == 0, said
    assert own.versions() == [1, 2]
    assert own.database.execute("SELECT n FROM pawl.t") == [(2,)]
    own.set("migrations", "0003_more", "INSERT INTO pawl.t SELECT n + 1 FROM pawl.t;")
    own.up()
    own.up()
    assert own.versions() == [1, 2, 3]
    assert own.database.execute("SELECT n FROM pawl.t ORDER BY 1") == [(2,), (3,)]


def test_own_that_fails_leaves_what_was_before(own):
    """The third fails in its second statement: the first two stand, nothing of it does,
    the message says which; repaired, it goes on from there."""
    own.set("migrations", "0003_bad", "INSERT INTO pawl.t VALUES (3); SELECT 1/0;")
    said = own.up(check=1)
    assert "division by zero" in said and "22012" in said
    assert own.versions() == [1, 2]
    assert own.database.execute("SELECT n FROM pawl.t") == [(2,)]
    own.set("migrations", "0003_bad", "INSERT INTO pawl.t VALUES (3);")
    own.up()
    assert own.versions() == [1, 2, 3]


def test_own_killed_while_it_runs(own):
    """Killed ten times in the middle of a migration: rolled back each time."""
    own.up()
    own.set("migrations", "0003_slow", "INSERT INTO pawl.t VALUES (3); SELECT pg_sleep(20);")
    sleeps = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
              " AND wait_event = 'PgSleep'")
    for _ in range(10):
        process = own.start()
        wait_until(lambda: own.database.value(sleeps) == 1, 20, "the migration to run")
        process.kill()
        ended(process)
        own.database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                             " datname = current_database() AND wait_event = 'PgSleep'")
        wait_until(lambda: own.database.value(sleeps) == 0, 20, "its backend to end")
        assert own.versions() == [1, 2]
    own.set("migrations", "0003_slow", "INSERT INTO pawl.t VALUES (3);")
    own.up()
    assert own.database.execute("SELECT n FROM pawl.t ORDER BY 1") == [(2,), (3,)]


def test_own_waits_for_a_lock_in_bounded_time(own):
    """An outsider holds the table: the migration gives up its place in the queue again
    and again, so that whoever comes after it is let through; when the outsider has ended
    it goes on."""
    own.up()
    own.set("migrations", "0003_alter", "ALTER TABLE pawl.t ADD m int;")
    with own.database.connect(autocommit=False) as outsider:
        outsider.execute("SELECT * FROM pawl.t")
        process = own.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'pawl.t'::regclass"
        wait_until(lambda: own.database.value(waits) == 1, 20, "the migration to wait")
        # it gives way by its lock_timeout while the outsider still holds on
        wait_until(lambda: own.database.value(waits) == 0, 20, "the migration to give way")
        assert process.poll() is None
        outsider.rollback()
        code, said = ended(process)
        assert code == 0, said
    assert own.versions() == [1, 2, 3]


def test_own_functions_follow_their_text(own):
    """A new result type, an overload more and one less, a view with other columns."""
    db = own.database
    own.set("functions", "f", "CREATE OR REPLACE FUNCTION pawl.f() RETURNS int LANGUAGE sql"
            " AS 'SELECT 1'; CREATE OR REPLACE FUNCTION pawl.f(x int) RETURNS int"
            " LANGUAGE sql AS 'SELECT x';")
    own.set("views", "v", "CREATE OR REPLACE VIEW pawl.v AS SELECT 1 AS a, 2 AS b;")
    own.set("functions", "g", "CREATE OR REPLACE FUNCTION pawl.g() RETURNS SETOF pawl.v"
            " LANGUAGE sql AS 'SELECT * FROM pawl.v';")
    own.up()
    before = db.value("SELECT 'pawl.g()'::regprocedure::oid")
    db.execute("CREATE FUNCTION pawl.his_own() RETURNS int LANGUAGE sql AS 'SELECT 7'")
    own.up()
    assert db.value("SELECT 'pawl.g()'::regprocedure::oid") == before, "nothing had changed"
    own.set("functions", "f", "CREATE OR REPLACE FUNCTION pawl.f() RETURNS text LANGUAGE sql"
            " AS $$SELECT 'two'$$;")
    own.set("views", "v", "CREATE OR REPLACE VIEW pawl.v AS SELECT 'x'::text AS a;")
    own.set("functions", "g", "CREATE OR REPLACE FUNCTION pawl.g() RETURNS SETOF pawl.v"
            " LANGUAGE sql AS 'SELECT * FROM pawl.v';")
    own.up()
    assert db.value("SELECT pawl.f()") == "two"
    with pytest.raises(psycopg.errors.UndefinedFunction):
        db.value("SELECT pawl.f(1)")
    assert db.execute("SELECT * FROM pawl.g()") == [("x",)]
    assert db.value("SELECT pawl.his_own()") == 7
    del own.files["functions", "g"]
    own.up()
    with pytest.raises(psycopg.errors.UndefinedFunction):
        db.value("SELECT pawl.g()")


def test_own_that_was_altered_is_told(own):
    """A migration that was edited after it had been applied: a warning that names it."""
    own.up()
    own.set("migrations", "0002_row", "INSERT INTO pawl.t VALUES (22);")
    assert "0002_row" in own.up()
    assert own.database.execute("SELECT n FROM pawl.t") == [(2,)]
