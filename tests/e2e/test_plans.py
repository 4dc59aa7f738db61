"""However the planner plans: no function takes more than it was asked for.

The bug: `DELETE … WHERE id IN (SELECT … LIMIT n FOR UPDATE SKIP LOCKED)`.  In a nested
loop the subquery is run again for each row that it is compared with; what it took
before is skipped, and the statement takes n more, until nothing is left.  Statistics
and settings decide over that, both of which are the user's.
"""

import itertools
import os
import threading

import pytest
from harness.api import Api

NESTED = ("enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_sort",
          "enable_material")


def off(*names):
    return {name: "off" for name in names}


PLANS = {
    "as they come": {},
    "no hash joins": off("enable_hashjoin"),
    "no merge joins": off("enable_mergejoin"),
    "no nested loops": off("enable_nestloop"),
    "nested loops alone": off(*NESTED),
    "nested loops over sequential scans": off(*NESTED, "enable_indexscan",
                                              "enable_indexonlyscan", "enable_bitmapscan"),
    "no index scans": off("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"),
    "no sequential scans": off("enable_seqscan"),
    "no sorts": off("enable_sort", "enable_hashagg"),
    "dear reads": {"random_page_cost": "100000", "cpu_operator_cost": "0"},
    "cheap reads": {"random_page_cost": "0", "seq_page_cost": "0", "cpu_tuple_cost": "0"},
    "dear rows": {"cpu_tuple_cost": "1000", "cpu_index_tuple_cost": "0"},
    "joins as written": {"join_collapse_limit": "1", "from_collapse_limit": "1"},
    "joins by chance": {"geqo_threshold": "2", "geqo_effort": "1", "geqo_seed": "0.5"},
    "parallel": {"parallel_setup_cost": "0", "parallel_tuple_cost": "0",
                 "min_parallel_table_scan_size": "0", "min_parallel_index_scan_size": "0"},
    "little memory": {"work_mem": "64kB", "hash_mem_multiplier": "1"},
    "custom plans": {"plan_cache_mode": "force_custom_plan"},
    "generic plans": {"plan_cache_mode": "force_generic_plan"},
}
STATISTICS = ("none", "of empty tables", "fresh")
CASES = list(itertools.product(PLANS, STATISTICS))
if not os.environ.get("PAWL_TORTURE"):
    CASES = [("as they come", "none"), ("nested loops alone", "none"),
             ("nested loops alone", "of empty tables"), ("nested loops alone", "fresh"),
             ("no nested loops", "fresh"), ("nested loops over sequential scans", "none"),
             ("joins by chance", "of empty tables"), ("parallel", "fresh")]

READY, DUE, ORPHANED, CANCELLED, TO_CANCEL = 240, 60, 40, 40, 40
N = 7


@pytest.fixture(scope="module")
def server(base_cluster):
    """Nobody gathers statistics but the tests."""
    own = base_cluster.copy(durable=False, settings={"autovacuum": "off"}).start()
    yield own
    own.remove()


@pytest.fixture
def planned(server, request):
    """A database with the settings and the statistics of the case."""
    plan, statistics = request.param
    database = server.new_database()
    for name, value in PLANS[plan].items():
        database.execute(f'ALTER DATABASE "{database.name}" SET {name} = \'{value}\'')
    if statistics == "of empty tables":
        database.execute("ANALYZE")
    yield database, statistics
    database.drop()


def fill(database, statistics):
    """Jobs for each function to take from: the worker that claims, and the ids."""
    api = Api(database.connect())
    api.push_some(READY)
    api.push_some(DUE, queue="due", run_at="infinity")
    api.query("WITH u AS (UPDATE pawl.scheduled SET due = now() RETURNING 1) SELECT FROM u")
    gone = api.worker_start()
    api.push_some(ORPHANED, queue="orphaned")
    assert len(api.claim(gone, ORPHANED, queues=["orphaned"])) == ORPHANED
    api.query("WITH u AS (UPDATE pawl.worker SET expires_at = now() RETURNING 1) SELECT FROM u")
    groups = ["g", None] * (TO_CANCEL // 2)
    cancelled = api.push_some(CANCELLED, queue="cancelled", group_keys=groups)
    assert len(api.rows("cancel_many", jobs=cancelled)) == CANCELLED
    to_cancel = api.push_some(TO_CANCEL, queue="to cancel", group_keys=groups)
    if statistics == "fresh":
        api.connection.execute("ANALYZE")
    return api, api.worker_start(), cancelled, to_cancel


class Caller(threading.Thread):
    """Calls again and again until a call answers nothing; remembers the answers."""

    def __init__(self, database, call, items=None):
        super().__init__(daemon=True)
        self.database, self.call, self.items = database, call, items
        self.taken, self.error = [], None

    def run(self):
        try:
            with self.database.connect() as connection:
                self.work(Api(connection))
        except Exception as error:  # told by the thread that waits for this one
            self.error = error

    def work(self, api):
        rounds = range(0, 10**9, N) if self.items is None else range(0, len(self.items), N)
        for start in rounds:
            asked = None if self.items is None else self.items[start:start + N]
            taken = self.call(api) if asked is None else self.call(api, asked)
            self.taken.append(taken)
            if asked is None and taken == 0:
                return


def done(rows):
    return sum(row.done for row in rows)


def callers(database, worker, cancelled, to_cancel):
    def claim(kinds):
        return lambda api: len(api.claim(worker, N, kinds=kinds))

    return {
        "claim": Caller(database, claim(None)),
        "claim by kind": Caller(database, claim(["k", "other"])),
        "claim by kind, too": Caller(database, claim(["k"])),
        "promote": Caller(database, lambda api: api.value("promote", n=N)),
        "promote, too": Caller(database, lambda api: api.value("promote", n=N)),
        "recover": Caller(database, lambda api: api.value("recover", n=N)),
        "recover, too": Caller(database, lambda api: api.value("recover", n=N)),
        "cancel_many": Caller(database, lambda api, jobs: done(
            api.rows("cancel_many", jobs=jobs)), to_cancel[:TO_CANCEL // 2]),
        "retry_many": Caller(database, lambda api, jobs: done(
            api.rows("retry_many", jobs=jobs)), cancelled[:CANCELLED // 2]),
    }


def count(api, table, queue=None):
    where = "true" if queue is None else f"j.queue = '{queue}'"
    return api.one(f"SELECT count(*) FROM pawl.{table} t JOIN pawl.job j ON j.id = t.job_id"
                   f" WHERE {where}")


@pytest.mark.parametrize("planned", CASES, indirect=True, ids=" / ".join)
def test_nothing_takes_more_than_it_was_asked_for(planned):
    """Claims, promotions, recoveries, cancels and retries side by side: no answer above n,
    and the tables say what the answers say."""
    database, statistics = planned
    api, worker, cancelled, to_cancel = fill(database, statistics)
    running = callers(database, worker, cancelled, to_cancel)
    for caller in running.values():
        caller.start()
    for name, caller in running.items():
        caller.join(60)
        assert not caller.is_alive() and caller.error is None, (name, caller.error)
        assert max(caller.taken) <= N, (name, caller.taken)

    def total(name):
        return sum(sum(c.taken) for n, c in running.items() if n.startswith(name))

    assert api.one("SELECT count(*) FROM pawl.running WHERE worker = %s",
                   [worker]) == total("claim") == READY
    assert count(api, "scheduled") == DUE - total("promote")
    assert count(api, "ready", "due") == total("promote")
    assert count(api, "ready", "orphaned") == total("recover") == ORPHANED
    assert count(api, "outcome", "to cancel") == total("cancel_many") == TO_CANCEL // 2
    assert total("retry_many") == CANCELLED // 2
    assert count(api, "ready", "cancelled") == count(api, "waiting", "cancelled") \
        == CANCELLED // 4
    api.connection.close()


def test_the_naive_claim_takes_more(server):
    """Red: the same settings make the usual statement empty the table."""
    database = server.new_database()
    worst = {}
    with database.connect() as connection:
        connection.execute("CREATE TABLE naive (id int PRIMARY KEY)")
        connection.execute("INSERT INTO naive SELECT generate_series(1, 100)")
        for plan, settings in PLANS.items():
            with connection.transaction(force_rollback=True):
                for name, value in settings.items():
                    connection.execute(f"SET LOCAL {name} = '{value}'")
                worst[plan] = connection.execute(
                    "DELETE FROM naive WHERE id IN (SELECT id FROM naive ORDER BY id"
                    f" LIMIT {N} FOR UPDATE SKIP LOCKED)").rowcount
    database.drop()
    assert worst["as they come"] == N
    assert worst["nested loops alone"] == 100


COMPILED = {"jit": "on", "jit_above_cost": "0", "auto_explain.log_min_duration": "0",
            "auto_explain.log_nested_statements": "on", "auto_explain.log_analyze": "on",
            "client_min_messages": "log"}
MOVES = ("DELETE FROM pawl.ready", "DELETE FROM pawl.running", "DELETE FROM pawl.outcome")
FEW = "SELECT * FROM pawl.claim_few(%s, 4, '{default}', NULL, %s, NULL)"  # as a worker does


def test_no_statement_that_moves_jobs_is_compiled(server):
    """The bug: beside ten million ready jobs the estimate of a claim of four is above the
    cost from which PostgreSQL compiles a statement, and each takes 0.6 s instead of 0.5 ms."""
    database, told = server.new_database(), []
    with database.connect() as connection:
        api = Api(connection)
        jobs = api.push_some(40)
        worker = api.worker_start()
        connection.execute("LOAD 'auto_explain'")
        for name, value in COMPILED.items():
            connection.execute(f"SET {name} = '{value}'")
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary))
        connection.execute(FEW, [worker, [0] * 10])
        settle_each(api, api.claim(worker, 20))
        api.rows("cancel_many", jobs=jobs)
        api.rows("retry_many", jobs=jobs)
    seen = [text for text in told if any(words in text for words in MOVES)]
    assert len(seen) >= 6 and any("JIT:" in text for text in told), "nothing was compiled"
    assert [text for text in seen if "JIT:" in text] == []


def settle_each(api, rows):
    pairs = {"jobs": [row.job for row in rows[2:]], "fences": [row.fence for row in rows[2:]]}
    api.complete(rows[0].job, rows[0].fence)
    api.value("fail", job=rows[1].job, fence=rows[1].fence, error="no")
    api.rows("complete_many", **pairs)
