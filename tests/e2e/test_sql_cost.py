"""What the functions read, among many jobs: blocks, and no scan of a large table.

The bug: a function that is quick among a hundred jobs and walks over all of them when
there are many, or when the statistics are cold and the planner guesses.  Each call is
made with cold statistics and with fresh ones.
"""

import pytest
from harness.api import Api
from harness.cluster import WHOLE
from harness.cost import blocks
from harness.paths import REPO

PER_CALL = 10  # jobs that a call is about
BLOCKS = 2500  # measured: at most some 1,900, most of it planning; a walk over all jobs: 3,100

BULK = 1000  # jobs of one statement of a busy worker, and what each of them may cost:
A_JOB = {"claim": (11, 330), "complete_many": (11, 330)}  # blocks, bytes of WAL

FILL = """
SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[200000]));
SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[20000]),
	run_at => now() + interval '1 hour');
SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[20000]), queue => 'keyed',
	unique_keys => (SELECT array_agg('key ' || n) FROM generate_series(1, 20000) n));
SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[20000]), queue => 'starts',
	unique_keys => (SELECT array_agg('start ' || n) FROM generate_series(1, 20000) n),
	unique_until => 'start');
SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[20000]), queue => 'groups',
	group_keys => (SELECT array_agg('t' || n % 7 || '/' || n % 5000) FROM generate_series(1, 20000) n));
SELECT pawl.worker_start('w', interval '1 hour');
"""


@pytest.fixture(scope="module")
def crowd(base_cluster):
    """50,000 succeeded, 20,000 failed, 130,000 ready, 20,000 scheduled; no statistics."""
    server = base_cluster.copy(durable=False, settings={"autovacuum": "off"}).start()
    with server.new_database(WHOLE).connect() as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(FILL)
        api = Api(connection)
        wid = api.one("SELECT id FROM pawl.workers")
        for turn in range(7):
            rows = api.claim(wid, 10_000)
            pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
            if turn < 5:
                api.rows("complete_many", **pairs)
            else:
                api.rows("fail_many", errors=["e"] * 10_000, retries=[False] * 10_000, **pairs)
        yield api, calls(api, wid)
    server.remove()


def query(name):
    """What the program asks beside the functions."""
    return (REPO / f"sql/queries/{name}.sql").read_text()


def calls(api, wid):
    """name -> one call of each function that walks or looks up."""
    claimed = api.claim(wid, PER_CALL)
    jobs, fences = [row.job for row in claimed], [row.fence for row in claimed]
    pairs = f"ARRAY{jobs}::bigint[], ARRAY{fences}::bigint[]"
    texts = "array_fill('e'::text, ARRAY[10])"
    keyed = api.claim(wid, PER_CALL, queues=["keyed"])
    keyed = f"ARRAY{[r.job for r in keyed]}::bigint[], ARRAY{[r.fence for r in keyed]}::bigint[]"
    objects = "array_fill('{}'::jsonb, ARRAY[10])"
    failed = [row.id for row in api.rows("job_list", state="failed", n=PER_CALL)]
    ready = [row.id for row in api.rows("job_list", state="ready", n=PER_CALL)]
    ended, *grouped = [row.id for row in api.rows("job_list", state="waiting", n=PER_CALL)]
    api.cancel(ended)
    found = {
        "claim": f"pawl.claim('{wid}', 10)",
        "claim of another kind": f"pawl.claim('{wid}', 10, queues => '{{other}}')",
        "complete_many": f"pawl.complete_many({pairs})",
        "fail_many": f"pawl.fail_many({pairs}, {texts})",
        "release_many": f"pawl.release_many({pairs})",
        "heartbeat": f"pawl.heartbeat('{wid}', {pairs})",
        "heartbeat without pairs": f"pawl.heartbeat('{wid}')",
        "cancel": f"pawl.cancel({ready[0]})",
        "cancel_many": f"pawl.cancel_many(ARRAY{ready}::bigint[])",
        "cancel of what has ended": f"pawl.cancel({failed[0]})",
        "retry": f"pawl.retry({failed[0]})",
        "retry_many": f"pawl.retry_many(ARRAY{failed}::bigint[])",
        "push of a live key": "pawl.push('k', unique_key => 'key 15000')",
        "push of a live key until start": "pawl.push('k', unique_key => 'start 15000')",
        "push of a new key": "pawl.push('k', unique_key => 'new')",
        "push_many of keys": f"pawl.push_many('k', {objects}, unique_keys => "
        "(SELECT array_agg('key ' || n * 2000) FROM generate_series(1, 10) n))",
        "claim of keys until start": f"pawl.claim('{wid}', 10, queues => '{{starts}}')",
        "complete_many of keys": f"pawl.complete_many({keyed})",
        "promote of nothing": "pawl.promote()",
        "recover of nothing": "pawl.recover()",
        "suspects_waiting": "pawl.suspects_waiting('{default}')",
        "queues": "pawl.queues",
        "oldest_runnable": "pawl.oldest_runnable()",
        "queue_list": "pawl.queue_list()",
        "queue_list of one": "pawl.queue_list('default')",
        "work_waiting": f"pawl.work_waiting('{wid}')",
        "cancel of what waits": f"pawl.cancel({grouped[0]})",
        "cancel_many of what waits": f"pawl.cancel_many(ARRAY{grouped}::bigint[])",
        "retry into a group": f"pawl.retry({ended})",
        "push into a group": "pawl.push('k', group_key => 't1/17')",
        "push_many into groups": f"pawl.push_many('k', {objects}, group_keys => "
        "(SELECT array_agg('t1/' || n) FROM generate_series(1, 10) n))",
        "groups_waiting": "pawl.groups_waiting()",
        "one job": f"pawl.jobs WHERE id = {failed[3]}",
        "attempts of a job": f"pawl.attempts WHERE job = {failed[3]}",
        "job_list": "pawl.job_list(n => 10)",
        "states of jobs": f"({query('job_states')}) q".replace("$1", f"ARRAY{failed + ready}"),
    }
    for state in ("ready", "scheduled", "waiting", "running", "succeeded", "failed", "cancelled"):
        found[f"job_list {state}"] = f"pawl.job_list('{state}', n => 10)"
    return found


def bulk_cost(api, wid):
    """(blocks, bytes of WAL) a job of a claim and of a settle of 1,000; undone."""
    found = {}
    with api.connection.transaction(force_rollback=True):
        for name in ("claim", "complete_many"):
            call = f"pawl.claim('{wid}', {BULK})"
            if name == "complete_many":
                rows = api.claim(wid, BULK)
                jobs, fences = [row.job for row in rows], [row.fence for row in rows]
                call = f"pawl.complete_many(ARRAY{jobs}::bigint[], ARRAY{fences}::bigint[])"
            row = api.one(f"EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON) SELECT * FROM {call}")
            plan = row[0]["Plan"]
            assert plan["Actual Rows"] == BULK and plan.get("WAL FPI", 0) == 0
            read = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            found[name] = (read / BULK, plan["WAL Bytes"] / BULK)
    return found


def scans(api):
    """How often each large table was read from end to end; partitions under one name."""
    api.query("SELECT pg_stat_force_next_flush()")
    return api.query(
        "SELECT split_part(relname, '_p', 1), sum(seq_scan) FROM pg_stat_user_tables "
        "WHERE schemaname = 'pawl' AND n_live_tup > 1000 GROUP BY 1 ORDER BY 1"
    )


@pytest.mark.parametrize("statistics", ["cold", "fresh"])
def test_each_function_reads_little(crowd, statistics):
    """Blocks follow the jobs that the call is about, not those that are there.

    And pg_stat_user_tables counts no sequential scan of a large table.
    """
    api, statements = crowd
    if statistics == "fresh":
        api.connection.execute("ANALYZE")
    before = scans(api)
    found = {name: blocks(api, f"SELECT * FROM {call}") for name, call in statements.items()}
    print(found)
    assert scans(api) == before
    assert [name for name, _ in before] == [
        "attempt", "job", "outcome", "ready", "scheduled", "unique_key", "waiting"]
    assert {name: n for name, n in found.items() if n > BLOCKS} == {}


@pytest.mark.parametrize("statistics", ["cold", "fresh"])
def test_a_job_of_a_bulk_call_costs_little(crowd, statistics):
    """A claim or a settle of many jobs reads and writes a bounded amount for each of them.

    Red on: a lookup of each description (3 blocks more), and on a settle that locks and
    deletes its rows in a loop over them.
    """
    api, _ = crowd
    wid = api.one("SELECT id FROM pawl.workers LIMIT 1")
    if statistics == "fresh":
        api.connection.execute("ANALYZE")
    bulk_cost(api, wid)  # the first fills the session's caches of the catalogue
    found = bulk_cost(api, wid)
    print(found)
    for name, (blocks_read, bytes_written) in found.items():
        assert blocks_read <= A_JOB[name][0] and bytes_written <= A_JOB[name][1], (name, found)


def test_a_walk_over_a_large_table_would_be_seen(crowd):
    """The naive variants cost more than the bound, so the test above means something."""
    api, _ = crowd
    before = scans(api)
    for naive in (
        "SELECT * FROM pawl.jobs WHERE state = 'cancelled' ORDER BY id DESC LIMIT 10",
        "SELECT count(*) FROM pawl.jobs",
    ):
        assert blocks(api, naive) > BLOCKS, naive
    assert scans(api) != before


COMPLETE = (REPO / "sql/functions/complete.sql").read_text(encoding="utf-8")
UNPINNED = COMPLETE.replace("SET enable_seqscan = off\nSET jit = off\n", "")


@pytest.mark.parametrize("text", [UNPINNED, COMPLETE], ids=["naive", "ours"])
def test_a_result_is_looked_up_by_a_plan_that_is_kept(db, text):
    """The bug: a session plans its statements while the tables are empty, as each worker's
    first ones are, and keeps plans that read them from end to end."""
    assert UNPINNED != COMPLETE
    db.execute(text)
    for table in ("running", "unique_key"):
        db.execute(f"ALTER TABLE pawl.{table} SET (autovacuum_enabled = off)")
    api = Api(db.connect())
    api.connection.execute("ANALYZE")
    wid = api.worker_start(lease="1 hour")
    for n in range(8):
        api.push("k", unique_key=f"first {n}")
        (row,) = api.claim(wid)
        api.complete(row.job, row.fence)
    api.push_some(5000, unique_keys=[f"then {n}" for n in range(5000)])
    row = api.claim(wid, 5000)[-1]
    cost = blocks(api, f"SELECT pawl.complete({row.job}, {row.fence})")
    print(f"{cost} blocks")
    assert cost > 100 if text == UNPINNED else cost < 30


# -- what a push costs, by cause -----------------------------------------------------

ARGS = '{"n": 1, "pad": "' + 79 * "x" + '"}'
MANY = f"pawl.push_many('k', array_fill({ARGS!r}::jsonb, ARRAY[1000]), queue => 'new'"
KEYS = ", unique_keys => (SELECT array_agg(md5(n::text)) FROM generate_series(1, 1000) n)"


def many(more=""):
    return f"{MANY}{more})"


def functions(api, statement):
    """{function of Pawl: calls} of one statement, nested ones included."""

    def calls():
        return dict(api.query("SELECT funcname, calls FROM pg_stat_xact_user_functions"
                              " WHERE schemaname = 'pawl'"))

    with api.connection.transaction(force_rollback=True):
        api.connection.execute("SET LOCAL track_functions = 'pl'")
        before = calls()
        api.connection.execute(f"SELECT * FROM {statement}")
        return {name: n - before.get(name, 0) for name, n in calls().items()
                if n > before.get(name, 0)}


def wal(api, statement):
    """(records, bytes) that one call writes, but for its commit."""
    with api.connection.transaction(force_rollback=True):
        row = api.one(f"EXPLAIN (ANALYZE, WAL, FORMAT JSON) SELECT * FROM {statement}")
    plan = row[0]["Plan"]
    return plan["WAL Records"], plan["WAL Bytes"]


def test_a_push_calls_no_other_function(crowd):
    """The bug: what is checked, looked up and rung in functions of its own, at ten
    microseconds each; a bare INSERT takes twenty.  What is out of the ordinary does."""
    api, _ = crowd
    assert functions(api, f"pawl.push('k', '{ARGS}')") == {"push": 1}
    assert functions(api, "pawl.push('k', queue => 'q', run_at => 'infinity')") == {"push": 1}
    assert functions(api, "pawl.push('k', max_attempts => 3)") == {"push": 1, "check_job": 1}


@pytest.mark.parametrize("keys", ["", KEYS])
def test_many_are_pushed_without_a_call_for_each(crowd, keys):
    """The bug: a function that is called for each job or key; the naive form is one push
    a job, which is seen."""
    api, _ = crowd
    assert max(functions(api, many(keys)).values()) == 1
    assert functions(api, f"(SELECT pawl.push('k', '{ARGS}') FROM generate_series(1, 9)) p") \
        == {"push": 9}


def test_a_push_writes_five_records(crowd):
    """A row and an entry in job, a row and two entries in ready; the sequences' own come
    with each 32nd job.  The bug: an index more, or a row that is written twice."""
    api, _ = crowd
    found = [wal(api, f"pawl.push('k', '{ARGS}')")[0] for _ in range(10)]
    print(found)
    assert min(found) == 5


@pytest.mark.parametrize("keys,most", [("", 600), (KEYS, 900)])
def test_the_log_of_many_pushed(crowd, keys, most):
    """Bytes of WAL a job; an index more on what is written is some 70."""
    api, _ = crowd
    found = [wal(api, many(keys))[1] / 1000 for _ in range(3)]
    print(found)
    assert min(found) <= most
    with api.connection.transaction(force_rollback=True):
        api.connection.execute("CREATE INDEX ON pawl.ready (kind, pos)")
        assert wal(api, many(keys))[1] / 1000 > most
