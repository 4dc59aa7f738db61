"""Counters of a batch are exact, and exactly one finaliser ends it, whoever comes together.

The bugs: handlers that read a JSON column, add one and write it back lose updates; with a
row lock over a round trip they queue up behind each other; and of two that bring the
last results at once each sees the other's missing, or both finalise.
PAWL_TORTURE=1: 1,000 results by each of 64 sessions.
"""

import os
import threading
from contextlib import ExitStack

import psycopg
import pytest
from harness.api import Api, json_array
from harness.batches import Batch, wrong_counters
from harness.fleet import Fleet
from harness.many import in_sessions
from harness.paths import BUILD
from harness.program import Worker
from harness.wait import wait_until

SESSIONS = 64
RESULTS = 1000 if os.environ.get("PAWL_TORTURE") else 150
STAGES = ["collect", "process", "results"]
OBJECT = BUILD / "tests/e2e/handler_batch.so"


class Watcher(threading.Thread):
    """Looks at the progress again and again, and folds; keeps what it saw."""

    def __init__(self, db, batch):
        super().__init__(daemon=True)
        self.db, self.batch, self.over = db, batch, threading.Event()
        self.seen, self.error = [], None

    def run(self):
        try:
            with self.db.connect() as connection:
                api = Api(connection)
                while not self.over.is_set():
                    self.seen.append(api.query(
                        "SELECT total, succeeded, failed, cancelled, percent "
                        "FROM pawl.batches WHERE id = %s", [self.batch.id])[0])
                    api.value("fold", batch=self.batch.id)
        except BaseException as error:
            self.error = error

    def end(self):
        self.over.set()
        self.join(30)
        assert self.error is None and len(self.seen) > 5
        ended = [row.succeeded + row.failed + row.cancelled for row in self.seen]
        assert ended == sorted(ended), "what has ended went back"
        assert all(n <= row.total for n, row in zip(ended, self.seen))
        percents = [row.percent for row in self.seen if row.percent is not None]
        assert percents == sorted(percents), "a percentage went back"


def claimed(api, batch, n, stages=STAGES):
    """n jobs of the batch in its stages, running; the rows."""
    each, more = divmod(n, len(stages))
    for i, stage in enumerate(stages):
        batch.push(each + (i < more), stage=stage)
    worker = api.worker_start(lease="1 hour")
    rows = []
    while len(rows) < n:
        rows += api.claim(worker, 10000)
    return rows


def deliver(connection, rows):
    """Half one by one, half by twenty; all of it twice, as a broker would."""
    api = Api(connection)
    one_by_one, together = rows[::2], rows[1::2]
    for row in one_by_one:
        api.query("SELECT pawl.complete(%s, %s, counts => '{\"detections\": 17}')",
                  [row.job, row.fence])
    for at in range(0, len(together), 20):
        part = together[at : at + 20]
        pairs = {"jobs": [row.job for row in part], "fences": [row.fence for row in part]}
        counts = json_array([{"detections": 17}] * len(part))
        for _ in range(2):
            api.rows("complete_many", **pairs, counts=counts)
    pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
    answers = api.rows("complete_many", **pairs)
    assert {row.answer for row in answers} == {"stale"}


@pytest.mark.slow
@pytest.mark.deadline(300)
def test_64_sessions(db, api):
    """Exact totals, each redelivered result once, percentages that only grow (3.2)."""
    batch = Batch(api, STAGES)
    n = SESSIONS * RESULTS
    rows = claimed(api, batch, n)
    batch.seal()
    watcher = Watcher(db, batch)
    watcher.start()
    took = in_sessions(db, [rows[i::SESSIONS] for i in range(SESSIONS)], deliver)
    print(f"{n / took:.0f} results/s")
    wait_until(lambda: batch.state() != "sealed" or batch.fold() == "succeeded", 20, "the end")
    watcher.end()
    assert batch.state() == "succeeded" and batch.counters() == (n, n, 0, 0)
    assert sum(stage["detections"] for stage in batch.counts().values()) == 17 * n
    assert not wrong_counters(api) and batch.completions() == ["ready"]
    assert db.cluster.log_count("40P01") == 0


COUNTER = """CREATE TABLE counter (batch bigint PRIMARY KEY, ended int NOT NULL);
    INSERT INTO counter VALUES (1, 0)"""
NAIVE_COUNTS = {
    "read under a lock": "SELECT ended FROM counter WHERE batch = 1 FOR UPDATE",
    "one statement": "UPDATE counter SET ended = ended + 1 WHERE batch = 1",
}


def test_no_session_holds_a_counter_over_a_round_trip(db, api):
    """64 transactions have counted a result of one batch and stay open: none waits for
    another, and nobody is kept from the batch's row (3.5)."""
    batch = Batch(api)
    rows = claimed(api, batch, SESSIONS, ["main"])
    with ExitStack() as open_ones:
        for row in rows:
            mine = open_ones.enter_context(db.connect(autocommit=False))
            mine.execute("SET lock_timeout = '1s'")
            mine.execute("SELECT pawl.complete(%s, %s, counts => '{\"detections\": 17}')",
                         [row.job, row.fence])
            db.execute("SELECT FROM pawl.batch WHERE id = %s FOR UPDATE NOWAIT", [batch.id])
        assert batch.counters() == (SESSIONS, 0, 0, 0)
        assert batch.fold() == "open", "a fold waits for nobody either"
    assert batch.counters() == (SESSIONS, SESSIONS, 0, 0) and not wrong_counters(api)
    assert batch.counts() == {"main": {"detections": 17 * SESSIONS}}


@pytest.mark.parametrize("variant", NAIVE_COUNTS)
def test_a_counter_row_is_red(db, variant):
    """Whoever counts second waits for the first one's next round trips."""
    db.execute(COUNTER)
    with db.connect(autocommit=False) as first, db.connect(autocommit=False) as second:
        first.execute(NAIVE_COUNTS[variant])
        second.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute(NAIVE_COUNTS[variant])


DELTAS = """SELECT d.xid::text::bigint, d.stage FROM pawl.batch_delta d
    WHERE d.batch = %s AND d.succeeded > 0"""
SETTLES = """SELECT DISTINCT o.xmin::text::bigint, j.stage FROM pawl.outcome o
    JOIN pawl.job j ON j.id = o.job_id WHERE j.batch = %s"""


def test_a_settle_counts_once(db, api):
    """Through a worker's settler: one counter row for each settle, batch and stage,
    however many jobs it settles (3.5).  Nothing is folded: the batch's row is held."""
    batch, other = Batch(api, STAGES[:2]), Batch(api, STAGES[:1])
    n = 900
    for made, stage in ((batch, STAGES[0]), (batch, STAGES[1]), (other, STAGES[0])):
        made.push(n // 3, stage=stage, kind="count")
    ends = "SELECT count(*) = %s FROM pawl.outcome"
    with db.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM pawl.batch FOR UPDATE")
        with Worker(db, "-j", "8", "--poll", "100ms", "-L", f"count={OBJECT}") as worker:
            wait_until(lambda: db.value(ends, [n]), 30, worker.log)
            assert worker.drain() == 0, worker.log()
        for made in (batch, other):
            rows = sorted(db.execute(DELTAS, [made.id]))
            assert rows == sorted(db.execute(SETTLES, [made.id])), "one for each settle"
        rows = db.value("SELECT count(*) FROM pawl.batch_delta WHERE succeeded > 0")
        print(f"{rows} rows for {n} jobs")
        assert rows <= n // 2
    alone = Batch(api)
    for row in claimed(api, alone, 30, ["main"]):
        api.complete(row.job, row.fence)
    assert len(db.execute(DELTAS, [alone.id])) == 30, "settled one by one: turned green"


JOBS = 30_000 if os.environ.get("PAWL_TORTURE") else 6_000


def test_eight_worker_processes(db, api):
    """What they settle together is exact, while it is looked at and folded (3.2)."""
    batch = Batch(api, STAGES)
    options = ("-j", "8", "--poll", "100ms", "-L", f"count={OBJECT}")
    with Fleet(db, 8, *options) as fleet:
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.workers") == 8, 30, fleet.logs)
        watcher = Watcher(db, batch)
        watcher.start()
        for i in range(30):
            batch.push(JOBS // 30, stage=STAGES[i % 3], kind="count")
        batch.seal()
        wait_until(lambda: batch.state() != "sealed", 60, fleet.logs)
        watcher.end()
    assert batch.state() == "succeeded" and batch.completions() == ["ready"]
    assert batch.stages() == {stage: (JOBS // 3, JOBS // 3, 0, 0) for stage in STAGES}
    assert batch.counts() == {stage: {"detections": 17 * JOBS // 3} for stage in STAGES}
    assert api.one("SELECT count(DISTINCT worker) FROM pawl.outcome") >= 4
    assert not wrong_counters(api) and db.cluster.log_count("40P01") == 0


BLOB = """CREATE TABLE progress (id int PRIMARY KEY, progress jsonb NOT NULL);
    INSERT INTO progress VALUES (1, '{"processed": 0}')"""


def naive(connection, n):
    """Read the JSON, add one, write it back: as the handlers of the report do it."""
    for _ in range(n):
        (value,) = connection.execute("SELECT progress FROM progress").fetchone()
        value["processed"] += 1
        connection.execute("UPDATE progress SET progress = %s", json_array([value]))


def test_naive_read_modify_write_is_red(db):
    """It loses updates; if it does not, the test above is too weak."""
    db.execute(BLOB)
    in_sessions(db, [50] * 16, naive)
    assert db.value("SELECT (progress ->> 'processed')::int FROM progress") < 50 * 16


LATCH = """CREATE TABLE done (by_whom text);
    CREATE FUNCTION latch(b bigint, who text) RETURNS void LANGUAGE sql AS
    'INSERT INTO done SELECT who FROM pawl.batches t WHERE t.id = b AND
        t.total = t.succeeded + t.failed + t.cancelled'"""


@pytest.mark.parametrize("commits", ["ab", "ba"])
def test_a_latch_that_does_not_hold_the_row_is_red(db, api, commits):
    """Each sees the other's result missing, and nobody finalises: the fold does (3.6)."""
    db.execute(LATCH)
    batch = Batch(api, ["one", "two"])
    batch.push(1, stage="one")
    batch.push(1, stage="two")
    rows = api.claim(api.worker_start(), 2)
    batch.seal()
    sessions = {who: db.connect(autocommit=False) for who in "ab"}
    for (who, connection), row in zip(sessions.items(), rows):
        Api(connection).complete(row.job, row.fence)
        connection.execute("SELECT latch(%s, %s)", [batch.id, who])
    for who in commits:
        sessions[who].commit()
        sessions[who].close()
    assert api.one("SELECT count(*) FROM done") == 0
    assert batch.completions() == ["scheduled"]
    assert batch.fold() == "succeeded" and batch.completions() == ["ready"]


def test_exactly_one_of_many_finishers(db, api):
    """Sixteen fold at once, thirty times: one of them ends the batch (3.3)."""
    batches = [Batch(api) for _ in range(30)]
    answers = []
    barrier = threading.Barrier(16)

    def finish(connection, _part):
        mine = Api(connection)
        for batch in batches:
            barrier.wait(60)
            answers.append((batch.id, mine.value("fold", batch=batch.id)))

    for batch in batches:
        batch.push(3)
    rows = api.claim(api.worker_start(), 1000)
    for batch in batches:
        batch.seal()
    for row in rows:
        api.complete(row.job, row.fence)
    in_sessions(db, range(16), finish)
    assert {answer for _, answer in answers} <= {"busy", "succeeded"}
    for batch in batches:
        assert (batch.id, "succeeded") in answers and batch.completions() == ["ready"]
    assert api.one("SELECT count(*) FROM pawl.ready WHERE queue = 'reports'") == 30


@pytest.mark.parametrize("step", ["after the last result", "after the fold"])
def test_a_finisher_that_is_killed(db, api, step):
    """Neither a batch that stays at its total nor two completion jobs (3.3)."""
    batch = Batch(api)
    batch.push(1)
    row = api.claim_one(api.worker_start())
    batch.seal()
    connection = db.connect(autocommit=False)
    mine = Api(connection)
    mine.complete(row.job, row.fence)
    if step == "after the last result":
        connection.commit()
    else:
        assert mine.value("fold", batch=batch.id) == "succeeded"
    pid = connection.info.backend_pid
    db.execute("SELECT pg_terminate_backend(%s)", [pid])
    gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    wait_until(lambda: db.value(gone, [pid]) == 0, 30, "the session to end")
    connection.close()
    assert batch.state() == "sealed" and batch.completions() == ["scheduled"]
    if step == "after the fold":
        api.complete(row.job, row.fence)  # nothing of the transaction was done
    assert batch.fold() == "succeeded" and batch.completions() == ["ready"]
    assert batch.counters() == (1, 1, 0, 0) and not wrong_counters(api)


def test_a_fold_does_not_walk_over_what_was_folded(db, api):
    """While somebody holds a snapshot, deleted deltas stay in the index: each fold would
    walk over all of them, and settling would slow down with the number of results."""
    batch = Batch(api)
    with db.connect(autocommit=False) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1 FROM pawl.batch")
        for _ in range(30):
            with api.connection.transaction():
                api.query("INSERT INTO pawl.batch_delta (batch, epoch, stage) "
                          "SELECT %s, 1, 'main' FROM generate_series(1, 500) RETURNING 1",
                          [batch.id])
            assert batch.fold() == "open"
        plan = api.query(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT FROM pawl.batch b, LATERAL "
            "(SELECT FROM pawl.batch_delta d WHERE d.shard = 0 AND d.batch = b.id AND "
            "d.epoch = b.epoch AND d.xid >= b.folded) d WHERE b.id = %s", [batch.id])
    (row,) = plan
    buffers = row[0][0]["Plan"]["Shared Hit Blocks"]
    print(f"{buffers} buffers")
    assert buffers < 60
