"""complete, fail, snooze, release, fence and their _many forms."""

import datetime

import psycopg
import pytest
from harness.api import Api, json_array, sqlstate
from harness.wait import wait_until
from psycopg.types.json import Jsonb

SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def wid(api):
    return api.worker_start(name="w")


@pytest.fixture
def held(api, wid):
    """A running job: (job, fence)."""
    api.push("k")
    row = api.claim_one(wid)
    return row.job, row.fence


def hold(api, wid, n):
    """n running jobs, as two lists."""
    api.push_some(n)
    rows = api.claim(wid, n)
    return [row.job for row in rows], [row.fence for row in rows]


def test_states_of_arrays_that_begin_elsewhere(api, wid):
    """The bug: which state a job went to is looked up in the fences from 1 on."""
    jobs, fences = hold(api, wid, 2)
    rows = api.rows("fail_many", jobs=jobs, errors="[4:5]={a,b}", retries="[7:8]={t,f}",
                    fences="[0:1]={%s,%s}" % tuple(fences))
    assert [tuple(row) for row in rows] == [
        (jobs[0], "won", "scheduled"), (jobs[1], "won", "failed")]


def settle_calls(api, job, fence):
    """Each verb that presents a fence, as (name, call)."""
    return [
        ("complete", lambda: api.complete(job, fence)),
        ("fail", lambda: api.fail(job, fence)),
        ("snooze", lambda: api.snooze(job, fence)),
        ("release", lambda: api.release(job, fence)),
        ("fence", lambda: api.fence(job, fence)),
    ]


def test_complete(api, wid, held):
    """The outcome says who, when, which attempt and with what result."""
    job, fence = held
    started = api.job(job).started_at
    api.complete(job, fence, result=Jsonb({"size": [3, 4]}))
    done = api.job(job)
    assert (done.state, done.result, done.error) == ("succeeded", {"size": [3, 4]}, None)
    assert (done.worker, done.fence, done.attempt) == (wid, fence, 1)
    assert done.started_at == started <= done.finished_at
    assert api.places(job) == ["outcome"] and api.attempts(job) == []


def test_complete_without_a_result(api, held):
    api.complete(*held)
    assert api.job(held[0]).result is None


@pytest.mark.parametrize("verb", ["complete", "fail", "snooze", "release", "fence"])
def test_a_stale_fence_changes_nothing(api, held, verb):
    """PW001 for a fence too low, too high, of another job or of nobody's job."""
    job, fence = held
    other = api.push()
    before = api.query("SELECT * FROM pawl.running")
    for pair in [(job, fence - 1), (job, fence + 1), (other, fence), (10**15, fence), (job, None)]:
        assert sqlstate(dict(settle_calls(api, *pair))[verb]) == "PW001", pair
    assert api.query("SELECT * FROM pawl.running") == before
    assert api.state(other) == "ready"


def test_the_claim_not_the_worker_is_the_identity(api, wid, held):
    """The same worker claiming the same job again does not help the old attempt.

    Red on: a settle that asks for (job, worker).
    """
    job, old = held
    api.release(job, old)
    new = api.claim_one(wid).fence
    assert api.one(
        "SELECT count(*) FROM pawl.running WHERE job_id = %s AND worker = %s", [job, wid]
    )
    for name, call in settle_calls(api, job, old):
        assert sqlstate(call) == "PW001", name
    api.complete(job, new)
    assert api.state(job) == "succeeded"


def test_a_finished_job_is_settled_once(api, held):
    """After each way to end, every further settle with the same fence is stale."""
    job, fence = held
    api.complete(job, fence)
    before = api.query("SELECT * FROM pawl.outcome")
    for name, call in settle_calls(api, job, fence):
        assert sqlstate(call) == "PW001", name
    assert api.query("SELECT * FROM pawl.outcome") == before


def test_fail_backs_off(api, wid):
    """scheduled with min(1 h, 2 s * 2^(failures-1)) +- 20 %, one attempt row a failure."""
    job = api.push(max_attempts=14)
    for failures in range(1, 14):
        row = api.claim_one(wid)
        assert api.fail(job, row.fence, error=f"no. {failures}") == "scheduled"
        ended = api.one("SELECT max(ended_at) FROM pawl.attempt WHERE job_id = %s", [job])
        now = api.job(job)
        wanted = min(3600.0, 2.0 * 2 ** (failures - 1))
        assert 0.75 * wanted <= (now.run_at - ended) / SECOND <= 1.25 * wanted
        assert (now.failures, now.crashes, now.attempt) == (failures, 0, failures)
        make_due(api)
    assert api.attempts(job) == ["error"] * 13


def test_backoff_has_jitter(api, wid):
    """Jobs that failed together do not come back together, and stay within 20 %."""
    jobs, fences = hold(api, wid, 200)
    api.rows("fail_many", jobs=jobs, fences=fences, errors=["e"] * 200)
    waits = [
        row[0] / SECOND
        for row in api.query(
            "SELECT s.due - a.ended_at FROM pawl.scheduled s JOIN pawl.attempt a USING (job_id)"
        )
    ]
    assert len(waits) == 200 and 1.55 < min(waits) < 1.8 and 2.2 < max(waits) < 2.45


def make_due(api):
    """What is scheduled is due, and promoted."""
    api.query("UPDATE pawl.scheduled SET due = clock_timestamp() RETURNING 1")
    api.value("promote")


def test_fail_at_max_attempts(api, wid):
    """The last try ends the job; the error history is whole."""
    job = api.push(max_attempts=2)
    first = api.claim_one(wid).fence
    assert api.fail(job, first, error="one", detail=Jsonb({"code": 1})) == "scheduled"
    make_due(api)
    second = api.claim_one(wid).fence
    assert api.fail(job, second, error="two") == "failed"
    done = api.job(job)
    assert (done.state, done.error, done.attempt, done.fence) == ("failed", "two", 2, second)
    history = api.query("SELECT fence, category, error, detail FROM pawl.attempts ORDER BY id")
    assert history == [
        (first, "error", "one", {"code": 1}),
        (second, "error", "two", None),
    ]


def test_fail_without_retry(api, held):
    """retry => false ends the job whatever tries are left; an error text is kept."""
    job, fence = held
    assert api.fail(job, fence, retry=False, category="timeout") == "failed"
    assert api.state(job) == "failed" and api.attempts(job) == ["timeout"]


def test_fail_with_a_delay_of_ones_own(api, held):
    """retry_in is taken as it is, without jitter."""
    job, fence = held
    assert api.fail(job, fence, retry_in="42 s") == "scheduled"
    ended = api.one("SELECT ended_at FROM pawl.attempt")
    assert abs((api.job(job).run_at - ended) / SECOND - 42) < 1


@pytest.mark.parametrize("category", ["bad luck", "crash", "cancelled", "operator"])
def test_fail_refuses(api, held, category):
    """22023 before anything is changed; `crash` is for recovery to say."""
    job, fence = held
    assert sqlstate(api.fail, job, fence, category=category) == "22023"
    assert api.state(job) == "running" and api.attempts(job) == []


def test_long_error_text_is_cut_with_a_mark(api, wid):
    """64 KiB are kept of an error, whole characters, and it says that it was cut."""
    for character in ("x", "\u20ac", "\U0001f600"):
        job = api.push(max_attempts=1)
        fence = api.claim_one(wid).fence
        text = character * 70_000
        assert api.fail(job, fence, error=text) == "failed"
        kept = api.job(job).error
        assert len(kept.encode()) <= 65_536 and kept.startswith(character * 1000)
        assert kept.endswith("bytes cut]")
        assert len(kept.encode()) > 65_000


def test_oversized_result_is_refused(api, held):
    """A result over 1 MiB is not stored: 22023, and the claim stands to be failed."""
    job, fence = held
    assert sqlstate(api.complete, job, fence, result=Jsonb("y" * 1024 * 1024)) == "22023"
    assert api.state(job) == "running"
    api.complete(job, fence, result=Jsonb("y" * (1024 * 1024 - 2)))
    assert api.state(job) == "succeeded"


def test_oversized_result_among_others(api, wid):
    """In complete_many it is a failure of its attempt, and poisons nobody else."""
    jobs, fences = hold(api, wid, 3)
    results = json_array([{"n": 1}, "y" * 1024 * 1024, {"n": 3}])
    rows = api.rows("complete_many", jobs=jobs, fences=fences, results=results)
    assert [row.answer for row in rows] == ["won"] * 3
    assert [api.state(job) for job in jobs] == ["succeeded", "scheduled", "succeeded"]
    assert [api.job(job).result for job in jobs] == [{"n": 1}, None, {"n": 3}]
    assert "result" in api.one("SELECT error FROM pawl.attempt")


def test_snooze(api, held):
    """Snoozed is scheduled; it counts neither as a failure nor as an attempt row."""
    job, fence = held
    due = api.snooze(job, fence, delay="90 s")
    now = api.job(job)
    assert (now.state, now.run_at, now.attempt, now.failures) == ("scheduled", due, 1, 0)
    assert api.attempts(job) == []


def test_snooze_refuses(api, held):
    assert sqlstate(api.snooze, *held, delay=None) == "22023"
    assert api.state(held[0]) == "running"


def test_a_senseless_delay_poisons_nobody(api, wid):
    """A delay beyond the calendar, or into the past, is a row like any other.

    Red on: adding it to the clock as it is, which raises 22008 for the whole call.
    """
    delays = ["1 s", "290000 years", "-290000 years"]
    for verb, extra in [("fail", {"retry_ins": delays, "errors": ["e"] * 3}), ("snooze", {"delays": delays})]:
        jobs, fences = hold(api, wid, 3)
        rows = api.rows(f"{verb}_many", jobs=jobs, fences=fences, **extra)
        assert [row.answer for row in rows] == ["won"] * 3
        assert [api.state(job) for job in jobs] == ["scheduled"] * 3


def test_release(api, wid, held):
    """Released is ready at once, behind what is ready; nothing is counted."""
    job, fence = held
    other = api.push()
    api.release(job, fence)
    now = api.job(job)
    assert (now.state, now.attempt, now.failures, now.crashes) == ("ready", 1, 0, 0)
    assert api.attempts(job) == []
    assert [row.job for row in api.claim(wid, 2)] == [other, job]


@pytest.mark.parametrize("verb", ["complete", "fail", "snooze", "release"])
def test_many_answers_in_input_order(db, api, wid, verb):
    """won, busy and stale for each row, in the caller's order; no row raises.

    Red on: a function that raises for the first stale row, or answers in its own order.
    """
    jobs, fences = hold(api, wid, 6)
    api.complete(jobs[4], fences[4])
    order = [5, 4, 1, 0, 2]
    pairs = [(jobs[i], fences[i]) for i in order] + [(10**15, 1), (jobs[3], fences[3] + 999)]
    with db.connect(autocommit=False) as other:
        Api(other).fence(jobs[1], fences[1])
        rows = many(api, verb, [p[0] for p in pairs], [p[1] for p in pairs])
        assert [row.job for row in rows] == [p[0] for p in pairs]
        assert [row.answer for row in rows] == [
            "won",
            "stale",
            "busy",
            "won",
            "won",
            "stale",
            "stale",
        ]
        other.rollback()
    assert [row.answer for row in many(api, verb, [jobs[1]], [fences[1]])] == ["won"]
    assert api.state(jobs[3]) == "running"


def many(api, verb, jobs, fences):
    extra = {
        "fail": {"errors": ["e"] * len(jobs)},
        "snooze": {"delays": ["1 min"] * len(jobs)},
    }.get(verb, {})
    return api.rows(f"{verb}_many", jobs=jobs, fences=fences, **extra)


@pytest.mark.parametrize("verb", ["complete", "fail", "snooze", "release"])
def test_many_with_a_row_twice(api, wid, verb):
    """The same claim twice in one call is settled once and leaves one row."""
    jobs, fences = hold(api, wid, 1)
    rows = many(api, verb, jobs * 2, fences * 2)
    assert [row.job for row in rows] == jobs * 2
    assert "won" in [row.answer for row in rows]
    assert len(api.places(jobs[0])) == 1


@pytest.mark.parametrize("verb", ["complete", "fail", "snooze", "release"])
def test_many_with_a_fence_of_another_row(api, wid, verb):
    """A fence that belongs to another job of the same call is stale, though it is won."""
    jobs, fences = hold(api, wid, 2)
    rows = many(api, verb, jobs, [fences[1], fences[1]])
    assert [row.answer for row in rows] == ["stale", "won"]
    assert api.state(jobs[0]) == "running"


@pytest.mark.parametrize("verb", ["complete", "fail", "snooze", "release"])
def test_many_of_nothing(api, verb):
    call = f"SELECT * FROM pawl.{verb}_many('{{}}', '{{}}'"
    call += ", '{}')" if verb in ("fail", "snooze") else ")"
    assert api.query(call) == []


@pytest.mark.parametrize("verb", ["complete", "fail", "snooze", "release"])
def test_many_with_nulls(api, wid, verb):
    """A NULL job or fence is nobody's claim: stale, and the others are settled."""
    jobs, fences = hold(api, wid, 2)
    rows = many(api, verb, [None, jobs[0], jobs[1]], [fences[0], None, fences[1]])
    assert [row.answer for row in rows] == ["stale", "stale", "won"]


@pytest.mark.parametrize("verb", ["complete", "fail", "snooze", "release"])
def test_many_with_lists_of_different_lengths(api, wid, verb):
    """Lists that do not pair up are a mistake of the caller: 22023, nothing settled."""
    jobs, fences = hold(api, wid, 2)
    assert sqlstate(many, api, verb, jobs, fences[:1]) == "22023"
    assert [api.state(job) for job in jobs] == ["running"] * 2


def test_fail_many_with_everything(api, wid):
    """Each job has its own error, detail, retry, delay and category."""
    jobs, fences = hold(api, wid, 4)
    rows = api.rows(
        "fail_many",
        jobs=jobs,
        fences=fences,
        errors=["a", "b", "c", "d"],
        details=json_array([{"n": 1}, None, None, [4]]),
        retries=[True, False, None, True],
        retry_ins=["10 s", None, "0 s", None],
        categories=["error", "timeout", "error", "timeout"],
    )
    assert [row.state for row in rows] == ["scheduled", "failed", "scheduled", "scheduled"]
    history = api.query("SELECT error, detail, category FROM pawl.attempts ORDER BY job")
    assert history == [
        ("a", {"n": 1}, "error"),
        ("b", None, "timeout"),
        ("c", None, "error"),
        ("d", [4], "timeout"),
    ]


def test_complete_many_of_a_thousand(api, wid):
    """A full batch; each has its own result."""
    jobs, fences = hold(api, wid, 1000)
    results = json_array([{"n": n} for n in range(1000)])
    rows = api.rows("complete_many", jobs=jobs, fences=fences, results=results)
    assert {row.answer for row in rows} == {"won"}
    stored = api.query("SELECT job_id, result FROM pawl.outcome ORDER BY job_id")
    assert stored == [(job, {"n": n}) for n, job in enumerate(jobs)]


# -- the fence -----------------------------------------------------------------


def test_fence_holds_the_claim_until_the_end(db, api, wid, held):
    """Fenced, the job can be settled, cancelled and recovered by nobody else.

    The lease may end meanwhile: what the fence protects stays valid.
    """
    job, fence = held
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        mine.fence(job, fence)
        assert sqlstate(api.complete, job, fence) == "55P03"
        assert sqlstate(api.release, job, fence) == "55P03"
        assert api.cancel(job) == "busy"
        db.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
        api.value("recover")
        mine.complete(job, fence)
        connection.commit()
    assert api.state(job) == "succeeded" and api.attempts(job) == []


def test_fence_rolled_back_lets_go(db, api, held):
    """A rollback gives the claim back as it was: it can be settled as before."""
    with db.connect(autocommit=False) as connection:
        Api(connection).fence(*held)
        connection.rollback()
    api.complete(*held)


def test_fence_and_complete_take_effect_with_the_users_write(db, api, wid):
    """The user's row and the outcome: both or neither, once.

    Red on: writing first and completing in a second transaction, which leaves a row
    without an outcome when the process dies between the two.
    """
    db.execute("CREATE TABLE ledger (job bigint)")
    jobs, fences = hold(api, wid, 2)
    for (job, fence), commit in zip(zip(jobs, fences), [True, False]):
        with db.connect(autocommit=False) as connection:
            mine = Api(connection)
            mine.fence(job, fence)
            connection.execute("INSERT INTO ledger VALUES (%s)", [job])
            mine.complete(job, fence)
            connection.commit() if commit else connection.rollback()
    assert db.execute("SELECT job FROM ledger") == [(jobs[0],)]
    assert [api.state(job) for job in jobs] == ["succeeded", "running"]


def test_naive_write_then_complete_is_red(db, api, wid):
    """The naive order of the test above does leave a row without an outcome."""
    db.execute("CREATE TABLE ledger (job bigint)")
    (job,), (fence,) = hold(api, wid, 1)
    db.execute("INSERT INTO ledger VALUES (%s)", [job])
    api.release(job, fence)  # what recovery does to a worker that died here
    assert sqlstate(api.complete, job, fence) == "PW001"
    assert db.execute("SELECT job FROM ledger") == [(job,)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_fence_refuses_other_isolation_levels(db, held, level):
    """An old snapshot could not tell that the claim was superseded."""
    with db.connect(autocommit=False) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        assert sqlstate(Api(connection).fence, *held) == "25001"


def test_fence_limits_the_transaction(db, held):
    """A hanging handler cannot keep a job for ever: both limits are set, and local."""
    names = ("idle_in_transaction_session_timeout", "statement_timeout")
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        former = [mine.one(f"SHOW {name}") for name in names]
        mine.fence(*held)
        assert "0" not in [mine.one(f"SHOW {name}") for name in names]
        connection.commit()
        assert [mine.one(f"SHOW {name}") for name in names] == former


def test_a_fenced_transaction_that_idles_is_ended(db, api, held):
    """The server ends it at the limit, and the job can be settled again."""
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        mine.fence(*held)
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = '100 ms'")
        wait_for = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        pid = connection.info.backend_pid
        wait_until(lambda: api.one(wait_for, [pid]) == 0, 30, "the session to be ended")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    api.complete(*held)


def test_fence_twice_in_one_transaction(db, api, held):
    """Taking it again is no error and no self-deadlock."""
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        mine.fence(*held)
        mine.fence(*held)
        mine.complete(*held)
        connection.commit()
    assert api.state(held[0]) == "succeeded"


# -- isolation levels of the caller ------------------------------------------------


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("verb", ["complete", "fail", "snooze", "release"])
def test_settle_in_other_isolation_levels(db, api, held, verb, level):
    """Refused or done, but never an answer that is not true."""
    job, fence = held
    with db.connect(autocommit=False) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        state = sqlstate(dict(settle_calls(Api(connection), job, fence))[verb])
        connection.rollback() if state else connection.commit()
    assert state in (None, "25001")
    assert (api.state(job) == "running") == (state == "25001")


def test_delay_whose_parts_leave_the_calendar(api, wid):
    """The bug: years hidden behind days pass the bound on a delay, and raise for every
    job of the call."""
    jobs, fences = hold(api, wid, 2)
    hidden = "-5000000 years 1826212500 days 1 s"
    answers = api.query(
        "SELECT answer FROM pawl.snooze_many(%s::bigint[], %s::bigint[],"
        " ARRAY[%s, '1 s']::interval[])", [jobs, fences, hidden])
    assert [row.answer for row in answers] == ["won", "won"]
