"""The SQL functions in sessions whose settings were made for something else.

ALTER ROLE … SET and ALTER DATABASE … SET are in force in every session of a role; a
function that trusts the defaults breaks on the first site that has them.  (The program's
commands under the same settings: test_hostile.py.)
"""

import json

import pytest
from harness.api import Api, json_array, sqlstate
from psycopg.types.json import Jsonb
from psycopg.types.string import TextLoader

# In force together: functions called singly in autocommit have to live with all of it.
SETTINGS = {
    "search_path": "evil, pg_catalog",
    "TimeZone": "'Asia/Kathmandu'",
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'sql_standard'",
    "client_encoding": "'LATIN1'",
    "enable_indexscan": "off",
    "enable_bitmapscan": "off",
    "enable_nestloop": "off",
    "enable_hashjoin": "off",
    "statement_timeout": "'2s'",
    "lock_timeout": "'1s'",
    "idle_in_transaction_session_timeout": "'1s'",
    "default_transaction_deferrable": "on",
    "standard_conforming_strings": "off",
    "bytea_output": "'escape'",
    "extra_float_digits": "-15",
    "check_function_bodies": "off",
    "plan_cache_mode": "'force_generic_plan'",
    "row_security": "off",
}

# What a search_path finds before PostgreSQL's own.
EVIL = """
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.boom() RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'an outsider''s function was called'; END $$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS 'SELECT evil.boom(); SELECT NULL::timestamptz';
CREATE FUNCTION evil.statement_timestamp() RETURNS timestamptz LANGUAGE sql
    AS 'SELECT evil.boom(); SELECT NULL::timestamptz';
CREATE FUNCTION evil.octet_length(text) RETURNS int LANGUAGE sql
    AS 'SELECT evil.boom(); SELECT 1';
CREATE FUNCTION evil.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE sql
    AS 'SELECT evil.boom(); SELECT 1::bigint';
CREATE FUNCTION evil.settle(text, bigint[], bigint[]) RETURNS boolean LANGUAGE sql
    AS 'SELECT evil.boom()';
CREATE FUNCTION evil.same(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT evil.boom()';
CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.same);
CREATE TABLE evil.job (id int);
CREATE TABLE evil.ready (id int);
CREATE TYPE evil.log_level AS ENUM ('x');
"""


@pytest.fixture
def role(db):
    """A role that may do everything with jobs, and no more."""
    db.execute(f"CREATE ROLE {db.name}_role LOGIN IN ROLE pawl_producer, pawl_worker, pawl_reader")
    yield f"{db.name}_role"
    maintenance = db.cluster.database("postgres")
    maintenance.execute(f"ALTER DATABASE {db.name} RESET ALL")
    maintenance.execute(f"DROP ROLE {db.name}_role")


class JsonLoader(TextLoader):
    """psycopg's own takes the bytes for UTF-8, whatever the client_encoding."""

    def load(self, data):
        return json.loads(super().load(data))


def whole_life(api):
    """Every function of the interface once, and what each of them answers.

    Times stay text here: psycopg does not read them in every DateStyle.
    """
    for name in ("timestamptz", "interval"):
        api.connection.adapters.register_loader(name, TextLoader)
    api.connection.adapters.register_loader("jsonb", JsonLoader)
    text = "Grüße \\ ' é"
    soon = api.one("SELECT pg_catalog.clock_timestamp() + interval '1 hour'")
    job, later = api.push("k", args={"t": text}), api.push("k", run_at=soon, timeout="90 s")
    many = [row.job for row in api.rows("push_many", kind="k", args=json_array([{}] * 4))]
    spec = {"kind": "k", "run_at": "2999-12-31T23:59:59Z", "timeout": "1 h", "priority": 3}
    (made,) = api.rows("push_many", jobs=Jsonb([spec]))
    assert microseconds(api, made.job) == 32503679999 * 10**6
    assert api.one("SELECT run_at = %s FROM pawl.jobs WHERE id = %s", [soon, later])
    wid = api.worker_start(name="w", lease="1 min", queues=["default"], kinds=["k"])
    rows = api.claim(wid, 5, kinds=["k"])
    assert [row.job for row in rows] == [job, *many]
    assert rows[0].args == {"t": text} and rows[0].deadline_at is not None
    fences = {row.job: row.fence for row in rows}
    assert len(api.rows("held", worker=wid)) == 5
    api.value("log", job=job, fence=fences[job], message=text, context=Jsonb({"a": text}))
    assert api.rows("heartbeat", worker=wid, jobs=[job], fences=[fences[job]]) == []
    with api.connection.transaction():
        api.connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
        api.fence(job, fences[job])
        api.complete(job, fences[job], result=Jsonb({"r": text}))
    assert api.job(job).result == {"r": text}
    assert api.fail(many[0], fences[many[0]], error=text, retry=False) == "failed"
    assert api.snooze(many[1], fences[many[1]], delay="90 s") is not None
    api.release(many[2], fences[many[2]])
    assert api.cancel(many[3], reason=text) == "running"
    assert [r[0] for r in api.rows("heartbeat", worker=wid)] == [fences[many[3]]]
    assert api.retry(many[0]) == "failed"
    assert [row.was for row in api.rows("cancel_many", jobs=[many[0], later])] == ["ready", "scheduled"]
    assert [row.done for row in api.rows("retry_many", jobs=[many[0], job])] == [True, False]
    assert api.value("recover") == 0 and api.value("promote") == 0
    (look,) = api.rows("upkeep_look", worker=wid, duties=["promote", "retain"], lease="5 s")
    assert look.todo == ["retain"] and look.suspects is False
    assert api.value("extend_partitions") == 0
    api.value("queue_pause", queue="other")
    api.value("queue_resume", queue="other")
    assert api.value("suspects_waiting", queues=["default"]) is False
    assert [row.id for row in api.rows("job_list", state="ready")] == [many[2], many[0]]
    assert api.query("SELECT message FROM pawl.logs") == [(text,)]
    assert len(api.query("SELECT * FROM pawl.attempts")) == 4
    assert api.one("SELECT alive FROM pawl.workers") is True
    assert api.one("SELECT paused FROM pawl.queues WHERE name = 'other'") is False
    assert api.value("worker_stop", worker=wid) == 0


def microseconds(api, job):
    """When the job is due, by the clock that knows no time zone."""
    statement = "SELECT (extract(epoch FROM run_at) * 1000000)::bigint FROM pawl.jobs WHERE id = %s"
    return api.one(statement, [job])


def test_with_the_defaults(db, role):
    """What is asked of the hostile sessions holds in a friendly one."""
    with db.connect(user=role) as connection:
        whole_life(Api(connection))


@pytest.mark.parametrize("level", ["ROLE", "DATABASE"])
def test_with_everything_at_once(db, role, level):
    """All settings together, of the role or of the database."""
    db.execute(EVIL)
    target = role if level == "ROLE" else db.name
    for name, value in SETTINGS.items():
        db.cluster.database("postgres").execute(f"ALTER {level} {target} SET {name} = {value}")
    with db.connect(user=role) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("evil, pg_catalog",)
        whole_life(Api(connection))


def test_the_evil_schema_is_evil(db, role):
    """The outsider's functions are found by a statement that trusts the search_path.

    If this passes them by, the test above shows nothing.
    """
    db.execute(EVIL)
    with db.connect(user=role) as connection:
        connection.execute("SET search_path = evil, pg_catalog")
        assert sqlstate(Api(connection).query, "SELECT clock_timestamp()") == "P0001"
        assert sqlstate(Api(connection).query, "SELECT 1::bigint = 1::bigint") == "P0001"


@pytest.mark.parametrize("default", ["repeatable read", "serializable"])
def test_default_isolation(db, role, default):
    """push and settle work; what has to look twice says what it needs (25001)."""
    with db.connect() as admin:
        admin.execute(f"ALTER ROLE {role} SET default_transaction_isolation = '{default}'")
    with db.connect(user=role) as connection:
        api = Api(connection)
        job, other = api.push("k"), api.push("k")
        wid = api.worker_start()
        rows = api.claim(wid, 2)
        api.rows("heartbeat", worker=wid)
        api.complete(job, rows[0].fence)
        assert api.fail(other, rows[1].fence, retry=False) == "failed"
        for call in (
            lambda: api.cancel(job),
            lambda: api.retry(other),
            lambda: api.value("recover"),
            lambda: api.value("worker_stop", worker=wid),
            lambda: api.fence(job, rows[0].fence),
        ):
            assert sqlstate(call) == "25001"
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            assert api.retry(other) == "failed" and api.cancel(other) == "ready"


def test_read_only_by_default(db, role):
    """25006 and nothing else; a transaction that says READ WRITE goes through."""
    with db.connect() as admin:
        admin.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    with db.connect(user=role) as connection:
        api = Api(connection)
        assert sqlstate(api.push, "k") == "25006"
        with connection.transaction():
            connection.execute("SET TRANSACTION READ WRITE")
            job = api.push("k")
        assert [row.id for row in api.rows("job_list")] == [job]


def test_a_statement_timeout_ends_the_call_and_nothing_more(db, role):
    """A push that is cut off has pushed nothing; the session goes on."""
    with db.connect(user=role) as connection:
        api = Api(connection)
        connection.execute("SET statement_timeout = '200 ms'")
        assert sqlstate(api.push_some, 200_000) == "57014"
        connection.execute("SET statement_timeout = 0")
        assert api.rows("job_list") == []
        assert api.push("k")


WALK = (
    "SELECT job_id FROM pawl.ready WHERE shard = 0 AND queue = 'default' AND priority = 5 "
    "ORDER BY pos LIMIT 10"
)
BLOCKS = 1000  # ten jobs cost some 300; one walk over the 200,000 costs 2,000


@pytest.mark.parametrize("setting", ["enable_indexscan", "enable_nestloop", "enable_bitmapscan"])
def test_plans_do_not_depend_on_the_session(db, setting):
    """claim and settle read few blocks among many jobs, whatever the planner may not use.

    Red on: the same walk outside the function, which obeys the session.
    """
    with db.connect() as connection:
        api = Api(connection)
        api.one("SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[200000]))")
        connection.execute("VACUUM ANALYZE pawl.ready, pawl.job")
        wid = api.worker_start()
        connection.execute(f"SET {setting} = off")
        if setting == "enable_indexscan":
            connection.execute("SET enable_bitmapscan = off; SET enable_indexonlyscan = off")
            assert cost(api, WALK) > BLOCKS
        for _ in range(2):  # the first reads the catalogue too
            claiming = cost(api, f"SELECT * FROM pawl.claim('{wid}', 10)")
            held = api.rows("held", worker=wid)
            jobs, fences = [row.job for row in held], [row.fence for row in held]
            settling = cost(api, f"SELECT * FROM pawl.complete_many(ARRAY{jobs}, ARRAY{fences})")
        assert len(jobs) == 10
        assert claiming < BLOCKS and settling < BLOCKS, (claiming, settling)


def cost(api, statement):
    """The blocks that the statement touched, its functions' included."""
    row = api.one(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
    plan = row[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
