"""No push fails for want of a partition, also when no worker has run for weeks.

Partitions are attached ahead: a hundred by `pawl migrate up`, twenty by every worker
that starts.  A push itself attaches nothing: it would have to lock the parent, which is
what the hot path must not do.  PAWL_TORTURE=1 pushes each of ten million jobs.
"""

import os
import threading

import psycopg
import pytest
from harness.api import Api, sqlstate
from harness.cluster import GIGABYTE, WHOLE

MILLION = 10**6
SIZE = 10 * MILLION  # ids of a partition
STEP = 1 if os.environ.get("PAWL_TORTURE") else 100  # of the ids, from job to job
QUICK = {"autovacuum": "off", "max_wal_size": "512MB", "wal_level": "minimal", "max_wal_senders": "0"}


def partitions(db, parent):
    """The numbers of the parent's partitions, by the end of their names."""
    rows = db.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = %s::regclass",
        [f"pawl.{parent}"],
    )
    return sorted(int(name.rpartition("_p")[2]) for (name,) in rows)


@pytest.fixture(scope="module")
def template():
    return WHOLE


@pytest.fixture
def big_db(base_cluster):
    """A server of its own that does not keep much of what it writes."""
    server = base_cluster.copy(durable=False, settings=QUICK, size=8 * GIGABYTE).start()
    yield server.new_database(WHOLE)
    server.remove()


@pytest.mark.slow
@pytest.mark.deadline(500)
def test_ten_million_pushes(big_db):
    """Half of them before a partition's end, half behind it; no worker, no steward.  The
    sequence goes forward by STEP ids a job, so that a hundredth of the pushes takes the
    way of all."""
    db = big_db
    attached = partitions(db, "job")
    db.execute("SELECT setval('pawl.job_id', %s)", [SIZE // 2])
    db.execute(f"ALTER SEQUENCE pawl.job_id INCREMENT BY {STEP}")
    jobs = SIZE // STEP
    counts, errors = [], []

    def push(times, n):
        statement = "SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[%s]))"
        try:
            with db.connect() as connection:
                for _ in range(times):
                    counts.append(connection.execute(statement, [n]).fetchone()[0])
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=push, args=(100, jobs // 200)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and sum(counts) == jobs
    first, last = SIZE // 2 + STEP, SIZE + SIZE // 2
    assert db.execute("SELECT count(*), min(id), max(id) FROM pawl.job") == [(jobs, first, last)]
    assert db.value("SELECT count(*) FROM pawl.ready") == jobs
    assert partitions(db, "job") == attached, "a push attaches nothing"
    assert sum(number > last // SIZE for number in attached) >= 90


def test_the_boundary(db, api):
    """The last id of a partition and the first of the next: each job's whole life."""
    db.execute("SELECT setval('pawl.job_id', %s)", [SIZE - 3])
    jobs = api.push_some(2) + [api.push(), api.push()]
    assert jobs == [SIZE - 2, SIZE - 1, SIZE, SIZE + 1]
    wid = api.worker_start()
    rows = api.claim(wid, 4)
    assert [row.job for row in rows] == jobs and all(row.args == {} for row in rows)
    pairs = {"jobs": jobs, "fences": [row.fence for row in rows]}
    finals = [True, False, False, True]
    api.rows("fail_many", errors=["e"] * 4, retries=finals, retry_ins=["0 s"] * 4, **pairs)
    assert [api.state(job) for job in jobs] == ["scheduled", "failed", "failed", "scheduled"]
    assert [row.done for row in api.rows("retry_many", jobs=jobs)] == [False, True, True, False]
    assert [row.done for row in api.rows("cancel_many", jobs=jobs)] == [True] * 4
    assert [row.id for row in api.rows("job_list", state="cancelled")] == jobs[::-1]


# as one would write it: one plan for all partitions
JOB_PARTITIONS_LOCKED = (
    "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
    " WHERE l.pid = pg_backend_pid() AND c.relname ~ '^job_p[0-9]+$'")
NAIVE_DESCRIPTION = """
CREATE OR REPLACE FUNCTION pawl.description(job bigint, OUT args jsonb, OUT batch bigint,
	OUT epoch int, OUT stage text, OUT meta jsonb, OUT timeout interval)
LANGUAGE plpgsql AS $$
BEGIN
	SELECT d.args, d.batch, d.epoch, d.stage, d.meta, d.timeout
	INTO args, batch, epoch, stage, meta, timeout
	FROM pawl.job d WHERE d.shard = 0 AND d.id = job;
END
$$
"""


def locked_by_a_claim(db, wid):
    """How many partitions of job a claim of one job has locked, again and again."""
    counts = set()
    with db.connect() as connection:
        api = Api(connection)
        for job in api.push_some(7):
            with connection.transaction():
                (row,) = api.claim(wid, 1)
                assert (row.job, row.args) == (job, {})
                counts.add(api.query(JOB_PARTITIONS_LOCKED)[0][0])
    return counts


def test_a_claim_of_one_locks_one_partition(db, api):
    """In the partition that is being filled, the next, and one that the function that reads
    descriptions does not know yet.

    Red on: a plan that is kept, over the whole table: it locks a hundred partitions.
    """
    wid = api.worker_start()
    for first in (0, SIZE - 4, 50 * SIZE):
        db.execute("SELECT setval('pawl.job_id', %s)", [first + 1])
        assert locked_by_a_claim(db, wid) == {1}
    db.execute(NAIVE_DESCRIPTION)
    assert min(locked_by_a_claim(db, wid)) > 100


def test_a_result_of_a_batch_locks_one_partition(db, api):
    """Its batch and stage stand in the job's description.

    Red on: a plan that is kept, over the whole table.
    """
    wid = api.worker_start()
    batch = db.value("SELECT pawl.batch_open('b')")
    locked = []
    for naive in (False, True):
        if naive:
            db.execute(NAIVE_DESCRIPTION)
        db.execute("SELECT pawl.push('k', batch => %s)", [batch])
        (row,) = api.claim(wid, 1)
        with db.connect() as connection, connection.transaction():
            connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            connection.execute("SELECT pawl.complete(%s, %s)", [row.job, row.fence])
            locked += [count for (count,) in connection.execute(JOB_PARTITIONS_LOCKED)]
    assert locked[0] == 1 and locked[1] > 100
    assert db.value("SELECT sum(succeeded) FROM pawl.batch_delta") == 2


def test_descriptions_are_read_where_jobs_are_pushed(db, api):
    """A starting worker writes the function anew for the partitions that are being filled.

    Red on: never written again: from the next partition on each claim plans its statement.
    """
    source = "SELECT prosrc FROM pg_proc WHERE oid = 'pawl.description(bigint)'::regprocedure"
    assert "pawl.job_p0 " in db.value(source) and "pawl.job_p1 " in db.value(source)
    db.execute("SELECT setval('pawl.job_id', %s)", [7 * SIZE])
    assert "pawl.job_p7 " not in db.value(source)
    api.worker_start()
    assert "pawl.job_p7 " in db.value(source) and "pawl.job_p8 " in db.value(source)
    assert "pawl.job_p0 " not in db.value(source)


def test_migrate_attaches_a_hundred(db):
    """For the jobs and for their outcomes alike."""
    assert len(partitions(db, "job")) > 100
    assert partitions(db, "job") == partitions(db, "outcome")


def test_a_starting_worker_attaches_ahead(db, api):
    """Twenty behind the newest id, so a fleet that works through SQL alone never runs out.

    Red on: partitions of migrate alone: behind them a push fails.
    """
    end = (partitions(db, "job")[-1] + 1) * SIZE
    db.execute("SELECT setval('pawl.job_id', %s)", [end - 2])
    last = api.push()
    assert last == end - 1
    assert sqlstate(api.push) == "23514"  # what happens without anybody who attaches
    wid = api.worker_start()
    job = api.push()
    assert job > last and job // SIZE in partitions(db, "outcome")
    assert partitions(db, "job")[-1] >= job // SIZE + 19
    row = next(row for row in api.claim(wid, 10) if row.job == job)
    api.complete(job, row.fence)
    assert api.state(job) == "succeeded"


def test_attaching_waits_for_no_reader_and_stops_no_push(db, api):
    """A long reader of the parents and a push that is open: neither waits for the other."""
    db.execute("SELECT setval('pawl.job_id', %s)", [95 * SIZE])
    with db.connect(autocommit=False) as reader, db.connect(autocommit=False) as pusher:
        reader.execute("SELECT count(*) FROM pawl.job, pawl.outcome, pawl.log")
        Api(pusher).push()
        api.connection.execute("SET statement_timeout = '30 s'")
        assert api.value("extend_partitions", ahead=30) > 0
        assert api.state(api.push()) == "ready"
        reader.rollback()
        pusher.commit()


def test_attaching_by_two_at_once(db, api):
    """One attaches; the other sees that, does nothing and does not wait."""
    db.execute("SELECT setval('pawl.job_id', %s)", [95 * SIZE])
    with db.connect(autocommit=False) as other:
        assert Api(other).value("extend_partitions", ahead=30) > 0
        api.connection.execute("SET statement_timeout = '30 s'")
        assert api.value("extend_partitions", ahead=30) == 0
        assert Api(other).worker_start() and api.worker_start()
        other.commit()
    assert api.value("extend_partitions", ahead=30) == 0


def test_interrupted_attaching_is_taken_up_again(db, api):
    """Rolled back half-way, it leaves nothing behind that would be in the way."""
    db.execute("SELECT setval('pawl.job_id', %s)", [95 * SIZE])
    before = partitions(db, "job")
    with db.connect(autocommit=False) as other:
        Api(other).value("extend_partitions", ahead=30)
        other.rollback()
    assert partitions(db, "job") == before
    assert api.value("extend_partitions", ahead=30) > 0


def test_log_partitions_reach_twenty_days_ahead(db):
    """A worker that runs writes its lines; the steward attaches a day each day."""
    days = db.execute(
        "SELECT to_date(right(c.relname, 8), 'YYYYMMDD') - (now() AT TIME ZONE 'UTC')::date "
        "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'pawl.log'::regclass"
    )
    ahead = {day for (day,) in days}
    assert ahead >= set(range(0, 20))


def test_a_clock_that_was_set_back_finds_its_day(db, api):
    """The bug: the last of the twenty days is there, so nothing is attached, and for ten
    days each line of a log is refused: what migrate on a clock ten days ahead leaves."""
    days = [name for (name,) in db.execute(
        "SELECT 'pawl.log_p' || to_char(now() AT TIME ZONE 'UTC' + d * interval '1 day',"
        " 'YYYYMMDD') FROM generate_series(-1, 9) d")]
    for name in days:
        db.execute(f"DROP TABLE {name}")
    api.push()
    claim = api.claim_one(api.worker_start())
    api.value("log", job=claim.job, fence=claim.fence, message="on the day")
    assert all(db.value("SELECT to_regclass(%s) IS NOT NULL", [name]) for name in days)
