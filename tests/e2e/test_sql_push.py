"""push and push_many: what is stored, what is refused, whose transaction it is."""

import datetime

import psycopg
import pytest
from harness.api import Api, json_array, sqlstate
from psycopg.types.json import Jsonb

MIB = 1024 * 1024
HOUR = datetime.timedelta(hours=1)


def later(hours=1):
    return datetime.datetime.now(datetime.timezone.utc) + hours * HOUR


def test_push_with_defaults(api):
    """A job of which only the kind is given has what the documentation promises."""
    job = api.job(api.push("thumbnail"))
    assert (job.state, job.kind, job.queue, job.priority) == (
        "ready",
        "thumbnail",
        "default",
        5,
    )
    assert (job.args, job.meta, job.run_at) == ({}, None, None)
    assert (job.attempt, job.failures, job.crashes) == (0, 0, 0)
    assert (job.max_attempts, job.timeout) == (20, datetime.timedelta(minutes=15))


def test_push_with_everything(api):
    """Each argument arrives in the job; a default would hide one that is dropped."""
    at = later()
    job = api.job(
        api.push(
            "mail",
            args={"to": "a\"b\\c\u20ac"},
            queue="slow",
            priority=9,
            run_at=at,
            max_attempts=3,
            timeout="2 min",
            meta=Jsonb([1, None]),
        )
    )
    assert (job.state, job.kind, job.queue, job.priority) == ("scheduled", "mail", "slow", 9)
    assert (job.args, job.meta) == ({"to": "a\"b\\c\u20ac"}, [1, None])
    assert (job.run_at, job.max_attempts) == (at, 3)
    assert job.timeout == datetime.timedelta(minutes=2)


def test_push_null_means_default(api):
    """NULL is the queue's default, not a NULL in the row."""
    job = api.job(
        api.push(
            "k",
            args=None,
            queue=None,
            priority=None,
            run_at=None,
            max_attempts=None,
            timeout=None,
            meta=None,
        )
    )
    assert (job.queue, job.priority, job.args, job.state) == ("default", 5, {}, "ready")
    assert job.max_attempts == 20


def test_push_due_in_the_past_is_ready(api):
    """run_at says "not before": a time that has passed delays nothing."""
    assert api.state(api.push("k", run_at=later(-1))) == "ready"
    assert api.state(api.push("k", run_at="-infinity")) == "ready"
    assert api.state(api.push("k", run_at="infinity")) == "scheduled"


REFUSED = {
    "no kind": {"kind": None},
    "empty kind": {"kind": ""},
    "long kind": {"kind": "k" * 256},
    "long kind in bytes": {"kind": "\u20ac" * 86},
    "empty queue": {"queue": ""},
    "long queue": {"queue": "q" * 256},
    "priority below": {"priority": -1},
    "priority above": {"priority": 10},
    "no attempt": {"max_attempts": 0},
    "negative attempts": {"max_attempts": -1},
    "negative timeout": {"timeout": "-1 s"},
    "timeout that rounds to none": {"timeout": "100 us"},
    "timeout beyond the calendar": {"timeout": "101 years"},
    "timeout of years hidden by days": {"timeout": "-5000000 years 1800000000 days 1 s"},
    "large args": {"args": {"x": "y" * MIB}},
    "large meta": {"meta": Jsonb("y" * MIB)},
}


@pytest.mark.parametrize("name", REFUSED)
def test_push_refuses(module_api, name):
    """A bad argument is 22023 and nothing is stored, by push and both push_many."""
    case = {"kind": "k", "args": {}, **REFUSED[name]}
    before = module_api.one("SELECT count(*) FROM pawl.job")
    assert sqlstate(module_api.push, **case) == "22023"
    plain = {k: v.obj if isinstance(v, Jsonb) else v for k, v in case.items()}
    assert sqlstate(module_api.rows, "push_many", jobs=Jsonb([{"kind": "k"}, plain])) == "22023"
    many = {**case, "args": json_array([{}, case["args"]])}
    assert sqlstate(module_api.rows, "push_many", **many) == "22023"
    assert module_api.one("SELECT count(*) FROM pawl.job") == before


@pytest.fixture(scope="module")
def module_api(module_db):
    with module_db.connect() as connection:
        yield Api(connection)


def test_push_accepts_the_limits(api):
    """The largest allowed value of each is allowed: off by one is refused above."""
    filler = "y" * (MIB - len('{"x": ""}'))
    job = api.push("k" * 255, args={"x": filler}, queue="q" * 255, priority=0, max_attempts=1)
    assert api.job(job).kind == "k" * 255
    assert api.state(api.push("\u20ac" * 85, timeout="0")) == "ready"


@pytest.mark.parametrize("timeout", ["1 ms", "100 years"])
def test_the_limits_of_a_timeout_can_be_claimed(api, timeout):
    """A deadline that cannot be told would make each claim raise, for all jobs behind it."""
    jobs = [api.push(timeout=timeout), api.push()]
    rows = api.claim(api.worker_start(), 9)
    assert [row.job for row in rows] == jobs
    assert rows[0].timeout_ms >= 1 and rows[0].deadline_at is not None


def test_push_belongs_to_the_callers_transaction(db, api):
    """What is pushed and rolled back was never there; committed, it is."""
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        lost = mine.push()
        assert mine.state(lost) == "ready"
        assert api.query("SELECT 1 FROM pawl.jobs WHERE id = %s", [lost]) == []
        connection.rollback()
        kept = mine.push()
        connection.commit()
    assert api.query("SELECT id FROM pawl.jobs") == [(kept,)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_push_in_other_isolation_levels(db, level):
    """push waits for nobody and works wherever the caller's transaction is."""
    with db.connect() as connection:
        mine = Api(connection)
        with connection.transaction():
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            job = mine.push()
            many = mine.push_some(3)
        assert [mine.state(each) for each in [job, *many]] == ["ready"] * 4


def test_push_many_of_objects(api):
    """Any mix of members, answers in input order, each job with its own values.

    null means the default, but for args, where it is a value like any other.
    """
    at = later().replace(microsecond=0)
    specs = [
        {"kind": "a", "priority": 9, "args": {"n": 1}},
        {"kind": "b", "queue": "q2", "run_at": at.isoformat(), "max_attempts": 2},
        {"kind": "c", "timeout": "90 s", "meta": {"m": True}, "args": [1, "two", None]},
        {"kind": "d", "args": None, "queue": None, "priority": None, "run_at": None},
    ]
    rows = api.rows("push_many", jobs=Jsonb(specs))
    assert [(row.ordinal, row.created) for row in rows] == [(n, True) for n in range(1, 5)]
    a, b, c, d = (api.job(row.job) for row in rows)
    assert (a.kind, a.priority, a.args, a.state) == ("a", 9, {"n": 1}, "ready")
    assert (b.kind, b.queue, b.run_at, b.max_attempts) == ("b", "q2", at, 2)
    assert b.state == "scheduled"
    assert (c.args, c.meta) == ([1, "two", None], {"m": True})
    assert c.timeout == datetime.timedelta(seconds=90)
    assert (d.queue, d.priority, d.args, d.state) == ("default", 5, None, "ready")


def test_push_many_of_args(api):
    """The fast path: one kind, many args; NULL args are an empty object."""
    args = [{"n": 1}, None, [3]]
    rows = api.rows("push_many", kind="k", args=json_array(args), queue="q", priority=1)
    assert [row.ordinal for row in rows] == [1, 2, 3]
    assert all(row.created for row in rows)
    jobs = [api.job(row.job) for row in rows]
    assert [job.args for job in jobs] == [{"n": 1}, {}, [3]]
    assert {(job.kind, job.queue, job.priority, job.state) for job in jobs} == {
        ("k", "q", 1, "ready")
    }


def test_push_many_keeps_the_order(api):
    """Ids and positions ascend in the order of the input, in both forms."""
    forms = [
        api.rows("push_many", kind="k", args=json_array([{}] * 50)),
        api.rows("push_many", jobs=Jsonb([{"kind": "k"}] * 50)),
    ]
    for rows in forms:
        jobs = [row.job for row in rows]
        assert jobs == sorted(jobs)
        taken = api.query(
            "SELECT job_id FROM pawl.ready WHERE job_id = ANY (%s) ORDER BY pos", [jobs]
        )
        assert [row.job_id for row in taken] == jobs


def test_the_position_is_the_id(api):
    """Of what is ready from its push on; what comes back draws a number of its own.

    The bug: an id that is drawn before the transaction has its xid is a position that a
    mark may pass over; so one that takes no part in the order, of a live job, draws none.
    """
    jobs = [api.push(), api.push(unique_key="a")]
    jobs += [row.job for row in api.rows("push_many", kind="k", args=json_array([{}] * 2))]
    jobs += [row.job for row in api.rows("push_many", jobs=Jsonb([{"kind": "k"}] * 2))]
    jobs += [row.job for row in api.rows("push_many", kind="k", args=json_array([{}] * 2),
                                         unique_keys=["b", "a"])][:1]
    later = api.push(run_at="infinity")
    api.query("UPDATE pawl.scheduled SET due = now() RETURNING 1")
    assert api.value("promote") == 1
    rows = api.query("SELECT job_id, pos FROM pawl.ready ORDER BY job_id")
    assert [row.job_id for row in rows] == sorted([*jobs, later])
    assert [row.job_id for row in rows if row.pos != row.job_id] == [later]
    assert max(row.pos for row in rows) == rows[-1].pos > later


@pytest.mark.parametrize("call", ["push('k', unique_key => 'a')",
                                  "push_many('k', '{null}'::jsonb[], unique_keys => '{a}')"])
def test_a_push_of_a_live_key_changes_nothing(api, call):
    """Not even an xid is taken."""
    api.push(unique_key="a")
    with api.connection.transaction():
        api.query(f"SELECT * FROM pawl.{call}")
        assert api.one("SELECT pg_current_xact_id_if_assigned()") is None


def test_push_many_of_nothing(api):
    """Empty input pushes nothing and is no error."""
    assert api.rows("push_many", jobs=Jsonb([])) == []
    assert api.query("SELECT * FROM pawl.push_many('k', '{}'::jsonb[])") == []
    assert api.query("SELECT * FROM pawl.push_many('k', NULL::jsonb[])") == []
    assert api.query("SELECT id FROM pawl.jobs") == []


MALFORMED = {
    "null": None,
    "an object": {"kind": "k"},
    "a number": 7,
    "a list of numbers": [7],
    "a list of lists": [[]],
    "a null member": [{"kind": "k"}, None],
    "unknown member": [{"kind": "k", "knid": "k"}],
    "no kind": [{"args": {}}],
    "kind not a text": [{"kind": 7}],
    "kind a list": [{"kind": ["k"]}],
    "queue not a text": [{"kind": "k", "queue": 7}],
    "priority not a number": [{"kind": "k", "priority": "high"}],
    "priority a fraction": [{"kind": "k", "priority": 1.5}],
    "priority beyond int": [{"kind": "k", "priority": 10**20}],
    "max_attempts a text": [{"kind": "k", "max_attempts": "many"}],
    "max_attempts a fraction": [{"kind": "k", "max_attempts": 2.5}],
    "run_at not a time": [{"kind": "k", "run_at": "soon"}],
    "run_at a number": [{"kind": "k", "run_at": 7}],
    "run_at an object": [{"kind": "k", "run_at": {}}],
    "timeout not an interval": [{"kind": "k", "timeout": "long"}],
    "timeout an object": [{"kind": "k", "timeout": {}}],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_push_many_refuses(module_api, name):
    """Malformed jobs are 22023, whichever way they are wrong; nothing is pushed."""
    before = module_api.one("SELECT count(*) FROM pawl.job")
    assert sqlstate(module_api.rows, "push_many", jobs=Jsonb(MALFORMED[name])) == "22023"
    assert module_api.one("SELECT count(*) FROM pawl.job") == before


def test_push_many_names_the_bad_job(api):
    """The error says which of a thousand jobs it was."""
    jobs = [{"kind": "k"}] * 999
    jobs.insert(411, {"kind": "k", "priority": 10})
    with pytest.raises(psycopg.Error) as caught:
        api.rows("push_many", jobs=Jsonb(jobs))
    diag = caught.value.diag
    told = f"{diag.message_primary} {diag.message_detail} {diag.context}"
    assert caught.value.sqlstate == "22023" and "412" in told, told


def test_keys_of_arrays_that_begin_elsewhere_are_checked(api):
    """The bug: a key that is refused is found, and then looked at where none is: a group
    key that no group may have is taken, and what is wrong with a unique key is not told."""
    call = "SELECT * FROM pawl.push_many('k', '{null}'::jsonb[], %s => %s::text[])"
    for name, key, said in (("group_keys", "a\x1fb", "job 1"), ("unique_keys", "x" * 256, "256")):
        with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
            api.query(call % (name, "%s"), [f"[0:0]={{{key}}}"])
        assert said in caught.value.diag.message_detail
    assert api.one("SELECT count(*) FROM pawl.job") == 0


def test_push_many_is_one_transaction(db, api):
    """A rollback takes all of it; nothing of a thousand jobs stays."""
    with db.connect(autocommit=False) as connection:
        Api(connection).push_some(1000)
        connection.rollback()
    assert api.one("SELECT count(*) FROM pawl.job") == 0
    assert api.one("SELECT count(*) FROM pawl.ready") == 0


def test_push_many_of_ten_thousand(api):
    """Set-based: ten thousand jobs by one call of each form, each in one place."""
    by_args = api.push_some(10_000)
    by_objects = api.rows("push_many", jobs=Jsonb([{"kind": "k"}] * 10_000))
    assert len({*by_args, *(row.job for row in by_objects)}) == 20_000
    assert api.one("SELECT count(*) FROM pawl.ready") == 20_000
