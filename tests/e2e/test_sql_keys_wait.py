"""Unique keys and other transactions: who waits for whom, how long, and what is answered.

Two pushes of one key wait for each other and for nothing else; what settles, claims,
promotes or cancels waits for no push.
"""

import time

import psycopg
import pytest
from harness.api import Api, json_array, sqlstate
from harness.waiting import Call

LEVELS = ["repeatable read", "serializable"]


@pytest.fixture
def wid(api):
    return api.worker_start(name="w")


@pytest.fixture
def other(db):
    """Another session, in a transaction that the test ends."""
    with db.connect(autocommit=False) as connection:
        yield Api(connection)


def keys(api):
    return {row.key: row.job_id for row in api.query("SELECT key, job_id FROM pawl.unique_key")}


def push(api):
    return api.push(unique_key="k")


def push_many(api):
    """k between two other keys, of which one is live."""
    rows = api.rows("push_many", kind="k", args=json_array([{}] * 3),
                    unique_keys=["z", "k", "live"])
    return rows[1].job


@pytest.mark.parametrize("how", [push, push_many])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_two_pushes_of_one_key(db, api, other, how, end):
    """The second waits for the first's transaction; what rolls back swallows nothing."""
    api.push(unique_key="live")
    first = other.push(unique_key="k")
    call = Call(db, how).waits()
    getattr(other.connection, end)()
    second = call.result()
    assert (second == first) == (end == "commit")
    assert api.state(second) == "ready" and keys(api)["k"] == second
    assert api.one("SELECT count(*) FROM pawl.job WHERE unique_key = 'k'") == 1


@pytest.mark.parametrize("how", [push, push_many])
def test_a_push_while_the_job_ends(api, wid, other, how):
    """It answers the job that is still there, at once: it returns before the other ends."""
    api.push(unique_key="live", run_at="infinity")
    job = push(api)
    fence = api.claim_one(wid).fence
    other.complete(job, fence)
    api.connection.execute("SET lock_timeout = '10 ms'")
    assert how(api) == job
    other.connection.commit()
    assert how(api) != job


@pytest.mark.parametrize("how", [push, push_many])
def test_a_job_ends_while_it_is_pushed(db, api, wid, other, how):
    """Nobody waits for a push that answered a live job."""
    api.push(unique_key="live", run_at="infinity")
    job = push(api)
    fence = api.claim_one(wid).fence
    assert how(other) == job
    api.connection.execute("SET lock_timeout = '10 ms'")
    api.complete(job, fence)
    again = push(api)
    assert again != job and how(other) == again  # read committed: a new look


@pytest.mark.parametrize("how", [push, push_many])
@pytest.mark.parametrize("limit, seconds", [("0", 5), ("300 ms", 0.3), ("1 min", 5)])
def test_the_wait_is_bounded(api, other, how, limit, seconds):
    """55P03 after 5 s, or after the session's own lock_timeout if that is shorter.

    The session's setting is the same afterwards, and the holder is unharmed.
    """
    held = other.push(unique_key="k")
    api.connection.execute(f"SET lock_timeout = '{limit}'")
    before = api.one("SHOW lock_timeout")
    since = time.monotonic()
    assert sqlstate(how, api) == "55P03"
    assert time.monotonic() - since >= seconds * 0.9
    assert api.one("SHOW lock_timeout") == before
    other.connection.commit()
    assert push(api) == held


# -- other isolation levels -----------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_what_the_snapshot_can_tell(db, api, wid, level):
    """A key that is live, one that is free, and one whose job has ended since.

    Red on: a look before the insert, which answers a job that has ended.
    """
    live, ended = api.push(unique_key="live", run_at="infinity"), push(api)
    with db.connect(autocommit=False) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level.upper()}")
        mine = Api(connection)
        naive = "SELECT job_id FROM pawl.unique_key WHERE shard = 0 AND key = 'k'"
        assert mine.one(naive) == ended
        api.complete(ended, api.claim_one(wid).fence)
        assert mine.one(naive) == ended, "the naive look: that job has ended"
        assert mine.push(unique_key="live") == live
        free, new = mine.push(unique_key="free"), push(mine)
        assert new not in (live, ended, free)
        connection.commit()
    assert api.state(new) == "ready" and push(api) == new


@pytest.mark.parametrize("how", [push, push_many])
@pytest.mark.parametrize("level", LEVELS)
def test_what_the_snapshot_cannot_tell(db, api, how, level):
    """A key that was taken since the snapshot: 40001 at once, never a loop."""
    api.push(unique_key="live")
    with db.connect(autocommit=False) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level.upper()}")
        connection.execute("SELECT count(*) FROM pawl.unique_key")
        job = push(api)
        assert sqlstate(how, Api(connection)) == "40001"
        connection.rollback()
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level.upper()}")
        assert how(Api(connection)) == job
        connection.commit()


@pytest.mark.parametrize("how", [push, push_many])
@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("level", LEVELS)
def test_waiting_in_a_snapshot(db, api, other, how, level, end):
    """Waited for, it cannot be told: 40001; unless the holder rolls back."""
    api.push(unique_key="live")
    push(other)

    def in_snapshot(mine):
        mine.connection.execute(f"SET default_transaction_isolation = '{level}'")
        return how(mine)

    call = Call(db, in_snapshot).waits()
    getattr(other.connection, end)()
    if end == "commit":
        with pytest.raises(psycopg.errors.SerializationFailure):
            call.result()
    else:
        new = call.result()
        assert keys(api)["k"] == new


# -- until start: the live job is held -----------------------------------------------------------


@pytest.mark.parametrize("how", [push, push_many])
def test_a_push_holds_the_job_until_it_commits(db, api, wid, other, how):
    """The pusher's data are seen by a run: nobody claims the job before they are there.

    And nobody waits for the pusher: claim, promote and cancel skip the job.
    """
    api.push(unique_key="live", queue="elsewhere")
    api.connection.execute("CREATE TABLE contact (name text)")
    api.connection.execute("SET lock_timeout = '50 ms'")
    job = api.push(unique_key="k", unique_until="start")
    other.query("INSERT INTO contact VALUES ('new') RETURNING 1")
    assert how(other) == job
    assert push(api) == job, "two pushers do not wait for each other"
    assert api.claim(wid, 9) == [] and api.cancel(job) == "busy"
    assert api.rows("cancel_many", jobs=[job])[0].was == "busy"
    other.connection.commit()
    assert api.claim_one(wid).job == job
    assert api.one("SELECT name FROM contact") == "new"
    assert how(api) != job


def test_a_scheduled_job_is_held_too(api, wid, other):
    job = api.push(unique_key="k", unique_until="start", run_at="2999-01-01")
    assert push(other) == job
    api.connection.execute("SET lock_timeout = '50 ms'")
    api.query("SELECT pawl.promote()")
    assert api.cancel(job) == "busy"
    other.connection.rollback()
    assert api.cancel(job) == "scheduled"


def test_what_is_due_is_not_promoted_while_it_is_held(db, api, other):
    job = api.push(unique_key="k", unique_until="start", run_at="2999-01-01")
    api.query("UPDATE pawl.scheduled SET due = now() RETURNING 1")
    assert push(other) == job
    assert api.value("promote") == 0
    other.connection.commit()
    assert api.value("promote") == 1 and api.state(job) == "ready"


@pytest.mark.parametrize("how", [push, push_many])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_push_while_the_job_is_being_claimed(db, api, wid, other, how, end):
    """It waits for the claim: a claim that commits may not have seen the pusher's data."""
    api.push(unique_key="live", queue="elsewhere")
    job = api.push(unique_key="k", unique_until="start")
    other.claim_one(wid)
    call = Call(db, how)
    call.join(0.2)
    assert call.is_alive(), call.answer
    getattr(other.connection, end)()
    assert (call.result() == job) == (end == "rollback")


@pytest.mark.parametrize("how", [push, push_many])
def test_a_claim_that_stays_open(api, wid, other, how):
    """55P03 that names the key; in a snapshot the wait is one for the key itself."""
    job = api.push(unique_key="k", unique_until="start")
    other.claim_one(wid)
    api.connection.execute("SET lock_timeout = '200 ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable, match='unique key "k"'):
        how(api)
    for level in LEVELS:
        api.connection.execute(f"SET default_transaction_isolation = '{level}'")
        assert sqlstate(how, api) == "55P03"
    other.connection.rollback()
    assert how(api) == job


@pytest.mark.parametrize("how", [push, push_many])
def test_a_job_that_is_being_moved(api, other, how):
    """55P03 that names the key, bounded; in a snapshot 40001 at once, never a loop."""
    job = api.push(unique_key="k", unique_until="start", run_at="2999-01-01")
    api.query("UPDATE pawl.scheduled SET due = now() RETURNING 1")
    assert other.value("promote") == 1
    api.connection.execute("SET lock_timeout = '200 ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable, match='unique key "k"'):
        how(api)
    for level in LEVELS:
        api.connection.execute(f"SET default_transaction_isolation = '{level}'")
        assert sqlstate(how, api) == "40001"
    api.connection.execute("RESET default_transaction_isolation")
    other.connection.commit()
    assert how(api) == job and api.state(job) == "ready"


# -- an operator's retry and pushes ----------------------------------------------------------------


@pytest.fixture
def cancelled(api):
    job = push(api)
    api.cancel(job)
    return job


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_retry_beside_a_push_of_the_key(db, api, other, cancelled, end):
    """It waits for the push, and is refused or done; never two live jobs."""
    new = push(other)
    call = Call(db, lambda mine: mine.retry(cancelled)).waits()
    getattr(other.connection, end)()
    if end == "commit":
        with pytest.raises(psycopg.Error) as caught:
            call.result()
        assert caught.value.sqlstate == "PW003" and keys(api) == {"k": new}
    else:
        assert call.result() == "cancelled" and keys(api) == {"k": cancelled}


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_push_beside_a_retry_of_the_key(db, api, other, cancelled, end):
    assert other.retry(cancelled) == "cancelled"
    call = Call(db, push).waits()
    getattr(other.connection, end)()
    assert (call.result() == cancelled) == (end == "commit")


def test_retry_many_gives_way(db, api, other, cancelled):
    """It waits 50 ms for a key, gives all of them back, and goes on without that one.

    The user's transaction, which waits for a key of the retry's, is not hurt.
    """
    first = api.push(unique_key="a")
    free = api.push()
    api.rows("cancel_many", jobs=[first, free])
    new = push(other)
    rows = {row.job: (row.was, row.done)
            for row in api.rows("retry_many", jobs=[cancelled, first, free])}
    assert rows == {cancelled: ("busy", False), first: ("cancelled", True),
                    free: ("cancelled", True)}
    other.connection.commit()
    rows = api.rows("retry_many", jobs=[cancelled])
    assert [tuple(row) for row in rows] == [(cancelled, "cancelled", False)]
    assert keys(api) == {"a": first, "k": new}


def test_a_retry_waits_no_longer_than_it_may(api, other, cancelled):
    push(other)
    api.connection.execute("SET lock_timeout = '200 ms'")
    assert sqlstate(api.retry, cancelled) == "55P03"
    other.connection.rollback()
    assert api.retry(cancelled) == "cancelled"


def test_a_key_that_was_taken_in_vain_is_given_back(db, api, other, cancelled):
    """Somebody holds the outcome: the retry does not win it, and leaves no key behind."""
    other.query("SELECT 1 FROM pawl.outcome WHERE job_id = %s FOR UPDATE", [cancelled])
    rows = api.rows("retry_many", jobs=[cancelled])
    assert [tuple(row) for row in rows] == [(cancelled, "busy", False)]
    assert keys(api) == {} and push(api) != cancelled
    assert sqlstate(api.retry, cancelled) == "PW003"
