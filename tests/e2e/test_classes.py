"""The classes of SQLSTATEs, each injected at a real server.

The bug: a deadlock's loser that is tried again inside its failed transaction (25P02 from
then on), for ever, at once, in step with the other loser, or not at all.
"""

import datetime
import os
import re
import signal

import psycopg
import pytest
from harness.calls import run
from harness.program import run_pawl
from harness.proxy import CUT_BEFORE, Proxy
from harness.wait import wait_until

TRANSIENT = ("40001", "40P01", "55P03", "25006", "53000", "53100", "53200", "53300", "53400")
LOST = ("08000", "08001", "08003", "08006", "08P01", "57P01", "57P02", "57P03", "57P04",
        "57P05", "25P03")
OWN = {"PW001": ("PAWL_ERR_STALE", 5), "PW002": ("PAWL_ERR_LEASE", 5),
       "PW003": ("PAWL_ERR_CONFLICT", 5), "PW004": ("PAWL_ERR_REFUSED", 5),
       "P0002": ("PAWL_ERR_NOT_FOUND", 3), "22023": ("PAWL_ERR_ARGUMENT", 2)}
PERMANENT = ("22012", "23505", "25P02", "40002", "42501", "57000", "57014", "P0001", "XX000")

# flaky: raises at the first n calls, whatever becomes of their transactions
FLAKY = """
CREATE SEQUENCE public.tries;
CREATE FUNCTION public.flaky(sqlstate text, n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE try bigint := nextval('public.tries');
BEGIN
    IF try <= n THEN
        RAISE EXCEPTION 'try % of transaction %', try, pg_current_xact_id()
            USING ERRCODE = sqlstate;
    END IF;
    RETURN try;
END $$;
"""
FOR_EVER = 1000000
FIRST_MS, LONGEST_MS, JITTER = 20, 1000, 0.5  # src/db/backoff.c

LINE = re.compile(r"^(\S+ \S+) UTC \[(\d+)\] pawl test calls (\w{5}) (?:ERROR|FATAL):  (.*)$")


@pytest.fixture
def flaky(db):
    """The database, with a function that fails; nothing of the log before counts."""
    db.execute(FLAKY)
    db.offset = db.cluster.log_size()
    return db


def call(database, sqlstate, n, **options):
    return run(database, f"SELECT public.flaky('{sqlstate}', {n})", **options)


class Try:
    """One failed try, as the server's log has it."""

    def __init__(self, match):
        when, pid, self.sqlstate, self.message = match.groups()
        self.at = datetime.datetime.strptime(when, "%Y-%m-%d %H:%M:%S.%f").timestamp()
        self.pid = int(pid)


def failures(database):
    lines = database.cluster.log_text(database.offset).splitlines()
    return [Try(match) for match in map(LINE.match, lines) if match]


def transactions(tries):
    return {t.message.rpartition(" ")[2] for t in tries}


def pauses(tries):
    return [1000 * (b.at - a.at) for a, b in zip(tries, tries[1:])]


def nominal(at):
    return min(FIRST_MS << at, LONGEST_MS)


# ---------------------------------------------------------------- each class ------


def test_naive_retry_in_the_failed_transaction(flaky):
    """Red: the loser of a deadlock tries its statement again, where it is."""
    with flaky.connect(autocommit=False) as naive:
        said = []
        for _ in range(3):
            try:
                naive.execute("SELECT public.flaky('40P01', 1)")
            except psycopg.Error as error:
                said.append(error.sqlstate)
    assert said == ["40P01", "25P02", "25P02"], "turned green"


@pytest.mark.parametrize("sqlstate", TRANSIENT + LOST)
def test_is_tried_again(flaky, sqlstate):
    """Three failures, then it works: four tries, each in a transaction of its own, with
    pauses that grow; a class that costs the connection gets a new one."""
    answer = call(flaky, sqlstate, 3, deadline_ms=20000).answer()
    assert (answer.status, answer.value, answer.message) == ("PAWL_OK", "4", "")
    tries = failures(flaky)
    assert [t.sqlstate for t in tries] == [sqlstate] * 3, "no 25P02, nothing else"
    assert len(transactions(tries)) == 3
    new = sqlstate in LOST or sqlstate == "25006"
    assert len({t.pid for t in tries}) == (3 if new else 1)
    for at, pause in enumerate(pauses(tries)):
        assert pause >= nominal(at) * (1 - JITTER) - 1, (at, pause)


@pytest.mark.parametrize("sqlstate", TRANSIENT + LOST)
def test_once_is_once(flaky, sqlstate):
    """Who tries again himself (the worker's threads) gets one try, and its class."""
    answer = call(flaky, sqlstate, FOR_EVER).answer()
    lost = sqlstate in LOST
    assert answer.status == ("PAWL_ERR_CONNECTION" if lost else "PAWL_ERR_TRANSIENT")
    assert (answer.sqlstate, answer.exit_code) == (sqlstate, 4 if lost else 1)
    assert answer.message.startswith("try 1 of transaction ")
    assert len(failures(flaky)) == 1


@pytest.mark.parametrize("sqlstate", [*OWN, *PERMANENT])
def test_is_not_tried_again(flaky, sqlstate):
    """Stale, refused, permanent: reported at once, after one try."""
    answer = call(flaky, sqlstate, FOR_EVER, deadline_ms=20000).answer()
    status, code = OWN.get(sqlstate, ("PAWL_ERR_DATABASE", 1))
    assert (answer.status, answer.sqlstate, answer.exit_code) == (status, sqlstate, code)
    assert answer.elapsed_ms < 10000 and len(failures(flaky)) == 1


@pytest.mark.parametrize("sqlstate", ["40P01", "57P01"])
def test_tries_end_with_the_deadline(flaky, sqlstate):
    """For ever: it ends by the deadline of the whole, with the last error, and has tried
    as often as the pauses allow."""
    answer = call(flaky, sqlstate, FOR_EVER, deadline_ms=2500).answer()
    assert answer.sqlstate == sqlstate
    assert 2500 <= answer.elapsed_ms < 10000
    tries = failures(flaky)
    assert len(transactions(tries)) == len(tries)
    fewest = sum(sum(nominal(at) * (1 + JITTER) for at in range(n)) < 2000 for n in range(20))
    assert 3 <= len(tries) <= 20 and fewest <= len(tries) + 3, len(tries)


def test_losers_do_not_stay_in_step(flaky):
    """Eight that fail together do not come back together: in the sixth pause, of 640 ms,
    their jitter has spread them."""
    calls = [call(flaky, "40P01", FOR_EVER, deadline_ms=4000) for _ in range(8)]
    for one in calls:
        one.answer()
    by_pid = {}
    for t in failures(flaky):
        by_pid.setdefault(t.pid, []).append(t)
    sixth = sorted(pauses(tries)[5] for tries in by_pid.values())
    assert len(sixth) == 8 and sixth[0] >= 640 * (1 - JITTER) - 1
    assert sixth[-1] - sixth[0] > 100, sixth


def test_naive_losers_stay_in_step():
    """Red: the same pauses without jitter are the same for all."""
    naive = [nominal(5) for _ in range(8)]
    assert max(naive) - min(naive) == 0, "turned green"


# ---------------------------------------------------------------- real ones -------


def test_real_deadlock(flaky):
    """A cycle with another session: the call is chosen, gives way, and is done then."""
    flaky.execute("CREATE TABLE public.cycle (k text PRIMARY KEY, n int)")
    flaky.execute("INSERT INTO cycle VALUES ('a', 0), ('b', 0)")
    # waits for the other session to be waiting for `a`, so that it closes the cycle itself
    flaky.execute("""CREATE FUNCTION public.a_then_b() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE public.cycle SET n = n + 1 WHERE k = 'a';
            WHILE nextval('public.tries') > 0
                AND NOT EXISTS (SELECT FROM public.turn WHERE over)
                AND NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP
                PERFORM pg_sleep(0.01);
            END LOOP;
            UPDATE public.cycle SET n = n + 1 WHERE k = 'b';
        END $$""")
    flaky.execute("CREATE TABLE public.turn (over bool)")
    with flaky.connect(autocommit=False) as other:
        other.execute("SET deadlock_timeout = '1h'")  # not it: the call is to find the cycle
        other.execute("UPDATE cycle SET n = n + 10 WHERE k = 'b'")
        with run(flaky, "SELECT public.a_then_b()", lock_ms=20000, deadline_ms=30000) as mine:
            wait_until(lambda: flaky.value("SELECT last_value > 1 FROM tries"), 30, "`a`")
            other.execute("UPDATE cycle SET n = n + 10 WHERE k = 'a'")  # waits until it gives way
            other.execute("INSERT INTO turn VALUES (true)")
            other.commit()
            assert mine.answer().status == "PAWL_OK"
    assert [t.sqlstate for t in failures(flaky)] == ["40P01"]
    assert flaky.execute("SELECT k, n FROM cycle ORDER BY k") == [("a", 11), ("b", 11)]


def test_real_lock_timeout_within_the_deadline(flaky):
    """A lock_timeout longer than the deadline: the deadline is the bound."""
    flaky.execute("CREATE TABLE public.held AS SELECT 1 AS n")
    with flaky.connect(autocommit=False) as holder:
        holder.execute("UPDATE held SET n = 2")
        answer = run(flaky, "UPDATE public.held SET n = 3", lock_ms=20000,
                     deadline_ms=1500).answer()
        holder.commit()
        pid = holder.info.backend_pid
    assert answer.sqlstate == "55P03" and 1300 <= answer.elapsed_ms < 15000
    # also when the last try was too short for a look
    assert answer.detail.startswith(f"Process {pid} "), answer
    assert flaky.value("SELECT n FROM held") == 2


def test_real_lock_timeout_then_done(flaky):
    """Several waits that are too long, then the holder ends."""
    flaky.execute("CREATE TABLE public.held AS SELECT 1 AS n")
    with flaky.connect(autocommit=False) as holder:
        holder.execute("UPDATE held SET n = 2")
        with run(flaky, "UPDATE public.held SET n = n + 1", lock_ms=200,
                 deadline_ms=30000) as mine:
            wait_until(lambda: len(failures(flaky)) >= 3, 20, "three failures")
            holder.commit()
            assert mine.answer().status == "PAWL_OK"
    assert {t.sqlstate for t in failures(flaky)} == {"55P03"}
    assert flaky.value("SELECT n FROM held") == 3


SLOW = "SELECT pg_sleep(CASE WHEN nextval('public.tries') <= 2 THEN 20 ELSE 0 END)"


def test_real_statement_timeout(flaky):
    """Our own limit: tried again."""
    answer = run(flaky, SLOW, statement_ms=300, deadline_ms=30000).answer()
    assert answer.status == "PAWL_OK"
    assert [t.sqlstate for t in failures(flaky)] == ["57014", "57014"]


def test_real_cancel_is_final(flaky):
    """Somebody cancelled the statement: he would not thank for another try."""
    with run(flaky, SLOW, deadline_ms=30000) as mine:
        wait_until(lambda: flaky.value("SELECT is_called FROM tries"), 30, "the statement")
        flaky.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                      " WHERE application_name = 'pawl test calls'")
        answer = mine.answer()
    assert (answer.sqlstate, answer.status) == ("57014", "PAWL_ERR_DATABASE")
    assert len(failures(flaky)) == 1


def test_real_termination(flaky):
    """57P01 in the middle of a statement, twice: a new connection each time."""
    with run(flaky, SLOW, deadline_ms=30000) as mine:
        for n in (1, 2):
            wait_until(lambda: flaky.value("SELECT last_value = %s AND is_called FROM tries", [n]),
                       30, "the statement")
            flaky.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE application_name = 'pawl test calls'")
        assert mine.answer().status == "PAWL_OK"
    assert [t.sqlstate for t in failures(flaky)] == ["57P01", "57P01"]


def test_real_cut(flaky):
    """08006 of libpq: the connection is cut at the statement, three times."""
    with Proxy(flaky) as proxy:
        fault = proxy.fault(CUT_BEFORE, lambda m: "flaky" in m.sql(), times=3)
        conninfo = f"{flaky.conninfo()} host='{proxy.directory}' port='5432'"
        answer = call(flaky, "40001", 0, deadline_ms=30000, conninfo=conninfo).answer()
        assert fault.times == 0 and proxy.connections == 4
    assert (answer.status, answer.value) == ("PAWL_OK", "1"), "done once"


@pytest.fixture
def server(base_cluster):
    """A server of this test's own, small, which remembers what was committed."""
    own = base_cluster.copy(durable=False, settings={
        "max_connections": "12", "fsync": "on", "synchronous_commit": "on"}).start()
    yield own
    own.remove()


def own_flaky(server):
    database = server.new_database()
    database.execute(FLAKY)
    database.offset = server.log_size()
    return database


def test_real_too_many_connections(server):
    """53300 while connecting: exit code 4 after the deadline; done when one is free."""
    db = own_flaky(server)
    db.execute("CREATE ROLE many LOGIN; GRANT ALL ON SEQUENCE tries TO many")
    taken = []
    with pytest.raises(psycopg.OperationalError):
        while True:
            taken.append(db.connect("many"))
    answer = call(db, "40001", 0, user="many", deadline_ms=1000).answer()
    assert (answer.status, answer.exit_code) == ("PAWL_ERR_CONNECT", 4)
    assert "too many" in answer.message or "connection slots" in answer.message
    with call(db, "40001", 0, user="many", deadline_ms=30000) as mine:
        before = server.log_count("53300")
        wait_until(lambda: server.log_count("53300") > before + 2, 20, "it to try")
        for one in taken:
            one.close()
        assert mine.answer().status == "PAWL_OK"


def test_real_crash_and_recovery(server):
    """A backend beside it crashes: 57P02, as the server tells the client alone, and 57P03
    while it recovers."""
    db = own_flaky(server)
    with run(db, SLOW, deadline_ms=60000, statement_ms=60000) as mine:
        wait_until(lambda: db.value("SELECT is_called FROM tries"), 30, "the statement")
        with db.connect() as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
            answer = mine.answer()
    assert answer.status == "PAWL_OK", answer
    assert "was terminated by signal 9" in server.log_text(db.offset)


def test_real_shutdown(server):
    """57P03: a server that lets its last session end takes nobody new; then it is away,
    then it is back."""
    db = own_flaky(server)
    holder = db.connect()
    server.process.send_signal(signal.SIGTERM)  # smart: waits for the holder
    with call(db, "40001", 0, deadline_ms=60000) as mine:
        wait_until(lambda: server.log_count("57P03"), 20, "it to be refused")
        holder.close()
        server.process.wait(20)
        server.start()
        assert mine.answer().status == "PAWL_OK"


def test_real_failover(server):
    """25006 and its like: the server is a standby when the call begins, and is promoted."""
    db = own_flaky(server)
    server.stop()
    standby = server.data / "standby.signal"
    standby.touch()
    server.start()
    answer = call(db, "40001", 0).answer()
    assert (answer.status, answer.exit_code) == ("PAWL_ERR_TRANSIENT", 1), answer
    with call(db, "40001", 0, deadline_ms=60000) as mine:
        before = server.log_count("0A000")
        wait_until(lambda: server.log_count("0A000") > before + 1, 20, "it to try")
        with server.database("postgres").connect() as connection:
            connection.execute("SELECT pg_promote()")
        assert mine.answer().status == "PAWL_OK"


def test_real_read_only_transaction(flaky):
    """25006 itself, from a statement that writes."""
    flaky.execute("CREATE TABLE public.written (n int)")
    flaky.execute("""CREATE FUNCTION public.write() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM set_config('transaction_read_only',
                CASE WHEN nextval('public.tries') <= 2 THEN 'on' ELSE 'off' END, true);
            INSERT INTO public.written VALUES (1);
        END $$""")
    answer = run(flaky, "SELECT public.write()", deadline_ms=30000).answer()
    assert answer.status == "PAWL_OK"
    assert [t.sqlstate for t in failures(flaky)] == ["25006", "25006"]
    assert flaky.value("SELECT count(*) FROM written") == 1


def test_real_temporary_file_limit(flaky):
    """53400, from a statement that needs too much of the disk for a moment."""
    flaky.execute("""CREATE FUNCTION public.sort() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM set_config('work_mem', '64', true), set_config('temp_file_limit',
                CASE WHEN nextval('public.tries') <= 2 THEN '64' ELSE '-1' END, true);
            PERFORM count(*) FROM (SELECT DISTINCT md5(g::text)
                FROM generate_series(1, 20000) g) d;
        END $$""")
    answer = run(flaky, "SELECT public.sort()", deadline_ms=30000).answer()
    assert answer.status == "PAWL_OK", answer
    assert [t.sqlstate for t in failures(flaky)] == ["53400", "53400"]


# ---------------------------------------------------------------- the program ------


EXIT = [("40P01", 2, 0), ("55P03", 2, 0), ("53100", 2, 0), ("57P01", 2, 0), ("08006", 2, 0),
        ("23514", FOR_EVER, 1), ("PW004", FOR_EVER, 5), ("22023", FOR_EVER, 2),
        ("P0002", FOR_EVER, 3)]


@pytest.mark.parametrize("sqlstate, n, code", EXIT)
def test_exit_code_of_the_program(flaky, pawl, sqlstate, n, code):
    """pawl push where a trigger on the table raises: tried again, or told."""
    flaky.execute(f"""CREATE FUNCTION public.raise() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM public.flaky('{sqlstate}', {n}); RETURN NEW; END $$""")
    flaky.execute("GRANT ALL ON SEQUENCE public.tries TO PUBLIC")
    flaky.execute("CREATE TRIGGER raise BEFORE INSERT ON pawl.ready FOR EACH ROW"
                  " EXECUTE FUNCTION public.raise()")
    result = run_pawl(flaky, "push", "k", check=code)
    assert flaky.value("SELECT count(*) FROM pawl.job") == (1 if code == 0 else 0)
    assert flaky.value("SELECT last_value FROM tries") == (3 if code == 0 else 1)
    assert code == 0 or f"(SQLSTATE {sqlstate})" in result.stderr
