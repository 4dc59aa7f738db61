"""A wait for a lock ends, and says for whom it was.

The bug: "canceling statement due to lock timeout", and nobody knows any more who held
the lock, for how long, and what it was about (report 000).
"""

import re
import time

import psycopg
import pytest
from harness.calls import Call, run
from harness.pooler import Pooler
from harness.program import Worker
from harness.proxy import SILENCE, Proxy
from harness.wait import wait_until

UPDATE = "UPDATE public.pairs SET n = n + 1 WHERE aa = 'CA1' AND nt = 'CA2'"
INSERT = "INSERT INTO public.pairs VALUES ('CA3', 'CA4') ON CONFLICT DO NOTHING"
WATCHES = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
           " AND application_name LIKE 'pawl watch%'")


@pytest.fixture
def pairs(db):
    """The database with a table of the user's own."""
    db.execute("CREATE TABLE pairs (aa text, nt text, n int DEFAULT 0, PRIMARY KEY (aa, nt))")
    db.execute("INSERT INTO pairs VALUES ('CA1', 'CA2')")
    db.execute("GRANT ALL ON pairs TO PUBLIC")
    return db


class Holder:
    """A session that holds what it has locked; a context manager that rolls back."""

    def __init__(self, database, *statements, name="report", user="postgres"):
        self.connection = database.connect(user, autocommit=False, application_name=name)
        for statement in statements:
            self.connection.execute(statement)
        self.pid = self.connection.info.backend_pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


def wait_blocked(database, n=1):
    """Until n sessions wait for a lock."""
    wait_until(lambda: database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock'") == n, 30, f"{n} sessions to wait for a lock")


def blocked_call(database, sql, *holding, name="report", user="postgres", holder="postgres",
                 lock_ms=2000, **options):
    """The answer of a call that the holder keeps waiting until its lock_timeout, and the
    holder's pid; the holder is unharmed, and its transaction can still commit."""
    with Holder(database, *holding, name=name, user=holder) as other:
        answer = run(database, sql, lock_ms=lock_ms, user=user, **options).answer()
        other.connection.execute("SELECT 1")
        other.connection.commit()
        return answer, other.pid


def test_row_lock_names_relation_and_holder(pairs):
    """A row that is being updated: relation, and the holder's pid, name, state, age."""
    answer, pid = blocked_call(pairs, UPDATE, UPDATE)
    assert answer.sqlstate == "55P03" and answer.status == "PAWL_ERR_TRANSIENT"
    assert re.fullmatch(r'could not get a lock on relation "pairs" within 2(\.\d)? s',
                        answer.message)
    assert re.fullmatch(rf'Process {pid} \("report", idle in transaction for \d s\) holds it\.',
                        answer.detail)
    assert pairs.value("SELECT n FROM pairs") == 1, "the holder's write"


def test_unique_key_names_the_key(pairs):
    """An insert of a key that another transaction has inserted; the caller knows the key."""
    answer, pid = blocked_call(pairs, INSERT, INSERT, key="(aa, nt) = (CA3, CA4)")
    assert re.fullmatch(r'could not get a lock on relation "pairs" within 2(\.\d)? s:'
                        r' key \(aa, nt\) = \(CA3, CA4\)', answer.message)
    assert answer.detail.startswith(f'Process {pid} ("report", idle in transaction for ')


def test_table_lock(pairs):
    answer, pid = blocked_call(pairs, UPDATE, "LOCK TABLE pairs")
    assert answer.message.startswith('could not get a lock on relation "pairs" within 2')
    assert answer.detail.startswith(f'Process {pid} ("report", idle in transaction for ')


def test_chain(pairs):
    """The first in the queue waits itself: who does not is named."""
    with Holder(pairs, UPDATE) as holder:
        with run(pairs, UPDATE, lock_ms=20000) as first:
            wait_blocked(pairs)
            answer = run(pairs, UPDATE, lock_ms=2000).answer()
            assert first.waiting()
            holder.connection.commit()
            assert first.answer().status == "PAWL_OK"
    assert re.fullmatch(rf'Process \d+ holds it or is before it, and waits for process '
                        rf'{holder.pid} \("report", idle in transaction for .*\)\.',
                        answer.detail), answer.detail


def test_prepared_transaction(base_cluster):
    """No session holds it (pid 0): the transaction's name is told."""
    own = base_cluster.copy(durable=False, settings={"max_prepared_transactions": "4"}).start()
    try:
        db = own.new_database()
        db.execute("CREATE TABLE pairs (n int)")
        for statement, relation in (("UPDATE public.pairs SET n = 2", "pairs"),
                                    ("LOCK TABLE public.pairs", "pairs")):
            db.execute("TRUNCATE pairs")
            db.execute("INSERT INTO pairs VALUES (1)")
            with Holder(db, statement) as holder:
                holder.connection.execute("PREPARE TRANSACTION 'nightly'")
            answer = run(db, "UPDATE public.pairs SET n = 3", lock_ms=1000).answer()
            assert answer.message.startswith(f'could not get a lock on relation "{relation}"')
            assert re.fullmatch(r'Prepared transaction "nightly" \(of role "postgres", \d+ s old\)'
                                r' holds it\.', answer.detail), answer.detail
            db.execute("ROLLBACK PREPARED 'nightly'")
    finally:
        own.remove()


@pytest.fixture
def stranger(cluster):
    cluster.database("postgres").execute("CREATE ROLE stranger LOGIN")
    yield "stranger"
    cluster.database("postgres").execute("DROP ROLE stranger")


def test_session_of_another_role(pairs, stranger):
    """What another role's session does may not be seen: then that is said."""
    answer, pid = blocked_call(pairs, UPDATE, UPDATE, user=stranger)
    assert answer.detail == (f'Process {pid} ("report", a session of another role, "postgres")'
                             ' holds it.')


PUSH_MANY = ("SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[3]),"
             " unique_keys => ARRAY['c', 'b', 'a'])")


def test_unique_key_of_a_push(db, api):
    """Of many keys the one that was waited for is named, and who holds it; nothing of the
    search for it is left."""
    with Holder(db, "SELECT pawl.push('k', unique_key => 'b')") as holder:
        answer = run(db, PUSH_MANY, lock_ms=2500).answer()
        assert (answer.status, answer.sqlstate) == ("PAWL_ERR_TRANSIENT", "55P03")
        assert answer.message == 'could not get unique key "b" within 2500ms'
        assert re.fullmatch(r"Another transaction has taken or freed it, and is still open\."
                            rf' Process {holder.pid} \("report", idle in .*\) holds it\.',
                            answer.detail)
        assert api.query("SELECT FROM pawl.unique_key") == []
        with db.connect() as psql:
            psql.execute("SET lock_timeout = '200 ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable, match='unique key "b" within'):
                psql.execute(PUSH_MANY)
        holder.connection.commit()
    assert run(db, PUSH_MANY).answer().value == "3"
    assert api.one("SELECT count(*) FROM pawl.unique_key") == 3


def test_unique_key_of_a_push_that_takes_key_after_key(db):
    """Another transaction came between: then the keys are taken one by one, and the one
    that is waited for there is named, too."""
    with Holder(db, "SELECT pawl.push('k', unique_key => 'a')") as first:
        with Holder(db, "SELECT pawl.push('k', unique_key => 'b')") as second:
            with run(db, PUSH_MANY, lock_ms=2500) as push:
                wait_blocked(db)
                first.connection.commit()
                answer = push.answer()
    assert answer.message == 'could not get unique key "b" within 2500ms'
    assert f"Process {second.pid} " in answer.detail


@pytest.mark.slow
def test_unique_key_of_the_command(db, pawl):
    """pawl push --unique tries as long as a command does, and then says all of it."""
    with Holder(db, "SELECT pawl.push('k', unique_key => 'customer-17')") as holder:
        result = pawl("push", "k", "--unique", "customer-17", check=1)
    lines = result.stderr.splitlines()
    assert re.fullmatch(r'pawl: error: could not get unique key "customer-17" within .*'
                        r" \(SQLSTATE 55P03\)", lines[0]), result.stderr
    assert f'Process {holder.pid} ("report", idle in transaction for ' in lines[1]
    assert db.value("SELECT count(*) FROM pawl.job") == 0


def test_second_fence_names_the_job(db, api):
    """A handler's transaction keeps the claim: who fences it again is told which job, in
    SQL, and by whom it is held, where Pawl's own connection asks."""
    job, fence = api.push(), api.claim_one(api.worker_start()).fence
    fences = f"SELECT pawl.fence({job}, {fence})"
    with Holder(db, fences, name=f"pawl job {job}") as holder:
        answer = run(db, fences, lock_ms=5000).answer()
        assert answer.sqlstate == "55P03" and answer.elapsed_ms >= 4500, answer
        assert answer.message == f"claim of job {job} is fenced by an open transaction"
        assert f'Process {holder.pid} ("pawl job {job}", idle in transaction' in answer.detail
        with run(db, fences, lock_ms=5000) as waiting:
            wait_blocked(db)
            holder.connection.commit()
            assert waiting.answer().status == "PAWL_OK"
    with Holder(db, fences, f"SELECT pawl.complete({job}, {fence})", name="it ends") as holder:
        with run(db, fences, lock_ms=5000) as waiting:
            wait_blocked(db)
            holder.connection.commit()
            assert waiting.answer().sqlstate == "PW001"


def test_names_from_a_hostile_session(pairs):
    """A name of 63 bytes with quotes in it is no trouble."""
    name = 'a"%s' + "x" * 59
    answer, _ = blocked_call(pairs, UPDATE, UPDATE, name=name)
    assert f'("{name}", idle in transaction' in answer.detail


def test_statement_timeout(pairs):
    """Our own statement_timeout ends the wait first."""
    answer, pid = blocked_call(pairs, UPDATE, UPDATE, lock_ms=3000, statement_ms=2000)
    assert answer.sqlstate == "57014" and answer.status == "PAWL_ERR_TRANSIENT"
    assert answer.detail.startswith(
        f'It waited for a lock on relation "pairs". Process {pid} ("report", idle in ')


def test_script_and_second_statement(pairs):
    """Every way into the server: a later statement of a transaction, a script."""
    for verb, words in (("steps", ["SELECT 1", UPDATE]), ("script", [f"SELECT 1; {UPDATE}"])):
        with Holder(pairs, UPDATE) as holder:
            with Call(verb, pairs.conninfo(), 2000, 30000, *words) as call:
                answer = call.answer()
        assert answer.detail.startswith(f'Process {holder.pid} ("report"'), (verb, answer)


def test_commit_that_waits(pairs):
    """A deferred constraint waits while COMMIT runs."""
    pairs.execute("CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with Holder(pairs, "INSERT INTO late VALUES (1)") as holder:
        answer = run(pairs, "INSERT INTO public.late VALUES (1)", lock_ms=2000).answer()
    assert answer.sqlstate == "55P03", answer
    assert answer.detail.startswith(f'Process {holder.pid} ("report"'), answer


def test_holder_that_commits_in_time(pairs):
    """No error, and nothing is left of the second connection."""
    with Proxy(pairs) as proxy, Holder(pairs, UPDATE) as holder:
        with run(pairs, UPDATE, lock_ms=25000, conninfo=through(proxy, pairs)) as call:
            # its session is over in no time: who asks the server now and then may miss it
            wait_until(lambda: any(application.startswith("pawl watch") for application, *_
                                   in list(proxy.messages)), 20, "a look")
            holder.connection.commit()
            assert call.answer().status == "PAWL_OK"
    assert pairs.value("SELECT n FROM pairs") == 2
    wait_until(lambda: not pairs.value(WATCHES), 30, "the look's session to end")


@pytest.mark.parametrize("message", [0, 1])
def test_answer_is_not_held_up_by_a_look(pairs, message):
    """The bug: the look is made instead of waiting, so that the answer lies unread until
    the look is over.  Here each look hangs; the answer is read at once.  (The fastest of
    three: a look that holds up takes half a second each time.)"""
    delays = []
    with Proxy(pairs) as proxy:
        for _ in range(3):
            look = proxy.fault(SILENCE, lambda m: (m.application.startswith("pawl watch")
                                                   and m.number == message))
            with Holder(pairs, UPDATE) as holder:
                with run(pairs, UPDATE, lock_ms=8000, conninfo=through(proxy, pairs)) as call:
                    assert look.struck.wait(10), "no look"
                    holder.connection.commit()
                    start = time.monotonic()
                    assert call.answer().status == "PAWL_OK"
                    delays.append(time.monotonic() - start)
    assert min(delays) < 0.3, delays


def through(proxy, database):
    return f"{database.conninfo()} host='{proxy.directory}' port='5432'"


def test_look_that_hangs(pairs):
    """Looks that never get an answer: each is given up, the call ends by its own limit."""
    with Proxy(pairs) as proxy, Holder(pairs, UPDATE):
        look = proxy.fault(SILENCE, lambda m: m.application.startswith("pawl watch"), times=99)
        answer = run(pairs, UPDATE, lock_ms=4000, conninfo=through(proxy, pairs)).answer()
        assert look.struck.is_set() and proxy.connections in (2, 3)
    assert answer.message.startswith('could not get a lock on relation "pairs" within 4')
    assert answer.detail == "It was not seen who holds it."


def test_no_look_for_what_is_answered(pairs):
    """A second connection is for long waits alone, and a slow statement that waits for no
    lock gets few."""
    with Proxy(pairs) as proxy:
        for _ in range(20):
            run(pairs, UPDATE, lock_ms=5000, conninfo=through(proxy, pairs)).answer()
        assert proxy.connections == 20
        run(pairs, "SELECT pg_sleep(3)", lock_ms=5000, conninfo=through(proxy, pairs)).answer()
        assert proxy.connections in (21, 22), "at 1 s, the next at 3.5"


def test_no_connection_for_the_look(base_cluster):
    """The server takes no more: the call answers properly, without the holder's name."""
    own = base_cluster.copy(durable=False, settings={"max_connections": "12"}).start()
    try:
        db = own.new_database()
        db.execute("CREATE ROLE many LOGIN")
        db.execute("CREATE TABLE pairs AS SELECT 1 AS n; GRANT ALL ON pairs TO many")
        with Holder(db, "UPDATE pairs SET n = 2"):
            others = fill(db, "many")
            others.pop().close()
            answer = run(db, "UPDATE public.pairs SET n = 3", lock_ms=3000, user="many").answer()
            for other in others:
                other.close()
    finally:
        refused = own.log_count("53300")
        own.remove()
    assert answer.sqlstate == "55P03" and answer.detail == "It was not seen who holds it."
    assert refused >= 2, "fill's, and a look's"


def fill(database, user):
    """Take every connection that the role may have."""
    taken = []
    while True:
        try:
            taken.append(database.connect(user))
        except psycopg.OperationalError as error:
            assert "remaining connection slots" in str(error), error
            return taken


def test_through_a_pooler(cluster, pairs):
    """The pid that libpq was told is the pooler's invention: the server's own is asked."""
    with Pooler(cluster) as pooler:
        pooled = pooler.database(pairs)
        for verb, words in (("run", [0, UPDATE]), ("steps", ["SELECT 1", UPDATE])):
            with Holder(pairs, UPDATE) as holder:
                answer = Call(verb, pooled.conninfo(), 3000, 30000, *words).answer()
            assert answer.detail.startswith(f'Process {holder.pid} ("report"'), answer


def test_worker_tells_whom_it_waits_for(db, api, tmp_path):
    """Promise of DESIGN.md 6: a wait that ends in 55P03 is in the worker's log with
    relation and holder."""
    with Worker(db, "--lease", "20s", "--poll", "100ms", handlers={"work": "true"}) as worker:
        api.push("work")
        with Holder(db, "LOCK TABLE pawl.running IN ACCESS EXCLUSIVE MODE", name="vacuum") as holder:
            wait_until(lambda: f'Process {holder.pid} ("vacuum"' in worker.log(), 20, worker.log)
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome"), 20, "the job to end")
        assert worker.drain() == 0
        assert re.search(r'could not get a lock on relation "running" within .* s \(55P03\)',
                         worker.log())


def test_naive_call_does_not_know(pairs):
    """Red: without the look the server's message names neither; afterwards nobody does."""
    with pairs.connect() as naive, Holder(pairs, UPDATE) as holder:
        naive.execute("SET lock_timeout = '300 ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            naive.execute(UPDATE)
        said = str(caught.value)
        assert "lock timeout" in said and str(holder.pid) not in said, "turned green"
        assert "report" not in said


# ---------------------------------------------------------------- scope ------------

FORMER = {"lock_timeout": "1234ms", "statement_timeout": "54321ms",
          "idle_in_transaction_session_timeout": "77777ms"}
NAMES = tuple(FORMER)
SHOW = ", ".join(f"current_setting('{name}')" for name in NAMES)


def seen_by(db, *statements):
    """What statements of one script of the db layer noted, in the order of noting."""
    db.execute("CREATE TABLE IF NOT EXISTS public.seen (pid int, at text, a text, b text, c text)")
    db.execute("TRUNCATE seen")
    options = " ".join(f"-c {name}={value}" for name, value in FORMER.items())
    conninfo = f"{db.conninfo()} options='{options}'"
    with Call("script", conninfo, 2222, 33333, "; ".join(statements)) as call:
        answer = call.answer()
    assert answer.status == "PAWL_OK", answer
    rows = db.execute("SELECT pid, at, a, b, c FROM seen")
    assert len({row[0] for row in rows}) == 1, "one backend"
    return {row[1]: row[2:] for row in rows}


def note(at):
    return f"INSERT INTO public.seen SELECT pg_backend_pid(), '{at}', {SHOW}"


def test_limits_are_of_the_transaction(db):
    """ACCEPTANCE 0.3: the configured limits inside, on the same backend the session's
    former ones after COMMIT and after ROLLBACK."""
    former = tuple(FORMER.values())
    seen = seen_by(db, note("inside"), "COMMIT", note("after commit"), "BEGIN")
    assert seen == {"inside": ("2222ms", "33333ms", "10s"), "after commit": former}
    seen = seen_by(db, "SELECT 1", "ROLLBACK", note("after rollback"), "BEGIN")
    assert seen == {"after rollback": former}


def test_naive_limits_are_of_no_transaction_or_of_all(db):
    """Red: SET LOCAL outside a transaction does nothing, SET stays in the session."""
    with db.connect() as naive:
        naive.execute("SET LOCAL lock_timeout = '2222ms'")
        assert naive.execute("SHOW lock_timeout").fetchone() == ("0",), "turned green"
        with naive.transaction():
            naive.execute("SET lock_timeout = '2222ms'")
        assert naive.execute("SHOW lock_timeout").fetchone() == ("2222ms",), "turned green"
