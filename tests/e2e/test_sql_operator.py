"""cancel, retry, their _many forms, logs and job_list: what an operator does by id."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from harness.api import Api, sqlstate
from psycopg.types.json import Jsonb

UNKNOWN = 10**15
FAR = datetime.datetime(2999, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture
def wid(api):
    return api.worker_start(name="w")


def make(api, wid, state):
    """A job in that state, by the shortest way; (job, fence or None)."""
    if state == "scheduled":
        return api.push(run_at=FAR), None
    if state == "ready":
        return api.push(), None
    job = api.push(priority=0)
    if state == "cancelled":
        api.cancel(job)
        return job, None
    fence = api.claim_one(wid).fence  # priority 0: before the others
    if state == "succeeded":
        api.complete(job, fence)
    elif state == "failed":
        api.fail(job, fence, retry=False)
    return job, fence


# -- cancel ----------------------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "scheduled", "running"])
def test_cancel_in_every_live_state(api, wid, state):
    """The answer is the state it was in; the outcome is there at once, with the reason."""
    job, fence = make(api, wid, state)
    assert api.cancel(job, reason="not wanted") == state
    done = api.job(job)
    assert (done.state, done.error, done.fence) == ("cancelled", "not wanted", fence)
    assert api.places(job) == ["outcome"]
    assert api.attempts(job) == (["cancelled"] if state == "running" else [])
    assert api.cancel(job) == "cancelled"


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_cancel_of_a_finished_job(api, wid, state):
    """Answered with the state that it is in, and nothing is changed."""
    job, _ = make(api, wid, state)
    before = api.query("SELECT * FROM pawl.outcome")
    assert api.cancel(job) == state
    assert api.query("SELECT * FROM pawl.outcome") == before


def test_late_result_of_a_cancelled_job_is_stale(api, wid):
    job, fence = make(api, wid, "running")
    api.cancel(job)
    assert sqlstate(api.complete, job, fence) == "PW001"
    assert api.state(job) == "cancelled"


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_unknown_id(api, verb):
    """P0002 for an id that no job has, whatever id it is."""
    for job in (UNKNOWN, 0, -1, 2**63 - 1, None):
        assert sqlstate(getattr(api, verb), job) == "P0002", job


def test_cancel_of_a_fenced_job_is_busy(db, api, wid):
    """A fenced claim is not waited for and not lost: busy, then what came of it."""
    job, fence = make(api, wid, "running")
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        mine.fence(job, fence)
        assert api.cancel(job) == "busy"
        mine.complete(job, fence)
        assert api.cancel(job) == "busy"
        connection.commit()
    assert api.cancel(job) == "succeeded"


def test_cancel_tells_the_worker(db, api, wid):
    """By NOTIFY at once, and by its heartbeat in any case."""
    (job, fence), (kept, kept_fence) = make(api, wid, "running"), make(api, wid, "running")
    with db.connect() as listener:
        listener.execute("LISTEN pawl_worker")
        api.cancel(job)
        note = next(listener.notifies())
        assert (note.channel, note.payload) == ("pawl_worker", str(wid))
    pairs = {"jobs": [job, kept], "fences": [fence, kept_fence]}
    assert [row[0] for row in api.rows("heartbeat", worker=wid, **pairs)] == [fence]
    assert [row[0] for row in api.rows("heartbeat", worker=wid)] == [fence]


def test_cancel_many(db, api, wid):
    """Every state at once, in input order: what it was, and whether it is cancelled now."""
    states = ["running", "succeeded", "ready", "failed", "scheduled", "cancelled"]
    jobs = [make(api, wid, state)[0] for state in states]
    fenced, fence = make(api, wid, "running")
    with db.connect(autocommit=False) as connection:
        Api(connection).fence(fenced, fence)
        rows = api.rows("cancel_many", jobs=[*jobs, fenced, UNKNOWN, jobs[2]], reason="r")
        connection.rollback()
    assert [row.job for row in rows] == [*jobs, fenced, UNKNOWN, jobs[2]]
    assert [(row.was, row.done) for row in rows[:7]] == [
        ("running", True),
        ("succeeded", False),
        ("ready", True),
        ("failed", False),
        ("scheduled", True),
        ("cancelled", False),
        ("busy", False),
    ]
    assert (rows[7].was, rows[7].done) == ("unknown", False)
    assert [api.state(job) for job in jobs[::2]] == ["cancelled"] * 3
    assert api.state(fenced) == "running"


def test_cancel_many_keeps_the_reason_of_each(api, wid):
    """The reason stands in every outcome, whatever state the job was in."""
    states = ["running", "ready", "running", "scheduled", "running"]
    jobs = [make(api, wid, state)[0] for state in states]
    api.rows("cancel_many", jobs=jobs, reason="not needed")
    assert [api.job(job).error for job in jobs] == ["not needed"] * 5
    rows = api.query("SELECT error FROM pawl.attempts WHERE category = 'cancelled'")
    assert [row.error for row in rows] == ["not needed"] * 3


def test_cancel_many_names_a_job_twice(db, api, wid):
    """One answer for each place in the input, also when it was not cancelled."""
    done, ready = make(api, wid, "succeeded")[0], make(api, wid, "ready")[0]
    busy, fence = make(api, wid, "running")
    with db.connect(autocommit=False) as connection:
        Api(connection).fence(busy, fence)
        rows = api.rows("cancel_many", jobs=[done, busy, ready] * 2)
        connection.rollback()
    assert [(row.job, row.was, row.done) for row in rows] == [
        (done, "succeeded", False),
        (busy, "busy", False),
        (ready, "ready", True),
    ] * 2


def test_many_forms_of_many(db, api):
    """The cost follows the number of jobs, not its square, also where the statistics tell
    of one: some 0.5 s each, and a minute with the square."""
    (one,) = api.push_some(1)
    for verb in ("cancel_many", "retry_many"):
        assert [row.done for row in api.rows(verb, jobs=[one])] == [True]
        db.execute("ANALYZE")
    jobs = api.push_some(20_000)
    api.connection.execute("SET statement_timeout = '15 s'")
    assert all(row.done for row in api.rows("cancel_many", jobs=jobs))
    assert all(row.done for row in api.rows("retry_many", jobs=jobs))


def test_many_forms_of_nothing(api):
    assert api.query("SELECT * FROM pawl.cancel_many('{}')") == []
    assert api.query("SELECT * FROM pawl.retry_many('{}')") == []


@pytest.mark.parametrize("verb", ["cancel", "retry", "cancel_many", "retry_many"])
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_by_id_refuses_other_isolation_levels(db, api, wid, verb, level):
    """Looking again needs a new snapshot: 25001 rather than an answer from the past."""
    job, _ = make(api, wid, "ready" if verb.startswith("cancel") else "cancelled")
    before = api.state(job)
    with db.connect(autocommit=False) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        named = {"jobs": [job]} if verb.endswith("many") else {"job": job}
        assert sqlstate(Api(connection).rows, verb, **named) == "25001"
    assert api.state(job) == before


def test_cancel_many_with_nulls(api):
    """A NULL is no job, and the others are cancelled at once."""
    job = api.push()
    rows = api.rows("cancel_many", jobs=[None, job, None])
    assert [(row.was, row.done) for row in rows] == [
        ("unknown", False),
        ("ready", True),
        ("unknown", False),
    ]


# -- retry -----------------------------------------------------------------------


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_retry(api, wid, state):
    """Ready again with failures and crashes 0, a new attempt and fence, its past kept."""
    job, old = make(api, wid, state)
    attempt = api.job(job).attempt
    history = len(api.attempts(job))
    assert api.retry(job) == state
    now = api.job(job)
    assert (now.state, now.failures, now.crashes, now.attempt) == ("ready", 0, 0, attempt)
    assert api.attempts(job)[history:] == ["operator"]
    row = api.claim_one(wid)
    assert (row.job, row.attempt) == (job, attempt + 1)
    assert old is None or row.fence > old
    api.complete(job, row.fence)
    assert api.state(job) == "succeeded"


@pytest.mark.parametrize("state", ["ready", "scheduled", "running", "succeeded"])
def test_retry_refuses(api, wid, state):
    """PW004 and nothing changed: what lives needs no retry, what succeeded gets none."""
    job, _ = make(api, wid, state)
    before = api.job(job)
    assert sqlstate(api.retry, job) == "PW004"
    assert api.job(job) == before and api.attempts(job) == []


def test_retry_later(api, wid):
    """run_at in the future makes it scheduled, in the past ready."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    job, _ = make(api, wid, "failed")
    api.retry(job, run_at=at)
    assert (api.job(job).state, api.job(job).run_at) == ("scheduled", at)
    other, _ = make(api, wid, "cancelled")
    api.retry(other, run_at=at - datetime.timedelta(hours=2))
    assert api.state(other) == "ready"


def test_retry_keeps_what_the_outcome_said(api, wid):
    """The outcome is deleted; its error and fence live on in the history."""
    job = api.push()
    fence = api.claim_one(wid).fence
    api.fail(job, fence, error="disk full", retry=False)
    api.retry(job)
    last = api.query("SELECT category, error, fence FROM pawl.attempts ORDER BY id")[-1]
    assert last == ("operator", "disk full", fence)


def test_retry_gives_all_tries_again(api, wid):
    """failures start at 0: a job with one try left before has max_attempts again."""
    job = api.push(max_attempts=2)
    for wanted in ("scheduled", "failed"):
        assert api.fail(job, api.claim_one(wid).fence) == wanted
        api.query("UPDATE pawl.scheduled SET due = clock_timestamp() RETURNING 1")
        api.value("promote")
    api.retry(job)
    assert api.fail(job, api.claim_one(wid).fence) == "scheduled"


def test_retry_many(api, wid):
    states = ["failed", "succeeded", "cancelled", "ready", "running", "scheduled"]
    jobs = [make(api, wid, state)[0] for state in states]
    rows = api.rows("retry_many", jobs=[*jobs[::-1], UNKNOWN])
    assert [row.job for row in rows] == [*jobs[::-1], UNKNOWN]
    assert [(row.was, row.done) for row in rows[5::-1]] == [
        ("failed", True),
        ("succeeded", False),
        ("cancelled", True),
        ("ready", False),
        ("running", False),
        ("scheduled", False),
    ]
    assert (rows[6].was, rows[6].done) == ("unknown", False)
    assert api.state(jobs[0]) == api.state(jobs[2]) == "ready"


def test_retry_many_names_a_job_twice(api, wid):
    job, _ = make(api, wid, "failed")
    rows = api.rows("retry_many", jobs=[job, job])
    assert [row.job for row in rows] == [job, job] and any(row.done for row in rows)
    assert api.places(job) == ["ready"] and api.attempts(job).count("operator") == 1


# -- logs ------------------------------------------------------------------------


def test_log(api, wid):
    """A line is stored as it was said, with its fence, level and context."""
    job, fence = make(api, wid, "running")
    api.value("log", job=job, fence=fence, message="hello")
    api.value("log", job=job, fence=fence, message="x", level="error", context=Jsonb({"a": 1}))
    lines = api.query("SELECT job, fence, level::text, message, context FROM pawl.logs ORDER BY id")
    assert lines == [(job, fence, "info", "hello", None), (job, fence, "error", "x", {"a": 1})]


def test_a_stale_log_line_is_stored(api, wid):
    """A log line carries its fence and is always stored: it tells what went wrong."""
    job, fence = make(api, wid, "running")
    api.cancel(job)
    api.value("log", job=job, fence=fence, message="stopping")
    assert api.one("SELECT message FROM pawl.logs") == "stopping"


def test_log_belongs_to_the_callers_transaction(db, api, wid):
    """And its documentation says so: a rollback takes the line."""
    job, fence = make(api, wid, "running")
    with db.connect(autocommit=False) as connection:
        Api(connection).value("log", job=job, fence=fence, message="lost")
        connection.rollback()
    assert api.query("SELECT * FROM pawl.logs") == []


def test_log_touches_no_row_of_the_job(db, api, wid):
    """1,000 lines are 1,000 inserts: xmin and ctid of the job's rows stay, and nothing else
    is read or written (1.1)."""
    job, fence = make(api, wid, "running")
    look = (
        "SELECT x.xmin::text AS a, x.ctid::text AS b, j.xmin::text AS c, j.ctid::text AS d "
        "FROM pawl.running x JOIN pawl.job j ON j.id = x.job_id"
    )
    before = api.query(look)
    n = 1000
    with db.connect(autocommit=False) as fresh:
        mine = Api(fresh)
        stored = mine.value(
            "log_many",
            jobs=[job] * n,
            fences=[fence] * n,
            ats=[datetime.datetime.now(datetime.timezone.utc)] * n,
            levels=["info"] * n,
            messages=[f"line {i}" for i in range(n)],
        )
        touched = mine.query(
            "SELECT split_part(relname, '_p', 1) AS name, n_tup_ins, n_tup_upd, n_tup_del, "
            "coalesce(seq_scan, 0) + coalesce(idx_scan, 0) AS scans FROM pg_stat_xact_user_tables "
            "WHERE schemaname = 'pawl' AND n_tup_ins + n_tup_upd + n_tup_del + seq_scan > 0"
        )
    assert touched == [("log", n, 0, 0, 0)]
    assert stored == n and api.query(look) == before
    lines = api.query("SELECT message FROM pawl.logs ORDER BY id")
    assert lines == [(f"line {i}",) for i in range(n)]


def test_logs_of_sixteen_sessions(db, api, wid):
    """16 sessions x 1,000 lines on one job: all there, once, each writer in order (1.2).

    Every tenth line is the same everywhere: equal lines are not merged.
    """
    job, fence = make(api, wid, "running")
    now = datetime.datetime.now(datetime.timezone.utc)

    def text(writer, n):
        return "the same" if n % 10 == 0 else f"{writer} {n}"

    def write(writer):
        with db.connect() as connection:
            mine = Api(connection)
            for start in range(0, 1000, 20):
                lines = [text(writer, n) for n in range(start, start + 20)]
                named = {"levels": ["info"] * 20, "messages": lines, "ats": [now] * 20}
                mine.value("log_many", jobs=[job] * 20, fences=[fence] * 20, **named)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    lines = [row.message for row in api.query("SELECT message FROM pawl.logs ORDER BY id")]
    assert len(lines) == 16_000 and lines.count("the same") == 1600
    for writer in range(16):
        mine = [line for line in lines if line.startswith(f"{writer} ")]
        assert mine == [text(writer, n) for n in range(1000) if n % 10]


def test_log_while_the_job_is_locked(db, api, wid):
    """An insert waits for nobody who holds the job's rows (1.3).

    Red on: a foreign key to `job`, tried here with a table of the test's own.
    """
    job, fence = make(api, wid, "running")
    with db.connect(autocommit=False) as holder:
        holder.execute("SELECT 1 FROM pawl.job WHERE id = %s FOR UPDATE", [job])
        holder.execute("SELECT 1 FROM pawl.running WHERE job_id = %s FOR UPDATE", [job])
        api.connection.execute("SET lock_timeout = '100 ms'")
        api.value("log", job=job, fence=fence, message="not blocked")
    with db.connect() as other:
        other.execute("CREATE TABLE naive (job bigint, shard smallint DEFAULT 0, message text)")
        other.execute("ALTER TABLE naive ADD FOREIGN KEY (job, shard) REFERENCES pawl.job")
        with db.connect(autocommit=False) as holder:
            holder.execute("SELECT 1 FROM pawl.job WHERE id = %s FOR UPDATE", [job])
            other.execute("SET lock_timeout = '100 ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("INSERT INTO naive VALUES (%s)", [job])


def test_long_log_line_is_cut_with_a_mark(api, wid):
    job, fence = make(api, wid, "running")
    api.value("log", job=job, fence=fence, message="\u20ac" * 1_000_000)
    kept = api.one("SELECT message FROM pawl.logs")
    assert 8_000 < len(kept.encode()) <= 8_192
    assert kept.startswith("\u20ac" * 1000) and kept.endswith("bytes cut]")


def test_log_refuses_a_level(api, wid):
    job, fence = make(api, wid, "running")
    state = sqlstate(api.value, "log", job=job, fence=fence, message="x", level="loud")
    assert state == "22P02"


def test_log_far_from_today(api, wid):
    """A worker's clock that jumped does not lose lines for want of a partition."""
    job, fence = make(api, wid, "running")
    now = datetime.datetime.now(datetime.timezone.utc)
    ats = [now + datetime.timedelta(days=days) for days in (-400, -1, 0, 1, 400)]
    named = {"levels": ["info"] * 5, "messages": list("abcde"), "ats": ats}
    assert api.value("log_many", jobs=[job] * 5, fences=[fence] * 5, **named) == 5
    assert len(api.query("SELECT * FROM pawl.logs")) == 5


# -- job_list ------------------------------------------------------------------------


@pytest.fixture
def mixed(api, wid):
    """Two jobs of each state in two queues and two kinds; {state: [ids, ascending]}."""
    jobs = {}
    for state in ("succeeded", "failed", "cancelled", "running", "scheduled", "ready"):
        jobs[state] = [make(api, wid, state)[0] for _ in range(2)]
    jobs["other"] = [api.push("kk", queue="q2"), api.push("kk")]
    return jobs


def listed(api, **named):
    return [row.id for row in api.rows("job_list", **named)]


def test_job_list_newest_first(api, mixed):
    """Everything, newest first, with the columns of the view."""
    every = sorted((job for jobs in mixed.values() for job in jobs), reverse=True)
    assert listed(api) == every
    view = api.query("SELECT * FROM pawl.jobs ORDER BY id DESC")
    assert [tuple(row) for row in api.rows("job_list")] == [tuple(row) for row in view]


def test_job_list_by_state(api, mixed):
    for state in ("succeeded", "failed", "cancelled", "running", "scheduled"):
        assert listed(api, state=state) == mixed[state][::-1], state
    assert listed(api, state="ready") == (mixed["ready"] + mixed["other"])[::-1]
    assert listed(api, state="waiting") == []


def test_job_list_by_queue_and_kind(api, mixed):
    assert listed(api, queue="q2") == mixed["other"][:1]
    assert listed(api, kind="kk") == mixed["other"][::-1]
    assert listed(api, kind="kk", queue="default", state="ready") == mixed["other"][1:]
    assert listed(api, kind="kk", state="running") == []


def test_job_list_by_pages(api, mixed):
    """before and n walk through all of it, each job once."""
    for state in (None, "ready", "failed"):
        seen, before = [], None
        while page := listed(api, state=state, before=before, n=3):
            assert len(page) <= 3
            seen += page
            before = page[-1]
        assert seen == listed(api, state=state, n=1000)


@pytest.mark.parametrize("named", [{"state": "done"}, {"n": 0}, {"n": -1}])
def test_job_list_refuses(api, named):
    assert sqlstate(listed, api, **named) == "22023"
