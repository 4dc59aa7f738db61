"""The doorbell: a job that becomes ready wakes a worker that sleeps, at once.

The bugs: a job that waits for the next poll, because somebody who makes jobs ready does
not ring, because its push looked before the flag was set, or because the connection that
listened was lost; and a NOTIFY, whose commit locks the whole database, for nobody.

The workers here poll once a minute: only the bell and its rules can be quick.
"""

import os
from pathlib import Path

import psycopg
import pytest
from harness.api import Api
from harness.grouped import Runner
from harness.ledger import Ledger
from harness.program import Worker
from harness.wait import wait_until

SOON_S = 30  # far from a minute, and enough for a crowded machine
POLL = ("--poll", "60s")
MUTE = "CREATE OR REPLACE FUNCTION pawl.ring(queues text[]) RETURNS void LANGUAGE sql AS ''"


def queue_of(notify, db):
    """The queue that a notification is about."""
    return db.value("SELECT q FROM unnest('{default,other}'::text[]) q WHERE pawl.bell(q) = %s",
                    [notify.channel])


class Ear:
    """A session that listens as a worker does."""

    def __init__(self, db):
        self.db = db
        self.connection = db.connect()
        self.heard = []
        self.connection.add_notify_handler(self.heard.append)
        for channel in ("mark", *(db.value("SELECT pawl.bell(%s)", [q]) for q in ("default", "other"))):
            self.connection.execute(f'LISTEN "{channel}"')

    def told(self):
        """The queues that were rung for up to now, since it was asked last.

        Notifications come in the order of commits: a mark of our own ends them."""
        self.db.execute("NOTIFY mark")

        def marked():
            self.connection.execute("SELECT 1")
            return any(n.channel == "mark" for n in self.heard)

        wait_until(marked, SOON_S, "the mark")
        queues = [queue_of(n, self.db) for n in self.heard if n.channel != "mark"]
        self.heard.clear()
        return queues


@pytest.fixture
def ear(db):
    listener = Ear(db)
    yield listener
    listener.connection.close()


@pytest.fixture
def api(db):
    with db.connect() as connection:
        yield Api(connection)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def sleepers(db):
    return db.value("SELECT count(*) FROM pawl.sleeper")


def wait_asleep(db, n=1, deadline=SOON_S):
    """Until n workers have set their flags, and look no more: they trust the bell."""
    wait_until(lambda: sleepers(db) == n and db.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'pawl claim%%' AND state = 'idle'"
        " AND clock_timestamp() - state_change > interval '300 ms'") == n,
        deadline, f"{n} workers to sleep")


# -- who rings ----------------------------------------------------------------


def test_for_nobody_nothing_rings(db, api, ear):
    """Nobody sleeps, or only on another queue; then somebody does: one ring a commit."""
    wid = api.worker_start()
    api.push()
    api.push_some(3)
    assert ear.told() == []
    api.value("worker_sleep", worker=wid, queues=["other"])
    api.push()
    api.push(queue="other", run_at="tomorrow")
    assert ear.told() == []
    api.push(queue="other")
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        mine.push_some(3, queue="other")
        mine.push(queue="other")
        connection.rollback()
        mine.push_some(3, queue="other")
        mine.push(queue="other")
        mine.rows("push_many", jobs=psycopg.types.json.Jsonb(
            [{"kind": "k", "queue": q} for q in ("default", "other", "other")]))
        connection.commit()
    assert ear.told() == ["other", "other"]
    api.value("worker_wake", worker=wid)
    api.push(queue="other")
    assert ear.told() == []


def test_groups_ring(db, api, ear):
    """Whoever brings a job into a group rings for it, unless it is not due."""
    runner = Runner(api)
    api.value("worker_sleep", worker=runner.worker, queues=["default"])

    def rings(call, *args, **named):
        answer = call(*args, **named)
        return ear.told() == ["default"], answer

    assert not rings(api.push, group_key="h", run_at="infinity")[0]
    rang, job = rings(api.push, group_key="g")
    assert rang and rings(api.push_some, 2, group_keys=["g", "g"])[0]
    assert rings(api.rows, "push_many", jobs=psycopg.types.json.Jsonb(
        [{"kind": "k", "group_key": "g"}]))[0]
    assert rings(api.release, job, runner.dispatch().fence)[0]
    fence = runner.dispatch().fence
    assert not rings(api.fail, job, fence, retry=False)[0]
    assert rings(api.retry, job)[0]
    runner.dispatch()
    db.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
    with db.connect() as connection:  # and with the last worker its flag
        api.value("worker_sleep", worker=api.worker_start(), queues=["default"])
        assert rings(Api(connection).value, "recover") == (True, 1)


def test_channels(db):
    """The bugs: two queues whose long names begin alike have one bell, or a name too long
    for one; and a hash that a server under FIPS refuses, and each push that rings with it."""
    names = ["a" * 254 + end for end in "xy"] + ["ä'\"", "default"]
    bells = [db.value("SELECT pawl.bell(%s)", [name]) for name in names]
    assert len(set(bells)) == len(names) and max(len(bell.encode()) for bell in bells) <= 63
    assert db.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'pawl'::regnamespace"
                      " AND prosrc ~* 'md5'") == []


def test_a_push_sees_a_flag_that_is_younger_than_its_transaction(db, api, ear):
    """In READ COMMITTED: the look is a statement of its own, after the insert."""
    wid = api.worker_start()
    with db.connect(autocommit=False) as connection:
        connection.execute("SELECT pg_current_xact_id()")
        api.value("worker_sleep", worker=wid)
        Api(connection).push()
        connection.commit()
    assert ear.told() == ["default"]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_other_isolation_levels_ring_always(db, api, ear, level):
    """Their snapshot is older than the flag.  Red: they do not see it."""
    wid = api.worker_start()
    with db.connect(autocommit=False) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        connection.execute("SELECT pg_current_xact_id()")
        api.value("worker_sleep", worker=wid)
        assert connection.execute("SELECT count(*) FROM pawl.sleeper").fetchone() == (0,)
        mine = Api(connection)
        mine.push()
        mine.push_some(2, queue="other")
        connection.commit()
    assert sorted(ear.told()) == ["default", "other"]


def ready_again(api, ear):
    """[(what made it ready, its queues)], each way but pushing."""
    wid = api.worker_start(lease="1 hour")
    other = api.worker_start(lease="1 hour")
    api.value("worker_sleep", worker=wid, queues=["default", "other"])

    def told(name, ring):
        ear.told()
        ring()
        return name, ear.told()

    def one():
        api.push(queue="other")
        return api.claim_one(other, queues=["other"])

    row = one()
    yield told("release", lambda: api.release(row.job, row.fence))
    row = api.claim_one(other, queues=["other"])
    api.fail(row.job, row.fence, retry_in="0 s")
    yield told("promote", lambda: api.value("promote"))
    row = api.claim_one(other, queues=["other"])
    api.fail(row.job, row.fence, retry=False)
    yield told("retry", lambda: api.value("retry", job=row.job))
    row = api.claim_one(other, queues=["other"])
    api.fail(row.job, row.fence, retry=False)
    yield told("retry_many", lambda: api.rows("retry_many", jobs=[row.job]))
    api.value("queue_pause", queue="other")
    yield told("queue_resume", lambda: api.value("queue_resume", queue="other"))
    api.claim_one(other, queues=["other"])
    yield told("worker_stop", lambda: api.value("worker_stop", worker=other))
    lost = api.worker_start(lease="1 hour")
    api.claim_one(lost, queues=["other"])
    api.end_lease(lost)
    yield told("recover", lambda: api.value("recover"))


def test_everything_that_makes_a_job_ready_rings(db, api, ear):
    """Red: a ring that does nothing is heard by nobody."""
    assert [queues for _, queues in ready_again(api, ear)] == [["other"]] * 7
    db.execute(MUTE)
    assert [queues for _, queues in ready_again(api, ear)] == [[]] * 7


def test_no_flag_outlives_its_worker(db, api):
    stopped, lost, alive = (api.worker_start(lease="1 hour") for _ in range(3))
    for wid in (stopped, lost, alive):
        api.value("worker_sleep", worker=wid, queues=["b", "a", None, "a"])
    assert sleepers(db) == 6
    api.value("worker_stop", worker=stopped)
    api.end_lease(lost)
    wait_until(lambda: api.value("recover") == 0 and sleepers(db) == 2, SOON_S, "recovery")
    for wid in (stopped, lost):
        with pytest.raises(psycopg.Error) as refused:
            api.value("worker_sleep", worker=wid)
        assert refused.value.sqlstate == "PW002"
    assert db.value("SELECT array_agg(worker ORDER BY queue) FROM pawl.sleeper") == [alive] * 2


# -- when to trust it ---------------------------------------------------------


def test_the_bound_is_an_xid_of_its_own(db, api):
    """A push whose xid is younger than the flag's, and whose look is older.

    Red: in a snapshot taken after the flag it is not listed, and the next snapshot's xmin
    has reached that one's xmax while it is still open: who compares these trusts."""
    wid = api.worker_start()
    with db.connect(autocommit=False) as flag, db.connect(autocommit=False) as push:
        Api(flag).value("worker_sleep", worker=wid)
        xid = int(push.execute("SELECT pg_current_xact_id()::text").fetchone()[0])
        Api(push).push()
        flag.commit()
        first, second = (db.execute("SELECT pg_snapshot_xmin(s)::text::bigint,"
                                    " pg_snapshot_xmax(s)::text::bigint"
                                    " FROM pg_current_snapshot() s")[0] for _ in range(2))
        assert second[0] >= first[1], "turned green"
        bound = int(db.value("SELECT pg_current_xact_id()::text"))
        assert xid < bound and db.value(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") < bound
        push.rollback()


def test_a_push_from_before_the_flag(db, api, ear, ledger):
    """It was open while the worker set its flag and looked.

    Red: nobody is rung for it, so a worker that trusted the bell would sleep on."""
    with db.connect(autocommit=False) as connection:
        job = Api(connection).push("k")
        with Worker(db, *POLL, handlers={"k": ledger.handler()}):
            wait_until(lambda: sleepers(db) == 1, SOON_S, "the flag")
            ear.told()
            connection.commit()
            assert ear.told() == [], "turned green"
            ledger.wait_for(1, SOON_S)
    assert ledger.jobs() == [job]


# -- the worker ---------------------------------------------------------------


def test_a_sleeping_worker_starts_at_once(db, api, ledger):
    """Pushed, delayed, given back by another; three asleep on one queue.  Red: without the
    ring nothing starts for as long as the others took, and then some."""
    with Worker(db, *POLL, handlers={"k": ledger.handler()}) as worker, \
            Worker(db, *POLL, handlers={"k": ledger.handler()}), \
            Worker(db, *POLL, handlers={"elsewhere": ledger.handler()}):
        wait_asleep(db, 3)
        for n in range(1, 4):
            api.push("k")
            ledger.wait_for(n, SOON_S)
        api.push("k", run_at=db.value("SELECT now() + interval '200 ms'"))
        ledger.wait_for(4, SOON_S)
        api.push_some(20, "k")
        ledger.wait_for(24, SOON_S)
        db.execute(MUTE)
        wait_asleep(db, 3)
        muted = api.push("k")
        with pytest.raises(AssertionError, match="waited"):
            ledger.wait_for(25, 2)
        assert worker.drain() == 0, "a sleeping worker drains at once"
    assert muted not in ledger.jobs() and len(set(ledger.jobs())) == 24


def test_the_flag_goes_with_the_worker(db, ledger):
    """Drained: its flag is gone.  Full for a while: nobody rings in vain; afterwards it is
    set again."""
    with Worker(db, *POLL, "-j", "1", handlers={"k": ledger.handler("exec sleep 3")}) as worker:
        wait_asleep(db)
        with db.connect() as connection:
            Api(connection).push_some(2, "k")
        ledger.wait_for(1, SOON_S)
        wait_until(lambda: sleepers(db) == 0, SOON_S, "the flag to be cleared")
        wait_asleep(db, deadline=20)
        assert len(ledger.jobs()) == 2
        assert worker.drain() == 0
    assert sleepers(db) == 0


def test_the_connection_is_lost(db, api, ledger):
    """Nothing was heard meanwhile: it looks at once, and listens again."""
    claimers = ("SELECT pg_terminate_backend(pid), pid FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'pawl claim%%'")
    with Worker(db, *POLL, handlers={"k": ledger.handler()}):
        for n in range(3):
            wait_asleep(db)
            with db.connect(autocommit=False) as connection:
                Api(connection).push("k")
                assert len(connection.execute(claimers).fetchall()) == 1
                connection.commit()
            ledger.wait_for(2 * n + 1, SOON_S)
            wait_asleep(db)
            api.push("k")
            ledger.wait_for(2 * n + 2, SOON_S)
    assert len(set(ledger.jobs())) == 6


def test_rings_for_others(db, api, ledger):
    """A thousand jobs of a kind that it does not handle: it does not claim for each, and
    one of its own is started as soon all the same."""
    db.execute(f'ALTER DATABASE "{db.name}" SET track_functions = \'pl\'')
    with Worker(db, *POLL, handlers={"k": ledger.handler()}) as worker:
        wait_asleep(db)
        for _ in range(1000):
            api.push("other")
        api.push("k")
        ledger.wait_for(1, SOON_S)
        assert worker.drain() == 0
    claims = db.value("SELECT sum(calls) FROM pg_stat_user_functions"
                      " WHERE funcname IN ('claim', 'claim_few')")
    assert 2 <= claims < 300, "a claim for each ring"


def test_a_ring_without_room(db, api, ledger):
    """Every executor is busy, it rings, and a chore is due: the claimer waits.  The bug: a
    chore that the ring puts off, and waits that end at once because it is due."""
    def cpu_s():
        text = Path(f"/proc/{worker.pid}/stat").read_text(encoding="ascii")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    with db.connect(autocommit=False) as writer, \
            Worker(db, *POLL, "-j", "1", handlers={"k": ledger.handler("exec sleep 3")}) as worker:
        wait_asleep(db)
        writer.execute("SELECT pg_current_xact_id()")  # passes of the sweep find no end
        before = cpu_s()
        api.push("k")
        api.push("k")
        ledger.wait_for(1, SOON_S)
        wait_until(lambda: sleepers(db) == 0, SOON_S, "the flag to be cleared")
        assert cpu_s() - before < 0.25
