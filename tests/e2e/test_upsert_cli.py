"""`pawl upsert`: files, refusals, and what is told.

The bug: a file that is read as something else than it is, an error without its line, and
rows that are stored or not without anybody knowing.
"""

import json
import os
import subprocess

import pytest
from harness.contention import Holder
from harness.paths import program
from harness.pooler import Pooler
from harness.program import environment, run_pawl
from harness.wait import wait_until
from test_cli_terminal import on_terminal

FILMS = """CREATE TABLE films (title text PRIMARY KEY, year int, tags text[],
    CHECK (year > 1887))"""


@pytest.fixture
def films(db):
    db.execute(FILMS)
    return db


def upsert(database, text, *args, table="films", key="title", check=0, **options):
    return run_pawl(database, "upsert", "--table", table, "--key", key, *args, "-", input=text,
                    check=check, **options)


# -- files -------------------------------------------------------------------------------


def test_a_file_is_read_as_copy_reads_it(films):
    """Red: NULL and the empty text are the same, blanks and quotes are lost."""
    text = ('year,title,tags\r\n1925," Potemkin, ""the"" ship",{a}\r\n\r\n,"",\n'
            '1927,\'Sunrise\' ,"{""x y"",NULL}"\n1931,"two\nlines",{}')
    upsert(films, text)
    ours = films.execute("TABLE films")
    films.execute("TRUNCATE films")
    with films.connect() as session, session.cursor().copy(
            "COPY films (year, title, tags) FROM STDIN CSV HEADER") as copy:
        copy.write(text.replace("\r", "").replace("\n\n", "\n"))
    assert sorted(ours) == sorted(films.execute("TABLE films")) and len(ours) == 4


def test_formats(films):
    text = "title,year\na,1999\nb,2000\na,2001\n"
    assert json.loads(upsert(films, text, "-o", "json").stdout) == [
        {"rows": 3, "created": 2, "existing": 1}]
    assert upsert(films, text, "-o", "csv").stdout == "rows,created,existing\n3,0,3\n"
    assert upsert(films, text).stdout.split() == ["rows", "created", "existing", "3", "0", "3"]


def test_update_overwrites_what_it_names(films):
    upsert(films, "title,year,tags\na,1999,{old}\nb,2000,{old}\n")
    upsert(films, "title,year,tags\na,2001,{new}\nc,2002,{new}\n", "--update", "year")
    assert films.execute("SELECT title, year, tags FROM films ORDER BY 1") == [
        ("a", 2001, ["old"]), ("b", 2000, ["old"]), ("c", 2002, ["new"])]


def test_names_that_need_quotes(db):
    """Red: names that are pasted into SQL as they are."""
    db.execute("""CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."T;able" (
        "Key, 1" int, "key2" text COLLATE "C", "select" text DEFAULT 'd', v "char",
        PRIMARY KEY (key2, "Key, 1"))""")
    upsert(db, '"Key, 1",key2,"select",v\n1,x,s,c\n', "--update", '"select",v',
           table='"My Schema"."T;able"', key='"Key, 1",key2')
    assert db.execute('TABLE "My Schema"."T;able"') == [(1, "x", "s", "c")]


def test_a_table_in_the_search_path(db):
    db.execute("CREATE SCHEMA app; CREATE TABLE app.t (k int PRIMARY KEY)")
    upsert(db, "k\n1\n", table="t", key="k", env={"PGOPTIONS": "-c search_path=app"})
    assert db.value("SELECT count(*) FROM app.t") == 1


def test_types_of_the_search_path_are_none_of_ours(db):
    """The bug: a name of ours without its schema is one of the user's."""
    db.execute("""CREATE SCHEMA app; CREATE TYPE app.regtype AS (x int);
        CREATE TYPE app.text AS (x int); CREATE TABLE app.t (k varchar(3) PRIMARY KEY)""")
    upsert(db, "k\n1\n", table="t", key="k", env={"PGOPTIONS": "-c search_path=app,pg_catalog"})
    assert db.value("SELECT count(*) FROM app.t") == 1


def test_a_database_without_the_schema_of_pawl(cluster):
    database = cluster.new_database(template="template0")
    try:
        database.execute(FILMS)
        upsert(database, "title\na\n")
    finally:
        database.drop()


def test_a_large_file_takes_little_memory(films, tmp_path):
    """By blocks of 64 KiB, in transactions of 10,000 rows.  Red: the whole in memory."""
    path = tmp_path / "films.csv"
    with open(path, "w", encoding="ascii") as file:
        file.write("title,year\n")
        for n in range(60000):
            file.write(f"{n:07}{'x' * 500},2000\n")
    command = [program(), "upsert", "--table", "films", "--key", "title", path]
    process = subprocess.Popen(command, env=environment(films), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 and path.stat().st_size > 30_000_000
    if "san" not in os.environ.get("PAWL_BUILD", ""):
        assert usage.ru_maxrss < 45_000, "KiB"
    xids = films.value("SELECT count(DISTINCT xmin::text) FROM films")
    assert xids == 6


def test_nothing_is_held_while_more_is_read(films):
    """Between two chunks the session is idle, in no transaction.  Red: one transaction
    around a reader that a network feeds."""
    command = [program(), "upsert", "--table", "films", "--key", "title", "-"]
    process = subprocess.Popen(command, env=environment(films), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    process.stdin.write("title\n" + "".join(f"{n}\n" for n in range(10000)))
    process.stdin.flush()
    wait_until(lambda: films.value("SELECT count(*) FROM films") == 10000, 20, "the first chunk")
    wait_until(lambda: films.execute("""SELECT state FROM pg_stat_activity
        WHERE application_name = 'pawl cli upsert'""") == [("idle",)], 30, "an idle session")
    films.execute("ALTER TABLE films ADD COLUMN other int")  # nobody is in its way
    out, _ = process.communicate("more\n", timeout=30)
    assert process.returncode == 0 and out.split()[-3:] == ["10001", "10001", "0"]


def test_through_a_pooler(films):
    """A transaction-mode pooler, several sessions behind it."""
    text = "title\n" + "".join(f"{n}\n" for n in range(25000))
    with Pooler(films.cluster) as pooler:
        pooled = pooler.database(films)
        assert upsert(pooled, text).stdout.split()[-3:] == ["25000", "25000", "0"]


def test_progress_only_on_a_terminal(films):
    text = "title\n" + "".join(f"{n}\n" for n in range(20000))
    arguments = ["upsert", "--table", "films", "--key", "title", "-"]
    code, out, shown = on_terminal(films, *arguments, stdin=text, stdout_too=False)
    assert code == 0 and "\r\x1b[Kstored 10000 rows" in shown
    assert upsert(films, text).stderr == ""
    assert on_terminal(films, *arguments, "--quiet", stdin=text, stdout_too=False)[2] == ""


# -- what is refused ---------------------------------------------------------------------


@pytest.mark.parametrize("text, line, words", [
    ("", 1, "there is no header"),
    ("title,,year\n", 1, "no name for column 2"),
    ("title,title\n", 1, 'names column "title" twice'),
    ("year\n1999\n", 1, 'does not name column "title"'),
    ("title,year\na,1999\nb\n", 3, "it has 1 fields, the header has 2"),
    ("title,year\na,1999,x\n", 2, "it has 3 fields, the header has 2"),
    ('title,year\n"a\nb",1999\n,2000\n', 4, 'key column "title" is NULL'),
    ('title,year\na,1999\n"b"x,1999\n', 3, "a quote is followed by text"),
    ('title,year\na,1999\n"b,1999\nc,1\n', 3, "a quoted field is not ended"),
    ("title,year\na,1999\n\udcff,1\n", 3, "it is not UTF-8 text"),
])
def test_a_malformed_file_is_told_with_its_line(films, tmp_path, text, line, words):
    path = tmp_path / "films.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused = run_pawl(films, "upsert", "--table", "films", "--key", "title", path, check=2)
    assert refused.stderr.startswith(f"pawl: error: {path}: line {line}: ")
    assert words in refused.stderr and refused.stderr.endswith("stopped; nothing was stored\n")
    assert refused.stdout == ""


@pytest.mark.parametrize("bad, words", [
    ("x,notayear", 'invalid input syntax for type integer: "notayear" (SQLSTATE 22P02)'),
    ("x,99999999999", "out of range"),
    ("x,1000", 'violates check constraint "films_year_check" (SQLSTATE 23514)'),
])
def test_a_row_that_the_table_refuses_is_told_with_its_line(films, bad, words):
    """What was stored before is told too.  Red: the server's message alone, in 25,000
    lines."""
    lines = [f"{n},2000" for n in range(25000)]
    lines[17776] = bad
    refused = upsert(films, "title,year\n" + "\n".join(lines) + "\n", check=1)
    assert "pawl: error: standard input: line 17778: " in refused.stderr, refused.stderr
    assert words in refused.stderr
    assert ("stopped; stored 10000 rows, up to line 10001: 10000 created, 0 existing"
            in refused.stderr)
    assert films.value("SELECT count(*) FROM films") == 10000
    lines[17776] = "x,2000"
    repeated = upsert(films, "title,year\n" + "\n".join(lines) + "\n")
    assert repeated.stdout.split()[-3:] == ["25000", "15000", "10000"]


def test_a_row_that_a_view_refuses_is_told_with_its_line(films):
    """The bug: its SQLSTATE (44000) was none of a row's."""
    films.execute("CREATE VIEW old AS SELECT * FROM films WHERE year < 1950 WITH CHECK OPTION")
    refused = upsert(films, "title,year\na,1949\nb,1999\n", table="old", check=1)
    assert "line 3: " in refused.stderr and "SQLSTATE 44000" in refused.stderr


def test_the_privileges_that_the_hint_names_are_enough(films):
    """The bug: it did not name SELECT on what is updated."""
    films.execute("DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN;"
                  "GRANT INSERT (title, year), SELECT (title), UPDATE (year) ON films TO writer")
    text, options = "title,year\na,1999\n", {"env": {"PGUSER": "writer"}}
    refused = upsert(films, text, "--update", "year", check=1, **options)
    assert "SELECT on the key columns, and SELECT and UPDATE on those" in refused.stderr
    upsert(films, text, **options)
    films.execute("GRANT SELECT (year) ON films TO writer")
    upsert(films, text, "--update", "year", **options)


def test_a_constraint_that_is_checked_at_commit(films):
    """Red: a row that only COMMIT refuses is nobody's."""
    films.execute("""CREATE TABLE roles (title text REFERENCES films DEFERRABLE
        INITIALLY DEFERRED, name text, PRIMARY KEY (name))""")
    upsert(films, "title\na\n")
    refused = upsert(films, "title,name\na,x\nb,y\na,z\n", table="roles", key="name", check=1)
    assert "line 3: " in refused.stderr and "SQLSTATE 23503" in refused.stderr
    assert films.value("SELECT count(*) FROM roles") == 0


@pytest.mark.parametrize("table, key, code, words", [
    ("film", "title", 3, 'there is no table "film"'),
    ("nowhere.films", "title", 3, 'there is no table "nowhere.films"'),
    ("two words", "title", 2, 'is not a name of a table'),
    ("films", "name", 2, 'the header does not name column "name"'),
    ("unindexed", "title", 2, "has no unique index or primary key on exactly (title)"),
    ("conditional", "title", 2, "has no unique index or primary key on exactly (title)"),
    ("computed", "title", 2, 'column "year" of public.computed is generated'),
    ("narrow", "title", 3, 'public.narrow has no column "year"'),
    ("secret", "title", 1, "permission denied for table secret"),
])
def test_a_table_that_cannot_take_it(films, table, key, code, words):
    films.execute("""CREATE TABLE unindexed (title text, year int);
        CREATE TABLE conditional (title text, year int);
        CREATE UNIQUE INDEX ON conditional (title) WHERE year > 0;
        CREATE TABLE computed (title text PRIMARY KEY, year int GENERATED ALWAYS AS (1) STORED);
        CREATE TABLE narrow (title text PRIMARY KEY);
        CREATE TABLE secret (title text PRIMARY KEY, year int);
        DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN""")
    refused = upsert(films, "title,year\na,1999\n", table=table, key=key, check=code,
                     env={"PGUSER": "reader"} if table == "secret" else None)
    assert words in refused.stderr, refused.stderr


@pytest.mark.parametrize("arguments, words", [
    (["--key", "title", "-"], '"--table" is missing'),
    (["--table", "films", "-"], '"--key" is missing'),
    (["--table", "films", "--key", "title"], "needs one more argument"),
    (["--table", "films", "--key", 'title,"x', "-"], "is not a list of names"),
    (["--table", "films", "--key", "title,", "-"], "--key: a name is empty"),
    (["--table", "films", "--key", "title", "--timeout", "0", "-"], "would wait for ever"),
    (["--table", "films", "--key", "title", "/nowhere.csv"], "could not open file"),
    (["--table", "films", "--key", "title", "/"], "Is a directory"),
])
def test_usage(films, arguments, words):
    refused = run_pawl(films, "upsert", *arguments, check=2, input="title\n")
    assert words in refused.stderr, refused.stderr


def test_a_lock_and_a_deadline(films):
    """Exit code 1 with the holder named, 124 when the transaction lasts too long."""
    with Holder(films, "INSERT INTO films VALUES ('b')", application_name="report"):
        refused = upsert(films, "title\nc\nb\na\n", "--lock-timeout", "500ms", check=1)
        assert "key (title) = (b) (SQLSTATE 55P03)" in refused.stderr
        assert '("report", idle in transaction for' in refused.stderr
        refused = upsert(films, "title\nc\nb\na\n", "--timeout", "700ms", check=124)
        assert "did not end within 700 ms (SQLSTATE 57014)" in refused.stderr
    assert films.value("SELECT count(*) FROM films") == 0


def test_a_single_transaction(films):
    lines = "".join(f"{n},2000\n" for n in range(15000))
    refused = upsert(films, "title,year\n" + lines + "x,1000\n", "--single-transaction", check=1)
    assert "line 15002: " in refused.stderr and "nothing was stored" in refused.stderr
    assert films.value("SELECT count(*) FROM films") == 0
    upsert(films, "title,year\n" + lines, "--single-transaction")
    assert films.value("SELECT count(DISTINCT xmin::text) FROM films") == 1
