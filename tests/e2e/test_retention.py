"""What is old goes, what is live stays, and nobody waits for it (DESIGN 10).

Partitions are emptied, not detached.  The bugs: survivors that are chosen before the
partition is locked, so that a job which is retried or pushed meanwhile is gone; a
survivor that nobody sees while a statement's snapshot is older than its lock; DETACH or
DROP, behind which every push waits as long as anybody reads.
"""

import threading

import psycopg
import pytest
from harness.api import Api, json_array, sqlstate
from harness.batches import Batch
from harness.grouped import Runner, stops
from harness.narrow import AHEAD, NAIVE_EMPTY, narrow
from harness.paths import REPO
from harness.wait import wait_until

WIDTH = 100
OLD = "clock_timestamp() - interval '8 days'"


@pytest.fixture(scope="module")
def cluster(still_cluster):
    """Autovacuum holds a partition for longer than retention waits for it."""
    return still_cluster


@pytest.fixture
def db(db):
    """Ids 0 to 99 in the first partition, and so on."""
    narrow(db, WIDTH)
    return db


def fill(api, until=2 * WIDTH):
    """Jobs up to the id, all succeeded long ago; their ids."""
    last = api.one("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM pawl.job_id")
    jobs = api.push_some(until - last)
    wid = api.worker_start()
    while rows := api.claim(wid, 10_000):
        pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
        api.rows("complete_many", **pairs)
    age(api)
    return jobs


def age(api):
    """All that has been pushed, and has ended, was so eight days ago."""
    api.connection.execute(f"UPDATE pawl.outcome SET finished_at = {OLD}")
    api.connection.execute(f"UPDATE pawl.job SET pushed_at = {OLD}")


def retain(api, **named):
    """All that is to do now: [(step, part, gone, kept)]; a busy one ends it."""
    steps = []
    while rows := api.rows("retain", **named):
        steps.append(tuple(rows[0]))
        if rows[0].step == "busy":
            break
    return steps


def everything(api, jobs):
    """All that is known of the jobs, table by table."""
    tables = (
        ("job", "id"),
        ("ready", "job_id"),
        ("scheduled", "job_id"),
        ("waiting", "job_id"),
        ("running", "job_id"),
        ("outcome", "job_id"),
        ("attempt", "job_id"),
        ("log", "job_id"),
    )
    return {
        table: api.query(
            f"SELECT to_jsonb(t) FROM pawl.{table} t WHERE {key} = ANY (%s) ORDER BY {key}", [jobs]
        )
        for table, key in tables
    }


def waiting(db):
    """Somebody waits for a lock."""
    return db.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0


class Call(threading.Thread):
    """A call in a session of its own that is expected to wait; join() raises its error."""

    def __init__(self, db, call, **options):
        super().__init__(daemon=True)
        self.db, self.call, self.options = db, call, options
        self.answer, self.error = None, None
        self.start()

    def run(self):
        try:
            with self.db.connect(**self.options) as connection:
                self.answer = self.call(Api(connection))
        except psycopg.Error as error:
            self.error = error

    def result(self):
        self.join(30)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.answer


@pytest.fixture
def kept(api):
    """One job of each live state among a hundred old ones, and one that ended lately."""
    kept = {"ready": api.push("kept", args={"n": 1}, meta='{"m": 2}', queue="r", priority=7)}
    kept["scheduled"] = api.push("kept", args={"n": 2}, run_at="infinity", queue="s")
    kept["waiting"] = api.push("kept", args={"n": 6}, queue="w", group_key="a/g", run_key=1)
    kept["running"] = api.push("kept", args={"n": 3}, queue="x", timeout="1 day")
    kept["failing"] = api.push("kept", args={"n": 4}, queue="f")
    kept["young"] = api.push("kept", args={"n": 5}, queue="y")
    wid = api.worker_start(lease="1 hour")
    fence = api.claim_one(wid, queues=["f"]).fence
    api.value("log", job=kept["failing"], fence=fence, message="hello")
    api.fail(kept["failing"], fence, retry_in="1 day")
    fill(api)
    fence = api.claim_one(wid, queues=["y"]).fence
    api.complete(kept["young"], fence, result='{"r": 1}')
    fence = api.claim_one(wid, queues=["x"]).fence
    return {"jobs": kept, "fence": fence, "wid": wid}


def test_survivors_keep_everything(api, kept):
    """Job by job, not by counts: every row of every table of those that stay is as it was."""
    jobs = sorted(kept["jobs"].values())
    before = everything(api, jobs)
    sequence = api.one("SELECT last_value FROM pawl.job_id")
    assert retain(api) == [("emptied", "0", WIDTH - 1 - 6, 6), ("emptied", "1", WIDTH, 0)]
    assert everything(api, jobs) == before
    assert [row.id for row in api.query("SELECT id FROM pawl.job ORDER BY 1")] == [*jobs, sequence]
    ended = [row.job_id for row in api.query("SELECT job_id FROM pawl.outcome ORDER BY 1")]
    assert ended == [kept["jobs"]["young"], sequence]
    assert retain(api) == []


def test_survivors_live_on(api, kept):
    """Each goes on as if nothing had been: claimed with its args, failed, completed."""
    retain(api)
    jobs, wid = kept["jobs"], kept["wid"]
    assert api.fail(jobs["running"], kept["fence"], retry_in="1 day") == "scheduled"
    api.connection.execute("UPDATE pawl.scheduled SET due = clock_timestamp()")
    assert api.value("promote") == 3
    rows = api.claim(wid, 10, queues=["r", "s", "x", "f"])
    assert [(row.job, row.args) for row in rows] == [
        (jobs["ready"], {"n": 1}),
        (jobs["scheduled"], {"n": 2}),
        (jobs["running"], {"n": 3}),
        (jobs["failing"], {"n": 4}),
    ]
    for row in rows:
        api.complete(row.job, row.fence)
    assert sqlstate(api.retry, jobs["young"]) == "PW004"
    claim = Runner(api, "a/g").dispatch()
    assert (claim.job, api.job(claim.job).run_key) == (jobs["waiting"], 1)
    api.complete(claim.job, claim.fence)
    age(api)
    assert retain(api) == [
        ("emptied", "0", 6, 0),
        ("attempts", "0", 2, None),
        ("dropped", "0", 0, None),
        ("dropped", "0", 0, None),
    ]


def test_what_went_is_unknown(api):
    """To cancel, retry, show and settle alike; attempts go too, in chunks."""
    job, wid = api.push(), api.worker_start()
    fence = api.claim_one(wid).fence
    api.fail(job, fence, retry=False)
    api.connection.execute(
        "INSERT INTO pawl.attempt (job_id, ended_at, attempt, category) "
        "SELECT %s, clock_timestamp(), g, 'error' FROM generate_series(1, 5999) g",
        [job],
    )
    fill(api)
    assert retain(api) == [
        ("emptied", "0", 99, 0),
        ("attempts", "0", 5000, None),
        ("attempts", "0", 1000, None),
        ("dropped", "0", 0, None),
        ("dropped", "0", 0, None),
        ("emptied", "1", 100, 0),
    ]
    assert api.one("SELECT count(*) FROM pawl.attempt") == 0
    for call in (api.cancel, api.retry):
        assert sqlstate(call, job) == "P0002"
    assert api.query("SELECT * FROM pawl.jobs WHERE id = %s", [job]) == []
    assert sqlstate(api.complete, job, fence) == "PW001"


def ended_batch(api, worker):
    """A batch that has ended long ago, with one failed job and its completion job."""
    batch = Batch(api)
    (job,) = batch.push(1)
    batch.seal()
    api.fail(job, api.claim_one(worker).fence, retry=False)
    batch.fold()
    completion = api.claim_one(worker, queues=["reports"])
    api.complete(completion.job, completion.fence)
    api.connection.execute(f"UPDATE pawl.batch SET done_at = {OLD} WHERE id = %s", [batch.id])
    return batch, job


def test_a_batch_goes_after_its_jobs(api):
    """The bug: batches are kept for ever, or go by their age alone, while jobs that are
    still there name them."""
    wid = api.worker_start(lease="1 hour")
    ended_batch(api, wid)
    fill(api, until=WIDTH)
    young, job = ended_batch(api, wid)
    with api.connection.transaction(force_rollback=True):
        api.connection.execute(f"DELETE FROM pawl.batch WHERE done_at <= {OLD}")
        assert sqlstate(api.rows, "batch_progress", batch=young.id) == "P0002"
    age(api)
    assert [step[0] for step in retain(api)].count("batches") == 1
    assert [row.id for row in api.query("SELECT id FROM pawl.batch")] == [young.id]
    assert sqlstate(api.retry, job) == "PW004" and young.counters() == (1, 0, 1, 0)


def test_attempts_of_those_that_stay_stay(api):
    job, wid = api.push(), api.worker_start()
    api.fail(job, api.claim_one(wid).fence, retry_in="1 day")
    fill(api)
    assert [step[0] for step in retain(api)] == ["emptied", "emptied"]
    assert api.attempts(job) == ["error"]


def fail_head(api, group):
    """A job of the group that has failed for good; its id."""
    job = api.push(group_key=group)
    api.fail(job, Runner(api, group).dispatch().fence, retry=False)
    return job


def test_what_keeps_a_group_from_going_on_stays(api):
    """The bug: an operator is to retry the job that a group waits for, and it is gone; or
    stops of groups that nobody pushes into any more are kept for ever."""
    blocking, alone = fail_head(api, "a/blocked"), fail_head(api, "b/alone")
    behind = api.push(group_key="a/blocked")
    fill(api, until=WIDTH)
    before = everything(api, [blocking, behind])
    assert stops(api) == {blocking: "block", alone: "block"}
    assert retain(api) == [("emptied", "0", WIDTH - 1 - 2, 2), ("attempts", "0", 1, None),
                           ("stops", "0", 1, None)]
    assert everything(api, [blocking, behind]) == before
    assert stops(api) == {blocking: "block"}
    assert api.retry(blocking) == "failed" and stops(api) == {}
    assert api.cancel(blocking) == api.cancel(behind) == "waiting"
    age(api)
    assert retain(api)[0] == ("emptied", "0", 2, 0)


def test_young_partitions_stay(api):
    """Seven days by default, and exactly what is asked for."""
    fill(api, until=2 * WIDTH)
    api.connection.execute("UPDATE pawl.outcome SET finished_at = clock_timestamp()")
    assert retain(api) == []
    assert retain(api, jobs="1 day") == []
    assert [step[0] for step in retain(api, jobs="0 s")] == ["emptied", "dropped", "dropped", "emptied"]


@pytest.mark.parametrize("named", [{"jobs": "-1 s"}, {"logs": "-1 s"}])
def test_refuses(api, named):
    assert sqlstate(api.rows, "retain", **named) == "22023"


def test_the_newest_are_never_dropped(api):
    """Emptied up to the one that ids come into; dropped but for the one before it."""
    fill(api, until=3 * WIDTH + 50)
    steps = retain(api)
    assert steps == [
        ("emptied", "0", 99, 0),
        ("dropped", "0", 0, None),
        ("dropped", "0", 0, None),
        ("emptied", "1", 100, 0),
        ("dropped", "1", 0, None),
        ("dropped", "1", 0, None),
        ("emptied", "2", 100, 0),
    ]
    names = api.query(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent IN ('pawl.job'::regclass, 'pawl.outcome'::regclass) ORDER BY 1"
    )
    expected = sorted(f"{table}_p{n}" for n in range(2, AHEAD + 1) for table in ("job", "outcome"))
    assert [row.relname for row in names] == expected
    assert api.one("SELECT count(*) FROM pawl.job") == 51
    assert retain(api) == []
    assert [row.created for row in api.rows("push_many", kind="k", args=json_array([{}]))] == [True]


def test_too_many_live_jobs_are_left_for_later(api, db):
    """5,000 are the most that are moved; the next partition does not wait for this one."""
    narrow(db, 6000)
    sleeping = api.push_some(5001, run_at="infinity")
    fill(api, until=2 * 6000)
    assert [step[:2] for step in retain(api)] == [("emptied", "1")]
    assert api.one("SELECT count(*) FROM pawl.job WHERE id < 6000") == 5999
    api.cancel(sleeping[0])
    age(api)
    assert retain(api) == [("emptied", "0", 999, 5000)]
    assert api.one("SELECT count(*) FROM pawl.scheduled") == 5000


def test_a_partition_is_not_locked_for_less_than_a_tenth(api):
    """It would be emptied every hour for the one job in thousands that has ended since."""
    sleeping = api.push_some(20, run_at="infinity")
    fill(api)
    assert ("emptied", "0", 79, 20) in retain(api)
    api.cancel(sleeping[0])
    age(api)
    assert retain(api) == []
    api.cancel(sleeping[1])
    age(api)
    assert retain(api) == [("emptied", "0", 2, 18)]


def test_too_large_survivors_are_left_for_later(api):
    """64 MiB are the most; a partition with more is not read into memory."""
    api.connection.execute(
        "SELECT pawl.push('k', jsonb_build_object('a', large.text), queue => 'q') FROM "
        "(SELECT string_agg(md5(g::text), '') AS text FROM generate_series(1, 32000) g) large, "
        "generate_series(1, 68)"
    )
    fill(api)
    stored = api.one("SELECT sum(pg_column_size(args)) FROM pawl.job WHERE id < 100")
    assert stored > 64 << 20
    assert [step[:2] for step in retain(api)] == [("emptied", "1")]
    api.rows("cancel_many", jobs=list(range(1, 50)))
    age(api)
    assert [step[:2] for step in retain(api)] == [("emptied", "0")]
    assert api.one("SELECT length(args ->> 'a') FROM pawl.job WHERE id = 66") == 32 * 32000


# -- look, then lock; lock, then look ------------------------------------------------

def patient(db, for_both=False):
    """Ours, waiting as long as the naive one: its order alone is to be seen."""
    text = (REPO / "sql" / "functions" / "empty_partition.sql").read_text(encoding="utf-8")
    assert "SET lock_timeout = '50ms'" in text
    text = text.replace("SET lock_timeout = '50ms'", "SET lock_timeout = '10s'")
    db.execute(text.replace("EXCLUSIVE MODE NOWAIT", "EXCLUSIVE MODE") if for_both else text)


def naive(db):
    db.execute(NAIVE_EMPTY)


def empty(db):
    """empty_partition of the first partition, in a session of its own."""
    return Call(db, lambda api: api.rows("empty_partition", part="0", low=0, high=WIDTH, keep="7 days"))


def push_into_it(mine, api):
    """A job with an id of the first partition, by a transaction that stays open."""
    mine.connection.execute("BEGIN")
    job = mine.push("late")
    fill(api)
    return job


def retry_it(mine, api):
    fill(api, until=10)
    job, wid = api.push(), api.worker_start()
    api.fail(job, api.claim_one(wid).fence, retry=False)
    fill(api)
    mine.connection.execute("BEGIN")
    mine.retry(job)
    return job


def complete_it(mine, api):
    job, wid = api.push(queue="q"), api.worker_start(lease="1 hour")
    fill(api)
    fence = api.claim_one(wid, queues=["q"]).fence
    mine.connection.execute("BEGIN")
    mine.complete(job, fence)
    return job


def wait_behind_it(mine, api):
    """A job that has stopped its group, in which nobody has waited until now."""
    job = fail_head(api, "g")
    fill(api)
    mine.connection.execute("BEGIN")
    mine.connection.execute("SELECT FROM pawl.outcome_p0 LIMIT 1")
    mine.push(group_key="g")
    return job


ENDED = (complete_it, wait_behind_it)


@pytest.mark.parametrize("act", [push_into_it, retry_it, *ENDED], ids=lambda f: f.__name__)
@pytest.mark.parametrize("variant", [patient, naive], ids=lambda f: f.__name__)
def test_lock_then_look(db, api, act, variant):
    """The job that somebody pushes, retries, completes or begins to wait for meanwhile is
    there afterwards.

    Red on: taking the survivors and locking then (naive).
    """
    variant(db)
    with db.connect() as connection:
        mine = Api(connection)
        job = act(mine, api)
        call = empty(db)
        wait_until(lambda: waiting(db) or not call.is_alive(), 30, "the lock")
        connection.execute("COMMIT")
    ((gone, _),) = call.result()
    described = api.query("SELECT id FROM pawl.job WHERE id = %s", [job])
    terminal = api.query("SELECT job_id FROM pawl.outcome WHERE job_id = %s", [job])
    places = set(api.places(job))
    if variant is naive:
        lost = described == [] or (act in ENDED and terminal == [])
        assert gone == 1 and lost, "the naive variant has become safe: the test shows nothing"
        return
    assert len(described) == 1 and len(places) == 1
    assert (len(terminal) == 1) == (act in ENDED)
    assert gone == (None if act is push_into_it else 98 if act in ENDED else 0)


@pytest.mark.parametrize("waits", [False, True])
def test_it_waits_for_nothing_once_it_has_a_lock(db, api, waits):
    """A transaction that has read the job, and then completes it, is no deadlock's victim.

    Red on: waiting for the second partition as for the first, which is a circle.
    """
    job, wid = api.push(queue="q"), api.worker_start(lease="1 hour")
    fill(api)
    fence = api.claim_one(wid, queues=["q"]).fence
    patient(db, waits)
    deadlocks = db.deadlocks()
    with db.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT args FROM pawl.job_p0 WHERE id = %s", [job])
        call = empty(db)
        if waits:
            wait_until(lambda: waiting(db), 30, "the second lock")
        else:
            assert call.result() == [(0, None)]
        state = sqlstate(Api(connection).complete, job, fence)
        connection.execute("ROLLBACK" if state else "COMMIT")
    call.join()
    wait_until(lambda: db.deadlocks() == deadlocks + waits, 30, "the counter")
    assert state is None or waits


def test_nothing_waits_for_a_writer(db, api):
    """An operator's retry, not committed: retention gives up and takes it up again."""
    with db.connect() as connection:
        job = retry_it(Api(connection), api)
        api.connection.execute("SET statement_timeout = '30 s'")
        assert [step[:2] for step in retain(api)] == [("emptied", "1"), ("busy", "0")]
        connection.execute("COMMIT")
    assert ("emptied", "0", 98, 1) in retain(api)
    assert api.state(job) == "ready" and api.attempts(job) == ["error", "operator"]


# -- a snapshot that is older than the lock -------------------------------------------


@pytest.fixture
def emptying(db, api, kept):
    """A session that has emptied the first partition and has not committed."""
    with db.connect() as connection:
        connection.execute("BEGIN")
        rows = Api(connection).rows("empty_partition", part="0", low=0, high=WIDTH, keep="7 days")
        assert rows == [(93, 6)]
        yield connection


def meet(db, emptying, call):
    """What the call answers that waits while the partition is being emptied."""
    waiter = Call(db, call)
    wait_until(lambda: waiting(db) or not waiter.is_alive(), 30, "the call to wait")
    assert waiter.is_alive(), "it did not wait"
    emptying.execute("COMMIT")
    return waiter.result()


@pytest.mark.parametrize("volatile", [True, False])
def test_a_failure_that_waited_finds_the_description(db, kept, emptying, volatile):
    """Without it, a job that is to be tried again has failed for good.

    Red on: describe STABLE, whose snapshot is the caller's, older than the lock.
    """
    if not volatile:
        db.execute("ALTER FUNCTION pawl.describe STABLE")
    job, fence = kept["jobs"]["running"], kept["fence"]
    state = meet(db, emptying, lambda api: api.fail(job, fence))
    assert state == ("scheduled" if volatile else "failed")


@pytest.mark.parametrize("volatile", [True, False])
def test_a_cancel_that_waited_knows_the_job(db, kept, emptying, volatile):
    """It has succeeded lately. Red on: state_of STABLE, which knows no such job."""
    if not volatile:
        db.execute("ALTER FUNCTION pawl.state_of STABLE")
        db.execute("ALTER FUNCTION pawl.cancel STABLE")
    job = kept["jobs"]["young"]
    call = lambda api: api.rows("state_of", job=job)[0][0]  # noqa: E731
    if volatile:
        assert meet(db, emptying, lambda api: api.cancel(job)) == "succeeded"
    else:
        assert meet(db, emptying, call) is None


def test_a_claim_that_waited_has_the_args(db, kept, emptying):
    job, wid = kept["jobs"]["ready"], kept["wid"]
    row = meet(db, emptying, lambda api: api.claim_one(wid, queues=["r"]))
    assert (row.job, row.args, row.meta) == (job, {"n": 1}, {"m": 2})


def test_a_retry_that_waited(db, api, kept, emptying):
    """What went is unknown to it; what stayed is judged as ever."""
    young = kept["jobs"]["young"]
    call = lambda api: [sqlstate(api.retry, job) for job in (50, young)]  # noqa: E731
    assert meet(db, emptying, call) == ["P0002", "PW004"]


# -- readers ---------------------------------------------------------------------------


def test_a_reader_stops_no_push(db, api):
    """A snapshot held open over everything: retention is busy, pushes and settles go on."""
    fill(api, until=3 * WIDTH + 50)
    wid = api.worker_start()
    api.connection.execute("SET statement_timeout = '30 s'")
    with db.connect(autocommit=False) as reader:
        reader.execute("SELECT count(*) FROM pawl.jobs, pawl.log")
        for _ in range(3):
            assert [step[0] for step in retain(api)] == ["busy"]
            job = api.push()
            api.complete(job, api.claim_one(wid).fence)
    assert ("emptied", "0", 99, 0) in retain(api)


def test_a_reader_stops_no_push_when_a_partition_is_dropped(db, api):
    """The parents are locked for that: for at most 50 ms, then it gives up."""
    fill(api, until=3 * WIDTH + 50)
    with db.connect(autocommit=False) as reader:
        reader.execute("SELECT count(*) FROM ONLY pawl.job")
        api.connection.execute("SET statement_timeout = '30 s'")
        steps = [step[0] for step in retain(api)]
        assert steps == ["emptied", "emptied", "emptied", "busy"]
        assert api.state(api.push()) == "ready"
    assert [step[0] for step in retain(api)] == ["dropped"] * 4


@pytest.mark.parametrize(
    "statement", ["DROP TABLE pawl.job_p0", "ALTER TABLE pawl.job DETACH PARTITION pawl.job_p0"]
)
def test_naive_drop_is_red(db, api, statement):
    """Without the bound, every push waits behind the reader for as long as he reads."""
    fill(api, until=3 * WIDTH + 50)
    with db.connect(autocommit=False) as reader, db.connect() as other:
        reader.execute("SELECT count(*) FROM pawl.jobs")

        def drop():
            try:
                other.execute(statement)
            except psycopg.errors.QueryCanceled:
                pass

        thread = threading.Thread(target=drop)
        thread.start()
        wait_until(lambda: waiting(db), 30, "the drop to wait")
        api.connection.execute("SET lock_timeout = '1 s'")
        assert sqlstate(api.push) == "55P03"
        other.cancel()
        thread.join()


def test_a_second_one_does_nothing(db, api):
    """Nobody waits for somebody who empties a partition in an open transaction."""
    fill(api)
    with db.connect() as connection:
        connection.execute("BEGIN")
        assert Api(connection).rows("retain")[0].step == "emptied"
        api.connection.execute("SET statement_timeout = '30 s'")
        assert api.rows("retain") == []
        connection.execute("ROLLBACK")
    assert [step[0] for step in retain(api)] == ["emptied", "dropped", "dropped", "emptied"]


# -- logs ------------------------------------------------------------------------------


@pytest.fixture
def old_days(db, api):
    """Two days of years ago, with a line each; and a line of today."""
    api.connection.execute("SET ROLE pawl_owner")
    for day, end in (("2020-01-01", "2020-01-02"), ("2020-01-02", "2020-01-03")):
        name = "log_p" + day.replace("-", "")
        bounds = {"low": f"{day} 00:00:00+00", "high": f"{end} 00:00:00+00"}
        api.value("attach_partition", parent="log", name=name, key="at", **bounds)
        api.connection.execute(
            "INSERT INTO pawl.log (job_id, at, level, message) VALUES (1, %s, 'info', 'old')",
            [bounds["low"]],
        )
    api.connection.execute("RESET ROLE")
    api.rows("log_many", jobs=[1], fences=[1], ats=[None], levels=["info"], messages=["new"])


def messages(api):
    return [row.message for row in api.query("SELECT message FROM pawl.log ORDER BY id")]


def test_logs_go_by_days(api, old_days):
    """Whole days, whatever the session's zone and style of dates; job rows are untouched."""
    api.connection.execute("SET TimeZone = 'Asia/Tokyo'")
    api.connection.execute("SET DateStyle = 'German'")
    assert messages(api) == ["old", "old", "new"]
    assert retain(api, logs="7 days") == [
        ("logs", "20200101", None, None),
        ("logs", "20200102", None, None),
    ]
    assert messages(api) == ["new"]


def test_a_reader_of_logs_stops_no_line(db, api, old_days):
    """Somebody reads for hours: lines are stored, and the days go when he has ended."""
    with db.connect(autocommit=False) as reader:
        reader.execute("SELECT count(*) FROM pawl.logs")
        api.connection.execute("SET statement_timeout = '30 s'")
        assert retain(api) == [("busy", "20200101", None, None)]
        api.rows("log_many", jobs=[1], fences=[1], ats=[None], levels=["info"], messages=["more"])
    assert len(retain(api)) == 2 and messages(api) == ["new", "more"]


def test_logs_go_beside_locked_jobs(db, api, old_days):
    """Somebody holds every row of jobs, and of their states: the old days go (1.11).

    Red on: a foreign key from a line to its job: dropping the lines waits for the holder.
    """
    api.push_some(3)
    with db.connect(autocommit=False) as holder:
        for table in ("job", "ready", "running", "outcome"):
            holder.execute(f"SELECT 1 FROM pawl.{table} FOR UPDATE")
        api.connection.execute("SET statement_timeout = '30 s'")
        assert [step[0] for step in retain(api)] == ["logs", "logs"]
        assert messages(api) == ["new"]
        holder.rollback()
        api.connection.execute("CREATE TABLE naive (job bigint, shard smallint)")
        api.connection.execute("ALTER TABLE naive ADD FOREIGN KEY (job, shard) REFERENCES pawl.job")
        holder.execute("SELECT 1 FROM pawl.job FOR UPDATE")
        api.connection.execute("SET lock_timeout = '100 ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            api.connection.execute("DROP TABLE naive")


# -- the steward -------------------------------------------------------------------------


def test_a_worker_takes_away_what_is_old(db, api, worker):
    """Nobody calls anything: a worker that runs is enough, and it says what it has done."""
    fill(api)
    with worker(handlers={"k": "true"}) as running:
        wait_until(lambda: "took away 199 jobs" in running.log(), 20, running.log)
    assert api.one("SELECT count(*) FROM pawl.job") == 1
