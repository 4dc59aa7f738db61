"""Unique keys in SQL: at most one live job per key, in every way to push and to end it.

What waits for what, and what two transactions do to each other, is in
test_sql_keys_wait.py.
"""

import psycopg
import pytest
from harness import schema
from harness.api import Api, json_array, sqlstate
from psycopg.types.json import Jsonb

LIVE_TABLES = ("ready", "scheduled", "waiting", "running", "unique_key")


@pytest.fixture
def wid(api):
    return api.worker_start(name="w")


def snapshot(api):
    """Every row of every live table and of job, with the transaction that wrote it."""
    return {table: api.query(f"SELECT xmin::text, t::text FROM pawl.{table} t ORDER BY 2")
            for table in ("job", *LIVE_TABLES)}


def keys(api):
    """{key: job} of the live keys."""
    return {row.key: row.job_id for row in api.query("SELECT key, job_id FROM pawl.unique_key")}


def make(api, wid, state, **named):
    """A job with the key k in that live state; (job, fence or None)."""
    if state == "scheduled":
        named["run_at"] = "infinity"
    job = api.push(unique_key="k", **named)
    return job, api.claim_one(wid).fence if state == "running" else None


# -- one live job ------------------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "scheduled", "running"])
def test_a_live_key_answers_its_job(api, wid, state):
    """Pushing it again changes nothing, whatever else differs: the first one counts."""
    job, _ = make(api, wid, state)
    before = snapshot(api)
    assert api.push("other", args={"n": 2}, queue="q", unique_key="k") == job
    assert api.push(unique_key="k", unique_until="start", run_at="infinity") == job
    (row,) = api.rows("push_many", jobs=Jsonb([{"kind": "k", "unique_key": "k"}]))
    assert (row.job, row.created) == (job, False)
    (row,) = api.rows("push_many", kind="k", args=json_array([{}]), unique_keys=["k"])
    assert (row.job, row.created) == (job, False)
    assert snapshot(api) == before and api.state(job) == state


def end(api, wid, job, fence, way):
    """Bring a running job to its end."""
    if way == "cancelled":
        api.cancel(job)
    elif way == "failed":
        api.fail(job, fence, retry=False)
    elif way == "last try":
        api.query("SELECT pawl.fail(%s, %s, 'e')", [job, fence])
    elif way == "crashed":
        lose(api)
    else:
        api.complete(job, fence)


def lose(api):
    """Workers are lost until recovery ends the job."""
    while True:
        api.query("UPDATE pawl.worker SET expires_at = clock_timestamp() RETURNING 1")
        api.value("recover")
        if not api.claim(api.worker_start(), 1):
            return


@pytest.mark.parametrize("until", ["end", "start"])
@pytest.mark.parametrize("way", ["succeeded", "failed", "last try", "cancelled", "crashed"])
def test_after_its_end_a_new_job_is_made(api, wid, way, until):
    """Each way to end a job frees its key, and no other's."""
    api.push(unique_key="other", run_at="infinity")
    job, fence = make(api, wid, "running", max_attempts=1, unique_until=until)
    end(api, wid, job, fence, way)
    assert api.job(job).state in ("succeeded", "failed", "cancelled")
    assert list(keys(api)) == ["other"]
    again = api.push(unique_key="k")
    assert again != job and api.state(again) == "ready" and api.push(unique_key="k") == again


@pytest.mark.parametrize("state", ["ready", "scheduled"])
def test_a_cancelled_job_frees_its_key(api, wid, state):
    job, _ = make(api, wid, state)
    api.cancel(job)
    assert keys(api) == {} and api.push(unique_key="k") != job


def test_a_key_stays_while_its_job_goes_back(api, wid):
    """Failing, snoozing, releasing, promoting and recovering keep it."""
    job, fence = make(api, wid, "running")
    for back in (lambda: api.fail(job, fence, retry_in="0"), lambda: api.snooze(job, fence, "0")):
        back()
        assert api.push(unique_key="k") == job
        assert api.value("promote") == 1 and keys(api) == {"k": job}
        fence = api.claim_one(wid).fence
    api.release(job, fence)
    assert keys(api) == {"k": job}
    fence = api.claim_one(wid).fence
    api.query("UPDATE pawl.worker SET expires_at = clock_timestamp() RETURNING 1")
    assert api.value("recover") == 1 and keys(api) == {"k": job}
    api.complete(job, api.claim_one(api.worker_start()).fence)
    assert keys(api) == {}


def test_a_stale_settle_frees_no_key(api, wid):
    """Who has lost its claim takes no key from whoever has the job now."""
    job, old = make(api, wid, "running")
    api.release(job, old)
    fence = api.claim_one(wid).fence
    assert sqlstate(api.complete, job, old) == "PW001"
    rows = api.rows("complete_many", jobs=[job], fences=[old])
    assert rows[0].answer == "stale" and keys(api) == {"k": job}
    api.complete(job, fence)


def test_the_view_shows_the_key(api):
    job = api.job(api.push(unique_key="k", unique_until="start"))
    assert (job.unique_key, job.unique_until) == ("k", "start")
    job = api.job(api.push(unique_key="e"))
    assert (job.unique_key, job.unique_until) == ("e", "end")
    job = api.job(api.push(unique_until="start"))
    assert (job.unique_key, job.unique_until) == (None, None)


REFUSED = {
    "an empty key": {"unique_key": ""},
    "a long key": {"unique_key": "k" * 256},
    "a long key in bytes": {"unique_key": "\u20ac" * 86},
    "no such end": {"unique_key": "k", "unique_until": "stop"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(api, name):
    """22023 by push and by both forms of push_many, and nothing is stored."""
    case = REFUSED[name]
    assert sqlstate(api.push, **case) == "22023"
    assert sqlstate(api.rows, "push_many", jobs=Jsonb([{"kind": "k", **case}])) == "22023"
    many = {"unique_keys": ["a", case["unique_key"]],
            "unique_until": case.get("unique_until", "end")}
    assert sqlstate(api.rows, "push_many", kind="k", args=json_array([{}] * 2), **many) == "22023"
    assert keys(api) == {} and api.one("SELECT count(*) FROM pawl.job") == 0


def test_keys_must_belong_to_args(api):
    for wrong in (["a"], ["a", "b", "c"], []):
        assert sqlstate(api.rows, "push_many", kind="k", args=json_array([{}] * 2),
                        unique_keys=wrong) == "22023"


def test_the_limits_are_accepted(api):
    """255 bytes, and characters that need care."""
    for key in ("k" * 255, "\u20ac" * 85, " ", "'", "\\", "NULL", "\x01"):
        job = api.push(unique_key=key)
        assert api.push(unique_key=key) == job and api.job(job).unique_key == key


# -- many: canonical order, the caller's order ---------------------------------------------

MIXED = ["b", "a", None, "b", "live", None, "\u00e4", "Z", "_", "a", "b"]


def push_mixed(api, form):
    if form == "objects":
        specs = [{"kind": "k", "args": {"n": n}} | ({"unique_key": key} if key else {})
                 for n, key in enumerate(MIXED)]
        return api.rows("push_many", jobs=Jsonb(specs))
    args = json_array([{"n": n} for n in range(len(MIXED))])
    return api.rows("push_many", kind="k", args=args, unique_keys=MIXED)


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
@pytest.mark.parametrize("form", ["objects", "arrays"])
def test_answers_in_the_callers_order(api, form, level):
    """Duplicates and keyless jobs included: the same key twice gives the same id twice."""
    live = api.push(args={"n": -1}, unique_key="live")
    api.connection.execute(f"SET default_transaction_isolation = '{level}'")
    rows = push_mixed(api, form)
    assert [row.ordinal for row in rows] == list(range(1, len(MIXED) + 1))
    first = {}
    for n, (row, key) in enumerate(zip(rows, MIXED)):
        made = key is None or (key != "live" and key not in first)
        assert row.created == made, (n, key)
        if made:
            assert api.job(row.job).args == {"n": n}, "another job's args"
            assert api.job(row.job).unique_key == key
        if key is not None:
            assert row.job == (live if key == "live" else first.setdefault(key, row.job))
    made = [row.job for row in rows if row.created]
    assert made == sorted(set(made)), "ids of one call ascend in its order"
    assert len(made) == 7 and api.one("SELECT count(*) FROM pawl.job") == 8


@pytest.fixture(scope="module")
def other_order(cluster):
    """A database whose own order of text is another one than that of the bytes."""
    cluster.database("postgres").execute(
        "CREATE DATABASE other_order TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    database = cluster.database("other_order")
    schema.install(database)
    yield database
    database.drop()


@pytest.mark.parametrize("level", ["read committed", "repeatable read"])
@pytest.mark.parametrize("form", ["objects", "arrays"])
def test_keys_are_taken_bytewise(other_order, form, level):
    """One order for everybody, whatever the database's locale: "Z" before "_" before "a".

    Rows of a new table lie in the order in which they were inserted.  Red without
    COLLATE "C": "_", "a", "\u00e4", "b", "Z".
    """
    with other_order.connect() as connection:
        take_bytewise(Api(connection), form, level)


def take_bytewise(api, form, level):
    api.connection.execute("TRUNCATE pawl.job, pawl.ready, pawl.unique_key")
    assert api.one("""SELECT array_agg(k ORDER BY k) <> array_agg(k ORDER BY k COLLATE "C")
        FROM unnest('{Z,_,a}'::text[]) k"""), "turned green"
    api.push(args={"n": -1}, unique_key="live")
    api.connection.execute(f"SET default_transaction_isolation = '{level}'")
    push_mixed(api, form)
    rows = api.query("SELECT key FROM pawl.unique_key WHERE key <> 'live' ORDER BY ctid")
    stored = [row.key for row in rows]
    assert stored == sorted(stored, key=str.encode) == ["Z", "_", "a", "b", "\u00e4"]


def test_a_retry_takes_keys_bytewise(other_order):
    """The same order when ended jobs take theirs anew, whatever the order of the jobs."""
    with other_order.connect() as connection:
        api = Api(connection)
        jobs = [api.push(unique_key=key) for key in ("r", "S", "_r")]
        api.rows("cancel_many", jobs=jobs)
        connection.execute("TRUNCATE pawl.unique_key")
        assert all(row.done for row in api.rows("retry_many", jobs=jobs))
        stored = [row.key for row in api.query("SELECT key FROM pawl.unique_key ORDER BY ctid")]
        assert stored == ["S", "_r", "r"]


def test_many_of_ten_thousand(api):
    """Half of them live already; every job there once."""
    def names(low, high):
        return [f"key {n * 7919 % 20_000}" for n in range(low, high)]

    first = api.rows("push_many", kind="k", args=json_array([{}] * 10_000),
                     unique_keys=names(0, 10_000))
    assert all(row.created for row in first)
    second = api.rows("push_many", kind="k", args=json_array([{}] * 10_000),
                      unique_keys=names(5_000, 15_000))
    assert [row.created for row in second] == [False] * 5_000 + [True] * 5_000
    assert [row.job for row in second[:5_000]] == [row.job for row in first[5_000:]]


def test_only_null_keys(api):
    for level in ("read committed", "serializable"):
        api.connection.execute(f"SET default_transaction_isolation = '{level}'")
        rows = api.rows("push_many", kind="k", args=json_array([{}] * 2), unique_keys=[None] * 2)
        assert [row.created for row in rows] == [True, True]
    assert api.rows("push_many", kind="k", args=[], unique_keys=[]) == []


# -- until start -------------------------------------------------------------------------------


def test_until_start(api, wid):
    """The key is free since the first claim, and is not taken back by what goes back."""
    old, fence = make(api, wid, "running", unique_until="start")
    new = api.push(unique_key="k", unique_until="start")
    assert new != old and api.push(unique_key="k") == new
    api.release(old, fence)
    assert keys(api) == {"k": new}
    first, second = api.claim(wid, 2)
    assert {first.job, second.job} == {old, new} and keys(api) == {}
    third = api.push(unique_key="k")
    api.complete(first.job, first.fence)
    api.fail(second.job, second.fence, retry=False)
    assert keys(api) == {"k": third}, "the end of another job has freed this one's key"


def test_until_is_of_each_object(api, wid):
    rows = api.rows("push_many", jobs=Jsonb([
        {"kind": "k", "unique_key": "s", "unique_until": "start"},
        {"kind": "k", "unique_key": "e", "unique_until": "end"},
        {"kind": "k", "unique_key": "d"}]))
    assert len(api.claim(wid, 3)) == 3
    assert keys(api) == {"e": rows[1].job, "d": rows[2].job}


def test_a_claim_that_rolls_back_keeps_the_key(db, api, wid):
    job, _ = make(api, wid, "ready", unique_until="start")
    with db.connect(autocommit=False) as connection:
        assert len(Api(connection).claim(wid, 1)) == 1
        connection.rollback()
    assert keys(api) == {"k": job} and api.push(unique_key="k") == job


# -- an operator's retry ---------------------------------------------------------------------------


@pytest.mark.parametrize("until", ["end", "start"])
def test_a_retry_takes_the_key_anew(api, wid, until):
    job, fence = make(api, wid, "running", unique_until=until)
    api.fail(job, fence, retry=False)
    assert api.retry(job) == "failed"
    assert keys(api) == {"k": job} and api.push(unique_key="k") == job
    fence = api.claim_one(wid).fence
    assert keys(api) == ({"k": job} if until == "end" else {})
    api.complete(job, fence)
    assert keys(api) == {}


def test_a_retry_of_a_key_that_is_live_is_refused(api, wid):
    """PW003 that names the live job; nothing is changed, and retry_many leaves it out."""
    job, fence = make(api, wid, "running")
    api.fail(job, fence, retry=False)
    rival = api.push(unique_key="k")
    before = snapshot(api)
    with pytest.raises(psycopg.Error) as caught:
        api.retry(job)
    assert caught.value.sqlstate == "PW003" and str(rival) in caught.value.diag.message_primary
    assert [tuple(r) for r in api.rows("retry_many", jobs=[job])] == [(job, "failed", False)]
    assert snapshot(api) == before
    api.cancel(rival)
    assert [tuple(r) for r in api.rows("retry_many", jobs=[job])] == [(job, "failed", True)]


def test_of_two_with_one_key_the_first_is_retried(api, wid):
    jobs = []
    for _ in range(2):
        jobs.append(api.push(unique_key="k"))
        api.cancel(jobs[-1])
    free = api.push()
    api.cancel(free)
    rows = [tuple(row) for row in api.rows("retry_many", jobs=[jobs[1], free, jobs[0]])]
    assert rows == [(jobs[1], "cancelled", False), (free, "cancelled", True),
                    (jobs[0], "cancelled", True)]
    assert keys(api) == {"k": jobs[0]}


@pytest.mark.parametrize("until", ["end", "start"])
def test_of_many_pairs_one_each_is_retried(api, until):
    """Guards against a retry that waits for a key which it has just taken itself, for
    another job of the call: after forty such waits it gave up and left all as it was."""
    pairs = []
    for _ in range(2):
        rows = api.rows("push_many", kind="k", args=json_array([{}] * 50),
                        unique_keys=[f"k{n}" for n in range(50)], unique_until=until)
        pairs.append([row.job for row in rows])
        api.rows("cancel_many", jobs=pairs[-1])
    rows = [tuple(row) for row in api.rows("retry_many", jobs=pairs[1] + pairs[0])]
    assert rows == ([(job, "cancelled", False) for job in pairs[1]]
                    + [(job, "cancelled", True) for job in pairs[0]])


# -- what has no key pays nothing ------------------------------------------------------------------


def touched(api):
    """Pages of unique_key and its indexes that were looked at so far."""
    api.query("SELECT pg_stat_force_next_flush()")
    api.query("SELECT 1")
    return api.one(
        "SELECT heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0) "
        "FROM pg_statio_user_tables WHERE relid = 'pawl.unique_key'::regclass")


def keyless_day(api, wid):
    """Every verb, with jobs that have no key."""
    api.push()
    api.rows("push_many", jobs=Jsonb([{"kind": "k"}] * 5))
    api.push_some(10)
    rows = api.claim(wid, 8)
    (done, failed, later, back, gone, fenced, *rest) = rows
    api.rows("complete_many", jobs=[done.job], fences=[done.fence])
    api.fail(failed.job, failed.fence, retry=False)
    api.retry(failed.job)
    api.snooze(later.job, later.fence, "0")
    api.value("promote")
    api.release(back.job, back.fence)
    api.rows("cancel_many", jobs=[gone.job, later.job])
    api.rows("retry_many", jobs=[gone.job])
    api.fence(fenced.job, fenced.fence)
    api.query("UPDATE pawl.worker SET expires_at = clock_timestamp() RETURNING 1")
    assert api.value("recover") == len(rest) + 1


def test_a_keyless_job_touches_no_page_of_unique_key(api, wid):
    """Not by pushing, claiming, settling, retrying nor recovering it.

    Red on: freeing by key, or with a join that reads the table for every job.
    """
    api.push(unique_key="another", run_at="infinity")
    keyless_day(api, wid)  # reads the catalogue, and the metapages of the indexes
    before = touched(api)
    keyless_day(api, api.worker_start())
    assert touched(api) == before
    api.query("DELETE FROM pawl.unique_key WHERE shard = 0 AND job_id = 10 RETURNING 1")  # naive
    assert touched(api) > before
