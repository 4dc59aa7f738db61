"""pawl_upsert: the order of its rows, what it counts, what it leaves behind.

The bug: two jobs upsert overlapping sets of keys, each in the order in which a hash table
gave them, and deadlock; or a locale decides the order, and two programs differ.
"""

import random
import re
import threading

import psycopg
import pytest
from harness.contention import Holder, wait_for_waiters
from harness.pooler import Pooler
from harness.program import run_pawl
from harness.upserter import Refusal, Sums, Upserter

PAIRS = """CREATE TABLE pairs (aa text, nt text, note text, PRIMARY KEY (aa, nt))"""

# Locales disagree with the bytes, and with each other, about each of these.
KEYS = ["a", "B", "b", "A", "aa", "a-b", "a b", "ab", "_", "-", "~", "Z", "z", "é", "e",
        "Ä", "ß", "ss", "ǆ", "10", "9", "", " ", "中", "\U0001f600"]

WATCH = """CREATE TABLE seen (n serial, k text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO seen (k) VALUES (NEW.k); RETURN NEW; END$$;
    CREATE TRIGGER note BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()"""


@pytest.fixture
def pairs(db):
    db.execute(PAIRS)
    return db


@pytest.fixture
def upserter(db, tmp_path):
    """Starts upserters, each with a file of its own, and ends them."""
    started = []

    def start(table, keys, rows, **options):
        path = tmp_path / f"rows{len(started)}"
        started.append(Upserter(options.pop("database", db), path, table, keys, rows,
                                **options))
        return started[-1]

    yield start
    for one in started:
        one.__exit__()


def seen(db):
    return [k for (k,) in db.execute("SELECT k FROM seen ORDER BY n")]


# -- 0.1: one order ------------------------------------------------------------------


@pytest.mark.parametrize("update", ["", "v"])
def test_text_is_taken_in_the_order_of_its_bytes(db, upserter, update):
    """Red: the order of the column's own collation is another one."""
    db.execute('CREATE TABLE t (k text COLLATE "en-US-x-icu" PRIMARY KEY, v text);' + WATCH)
    rows = [(k, k) for k in KEYS]
    random.Random(1).shuffle(rows)
    sums = upserter("t", "k", rows, values="v", update=update).run()
    assert sums == Sums(len(KEYS), len(KEYS), 0)
    assert seen(db) == sorted(KEYS, key=str.encode)
    sql = "SELECT array_agg(k ORDER BY k {}) FROM t"
    assert db.value(sql.format('COLLATE "C"')) == seen(db), "another order than in SQL"
    assert db.value(sql.format("")) != seen(db), "turned green"


@pytest.mark.parametrize("type_name, keys, wanted", [
    ("integer", ["10", "9", "-1", "100", " 7 "], ["-1", "7", "9", "10", "100"]),
    ("numeric(5,1)", ["10", "9.04", "9.0"], ["9.0", "10.0"]),
    ("mood", ["a", "z", "m"], ["z", "m", "a"]),
    ("code", ["b", "a"], ["a", "b"]),
    ("text[]", ["{b}", "{a,c}", "{a}"], ["{a}", "{a,c}", "{b}"]),
    ("date", ["2026-01-10", "2026-01-09"], ["2026-01-09", "2026-01-10"]),
])
def test_other_types_are_taken_in_their_own_order(db, upserter, type_name, keys, wanted):
    """Red: as text, 10 is before 9."""
    db.execute(f"""CREATE TYPE mood AS ENUM ('z', 'm', 'a');
        CREATE DOMAIN code AS varchar(3);
        CREATE TABLE t (k {type_name} PRIMARY KEY, v text);""" + WATCH)
    sums = upserter("t", "k", [(k, "x") for k in keys], values="v").run()
    assert sums == Sums(len(keys), len(wanted), len(keys) - len(wanted))
    assert seen(db) == wanted


@pytest.mark.parametrize("update", ["", "v"])
def test_texts_that_are_equal_stay_together(db, upserter, update):
    """A nondeterministic collation.  Red: in the order of the bytes B stands between A
    and a, which are one key: two such programs deadlock, and an update meets one row
    twice (21000)."""
    db.execute("""CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2',
            deterministic = false);
        CREATE TABLE t (k text COLLATE any_case PRIMARY KEY, v text);""" + WATCH)
    rows = [("a", "1"), ("B", "2"), ("A", "3"), ("b", "4")]
    assert upserter("t", "k", rows, values="v", update=update).run() == Sums(4, 2, 2)
    assert [k.lower() for k in seen(db)] == ["a", "b"]
    wanted = [("A", "3"), ("b", "4")] if update else [("a", "1"), ("B", "2")]
    assert db.execute("SELECT k, v FROM t ORDER BY k") == wanted
    with pytest.raises(psycopg.errors.CardinalityViolation):
        db.execute("""INSERT INTO t SELECT DISTINCT ON (k COLLATE "C") k, 'x'
            FROM unnest('{a,B,A,b}'::text[]) k ORDER BY k COLLATE "C"
            ON CONFLICT (k) DO UPDATE SET v = EXCLUDED.v""")


@pytest.mark.parametrize("settings", [
    "", "-c enable_sort=off -c force_parallel_mode=on", "-c enable_hashagg=off -c work_mem=64kB",
])
def test_nothing_stands_between_the_sort_and_the_insert(pairs, settings):
    """The bug: a plan that sorts and then hashes, or gathers from parallel workers."""
    options = ("-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 "
               + settings)
    offset = pairs.cluster.log_size()
    lines = "".join(f"CA{n % 977},PA{n},x\n" for n in range(5000))
    run_pawl(pairs, "upsert", "--table", "pairs", "--key", "aa,nt", "--update", "note", "-",
             input="aa,nt,note\n" + lines, env={"PGOPTIONS": options})
    plan = pairs.cluster.log_text(offset).partition("WITH made AS")[2]
    nodes = re.findall(r"(?:->  |^\t)([A-Z]\w+(?: [A-Z]\w+)*)", plan, re.M)
    assert nodes[:6] == ["Aggregate", "Insert", "Subquery Scan", "Unique", "Sort",
                         "Subquery Scan"], plan
    assert "Sort Key: " in plan and "COLLATE" in plan
    assert not re.search(r"Gather|Parallel|Hash", plan), plan


# -- 0.2: no deadlock ------------------------------------------------------------------


class Rounds:
    """Two sessions begin the same round together, the second in the opposite order."""

    COUNT = 1000
    ROWS = [(f"CA{n:05}", f"PA{n:05}", "x") for n in range(60)]

    def __init__(self, db):
        self.db = db
        self.offset = db.cluster.log_size()

    def check(self):
        log = self.db.cluster.log_text(self.offset)
        assert not re.search(r" (40P01|55P03) ERROR", log), log
        assert self.db.deadlocks() == 0

    def naive(self, between):
        """Unsorted, as the report has it: how many rounds went well, up to COUNT."""
        barrier = threading.Barrier(2)
        deadlocks = []

        def play(rows):
            columns = [list(column) for column in zip(*rows)]
            with self.db.connect() as session:
                for number in range(self.COUNT):
                    if barrier.wait() == 0:
                        session.execute(between)
                    barrier.wait()
                    if deadlocks:
                        return
                    try:
                        session.execute("""INSERT INTO pairs
                            SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
                            ON CONFLICT (aa, nt) DO UPDATE SET note = EXCLUDED.note""",
                                        columns)
                    except psycopg.errors.DeadlockDetected:
                        deadlocks.append(number)

        threads = [threading.Thread(target=play, args=[rows])
                   for rows in (self.ROWS, self.ROWS[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return deadlocks


@pytest.mark.slow
@pytest.mark.deadline(300)
@pytest.mark.parametrize("update, between", [
    ("note", "SELECT"),      # rows that exist are locked
    ("", "TRUNCATE pairs"),  # rows that are new are waited for
])
def test_opposite_orders_do_not_deadlock(pairs, upserter, update, between):
    """1,000 rounds.  Red: unsorted."""
    rounds = Rounds(pairs)
    two = [upserter("pairs", "aa,nt", rows, values="note", update=update, lock=10000)
           for rows in (Rounds.ROWS, Rounds.ROWS[::-1])]
    created = 0
    with pairs.connect() as session:
        for _ in range(Rounds.COUNT):
            session.execute(between)
            for one in two:
                one.go()
            answers = [one.answer() for one in two]
            assert all(isinstance(a, Sums) for a in answers), answers
            created += sum(a.created for a in answers)
    wanted = len(Rounds.ROWS) * (Rounds.COUNT if "TRUNCATE" in between else 1)
    assert created == wanted
    rounds.check()


def test_unsorted_writers_deadlock(pairs):
    """The naive variant of the rounds above: 40P01."""
    assert Rounds(pairs).naive("TRUNCATE pairs"), "turned green"


# -- 0.3: settings of the transaction ------------------------------------------------


def test_limits_are_the_transactions_own(pairs):
    """Inside, on the backend that inserts, the configured lock_timeout; after COMMIT and
    after ROLLBACK the session's own again.  Red: SET LOCAL outside a transaction."""
    pairs.execute("""CREATE TABLE limits (pid int, lock_timeout text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            INSERT INTO limits VALUES (pg_backend_pid(), current_setting('lock_timeout'));
            IF NEW.aa = 'bad' THEN RAISE 'refused at %', NEW.note; END IF;
            RETURN NEW; END$$;
        CREATE TRIGGER note BEFORE INSERT ON pairs FOR EACH ROW EXECUTE FUNCTION note()""")

    def upsert(key, check):
        return run_pawl(pooled, "upsert", "--table", "pairs", "--key", "aa,nt",
                        "--lock-timeout", "700ms", "-", input=f"aa,nt\n{key},1\n", check=check)

    with Pooler(pairs.cluster) as pooler:
        pooled = pooler.database(pairs)
        with pooled.connect() as session:
            former = session.execute(
                "SELECT pg_backend_pid(), set_config('lock_timeout', '1234ms', false)").fetchone()
            look = "SELECT pg_backend_pid(), current_setting('lock_timeout')"
            upsert("good", 0)
            assert session.execute(look).fetchone() == former
            assert pairs.execute("TABLE limits") == [(former[0], "700ms")]
            assert "refused" in upsert("bad", 1).stderr
            assert session.execute(look).fetchone() == former
            session.execute("SET LOCAL lock_timeout = '700ms'")
            session.execute("INSERT INTO pairs VALUES ('naive', '1')")
    assert pairs.execute("SELECT lock_timeout FROM limits OFFSET 1") == [("1234ms",)], \
        "turned green"


def test_triggers_see_the_users_search_path(db):
    """Red: pg_catalog alone, under which a user's trigger does not find its tables."""
    db.execute("""CREATE SCHEMA app; ALTER ROLE postgres IN DATABASE """ + db.name +
               """ SET search_path = app, public""")
    db.execute("CREATE TABLE app.t (k text PRIMARY KEY);" + WATCH)
    run_pawl(db, "upsert", "--table", "t", "--key", "k", "-", input="k\nx\n")
    assert seen(db) == ["x"]
    with db.connect() as session:
        session.execute("SET search_path = pg_catalog")
        with pytest.raises(psycopg.errors.UndefinedTable):
            session.execute("INSERT INTO app.t VALUES ('naive')")


# -- 0.8: counts ---------------------------------------------------------------------------


PLAIN = "CREATE TABLE t (k int, v text, PRIMARY KEY (k))"
PARTITIONED = """CREATE TABLE t (v text, k int, PRIMARY KEY (k)) PARTITION BY HASH (k);
    CREATE TABLE t0 (k int NOT NULL, gone int, v text);
    ALTER TABLE t0 DROP COLUMN gone;
    ALTER TABLE t ATTACH PARTITION t0 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1)"""


@pytest.mark.parametrize("table", [PLAIN, PARTITIONED], ids=["plain", "partitioned"])
@pytest.mark.parametrize("update", ["", "v"])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_counts_beside_a_holder(db, upserter, table, update, end):
    """Two keys that exist, two that a transaction in progress brings, three that are new.
    Red: looking first which keys exist."""
    db.execute(table)
    db.execute("INSERT INTO t (k, v) VALUES (1, 'old'), (2, 'old')")
    rows = [(k, "new") for k in (7, 6, 5, 4, 3, 2, 1)]
    with Holder(db, "INSERT INTO t (k, v) VALUES (3, 'held'), (4, 'held')") as holder:
        looked = db.value("SELECT count(*) FROM t WHERE k = ANY ('{7,6,5,4,3,2,1}')")
        one = upserter("t", "k", rows, values="v", update=update).go()
        wait_for_waiters(db)
        getattr(holder, end)()
        sums = one.answer()
    existing = 4 if end == "commit" else 2
    assert sums == Sums(7, 7 - existing, existing)
    values = dict(db.execute("SELECT v, count(*) FROM t GROUP BY v"))
    if update:
        assert values == {"new": 7}
    else:
        assert values == ({"old": 2, "held": 2, "new": 3} if end == "commit"
                          else {"old": 2, "new": 5})
    assert (looked == sums.existing) == (end == "rollback"), "turned green"


def test_counts_beside_a_trigger_that_leaves_rows_out(db, upserter):
    """Rows that a trigger does not let through are not new.  Red: counting conflicts."""
    db.execute("""CREATE TABLE t (k int PRIMARY KEY, v text);
        INSERT INTO t VALUES (1, 'same'), (2, 'other');
        CREATE TRIGGER same BEFORE UPDATE ON t FOR EACH ROW
            EXECUTE FUNCTION suppress_redundant_updates_trigger()""")
    rows = [(k, "same") for k in (1, 2, 3, 4)]
    assert upserter("t", "k", rows, values="v", update="v").run() == Sums(4, 2, 2)


def test_counts_of_keys_that_are_equal_and_look_different(db, upserter):
    """Red: comparing the key that was given with the key that is there."""
    db.execute("CREATE TABLE t (k numeric PRIMARY KEY, v text); INSERT INTO t VALUES (1.0, 'x')")
    rows = [("1.00", "a"), ("2.0", "b"), ("2", "c")]
    assert upserter("t", "k", rows, values="v", update="v").run() == Sums(3, 1, 2)
    assert db.execute("SELECT v FROM t ORDER BY k") == [("a",), ("c",)]


@pytest.mark.parametrize("update, kept", [("", "first"), ("v", "last")])
@pytest.mark.parametrize("chunk", [2, 100])
def test_of_rows_with_one_key_one_counts(db, upserter, update, kept, chunk):
    """Whatever lies between them, and however the rows are cut."""
    db.execute("CREATE TABLE t (k text PRIMARY KEY, v text)")
    rows = [("a", "first"), ("b", "x"), ("c", "x"), ("d", "x"), ("a", "middle"), ("a", "last")]
    one = upserter("t", "k", rows, values="v", update=update, chunk=chunk, progress=1)
    assert one.run() == Sums(6, 4, 2)
    assert db.value("SELECT v FROM t WHERE k = 'a'") == kept
    assert one.so_far[-1] == Sums(6, 4, 2)
    assert [s.rows for s in one.so_far] == ([2, 4, 6] if chunk == 2 else [6])


def test_empty_input_sends_nothing(db, upserter):
    """Not even a look at a table that is not there."""
    offset = db.cluster.log_size()
    assert upserter("nowhere", "k", []).run() == Sums(0, 0, 0)
    assert "nowhere" not in db.cluster.log_text(offset)


# -- all or nothing ----------------------------------------------------------------------


def test_a_single_transaction(pairs, upserter):
    """Red: by chunks what is before the bad row stays."""
    rows = [(f"CA{n}", f"PA{n}", "x") for n in range(30000)]
    bad = rows[:25000] + [("CA\x01", "bad\\", None)] + rows[25000:]
    pairs.execute("ALTER TABLE pairs ADD CHECK (nt <> 'bad\\')")
    refused = upserter("pairs", "aa,nt", bad, values="note", single=1).run()
    assert isinstance(refused, Refusal) and refused.sqlstate == "23514"
    assert refused.message.startswith("row 25001: "), refused
    assert pairs.value("SELECT count(*) FROM pairs") == 0
    by_chunks = upserter("pairs", "aa,nt", bad, values="note", progress=1)
    assert by_chunks.run().message.startswith("row 25001: ")
    assert by_chunks.so_far[-1] == Sums(20000, 20000, 0)
    assert pairs.value("SELECT count(*) FROM pairs") == 20000
    whole = upserter("pairs", "aa,nt", rows, values="note", single=1)
    assert whole.run() == Sums(30000, 10000, 20000)


@pytest.mark.parametrize("rows, options, status, words", [
    ([("a", None, "x")], {}, "PAWL_ERR_ARGUMENT", 'row 1: key column "nt" is NULL'),
    ([("a", "b", "x")], {"chunk": 100001}, "PAWL_ERR_ARGUMENT", "chunk_rows"),
    ([("a", "b", "x")], {"update": "aa"}, "PAWL_ERR_ARGUMENT", "is a key"),
    ([("a", "b", "x")], {"update": "other"}, "PAWL_ERR_ARGUMENT", "to be updated"),
    ([("a", "b", "x")], {"values": "nt"}, "PAWL_ERR_ARGUMENT", "named twice"),
])
def test_what_is_refused_before_it_is_sent(pairs, upserter, rows, options, status, words):
    options = {"values": "note"} | options
    refused = upserter("pairs", "aa,nt", rows, **options).run()
    assert refused.status == status and words in refused.message, refused
    assert pairs.value("SELECT count(*) FROM pairs") == 0
