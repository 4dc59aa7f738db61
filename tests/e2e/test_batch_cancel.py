"""A batch that is being cancelled, while that takes its time.

The bugs: the jobs that the cancel has not come to yet are handed out; one job that stays
locked makes the cancel walk over all the others again, each second.
"""

import pytest
from harness.batches import Batch, fold_some, without_upkeeps_fold, wrong_counters
from harness.cost import blocks
from harness.grouped import Runner, stops
from harness.ledger import Ledger
from harness.paths import REPO
from harness.program import Worker
from harness.wait import wait_until

FUNCTIONS = REPO / "sql/functions"
NAIVE_CLAIM = """CREATE OR REPLACE FUNCTION pawl.end_cancelled(jobs bigint[], fences bigint[])
    RETURNS bigint[] LANGUAGE sql AS 'SELECT fences'"""
# One walk after the other, as long as the batch is not done.
NAIVE_WALK = """CREATE OR REPLACE FUNCTION pawl.cancel_chunk(held pawl.batch, OUT swept bigint,
    OUT busy bigint[], OUT more boolean) LANGUAGE plpgsql AS $$
DECLARE
    jobs bigint[];
BEGIN
    SELECT array_agg(c.id) INTO jobs FROM (SELECT j.id FROM pawl.job j
        WHERE j.batch = held.id AND j.epoch = held.epoch AND j.id > greatest(held.swept, held.low)
            AND j.stage IS NOT NULL ORDER BY j.id LIMIT 1000) c;
    IF jobs IS NOT NULL THEN
        PERFORM FROM pawl.cancel_round(jobs, held.reason);
    END IF;
    more := coalesce(cardinality(jobs) = 1000, false);
    swept := CASE WHEN more THEN jobs[1000] ELSE 0 END;
    busy := '{}';
END $$"""


def restore(db, name):
    db.execute((FUNCTIONS / f"{name}.sql").read_text(encoding="utf-8"))


@pytest.fixture
def worker_id(api):
    return api.worker_start()


def half_cancelled(api, n=1300):
    """A batch whose cancel has ended the first thousand of its jobs; those that are left."""
    batch = Batch(api)
    jobs = batch.push(n)
    assert batch.cancel(reason="wrong folder") == "more"
    assert api.state(jobs[999]) == "cancelled" and api.state(jobs[1000]) == "ready"
    return batch, jobs[1000:]


def test_what_is_being_cancelled_is_not_handed_out(db, api, worker_id):
    """By a claim of few or of many, of jobs of that batch alone or among others (3.7)."""
    db.execute(NAIVE_CLAIM)
    naive, _ = half_cancelled(api)
    (row,) = api.claim(worker_id, 1)
    assert row.batch == naive.id and api.state(row.job) == "running", "turned green"
    while naive.state() != "cancelled":
        naive.fold()
    restore(db, "end_cancelled")

    batch, left = half_cancelled(api)
    other = Batch(api)
    others = other.push(2) + [api.push()]
    assert api.claim(worker_id, 1) == []
    assert api.places(left[0]) == ["outcome"] and api.job(left[0]).error == "wrong folder"
    assert api.claim(worker_id, 3) == [] and api.claim(worker_id, 200) == []
    rows = api.claim(worker_id, 200)
    assert [row.job for row in rows] == others and all(row.fence for row in rows)
    assert [api.state(job) for job in left] == ["cancelled"] * 300
    assert batch.fold() == "cancelled" and batch.counters() == (1300, 0, 0, 1300)
    assert other.counters() == (2, 0, 0, 0) and not wrong_counters(api)
    rows = api.claim(worker_id, 5, queues=["reports"])
    assert [(row.batch, row.stage) for row in rows] == [(naive.id, None), (batch.id, None)]


def test_nor_by_a_group(db, api):
    """The head of a group whose batch is being cancelled is ended by the dispatch that comes
    to it; of several that go at once those of the batch alone."""
    batch, _ = half_cancelled(api, 1001)
    api.query("UPDATE pawl.batch SET cancelled_at = NULL, sealed_at = NULL RETURNING 1")
    sizes = {"kinds": ["k"], "sizes": [10]}
    head, second = batch.push(2, group_keys=["g", "g"])
    own = api.push(group_key="g")
    third = batch.push(1, group_keys=["g"])[0]
    fourth = batch.push(1, group_keys=["h"])[0]
    last = api.push(group_key="h")
    api.query("UPDATE pawl.batch SET cancelled_at = now(), sealed_at = now() RETURNING 1")
    runner = Runner(api)
    db.execute(NAIVE_CLAIM)
    with api.connection.transaction(force_rollback=True):
        assert runner.ask()[0].job == head, "turned green"
    restore(db, "end_cancelled")
    runner.token = None
    assert runner.answer() == "again" and api.state(head) == "cancelled"
    rows = runner.ask(**sizes)
    assert [(row.answer, row.job) for row in rows] == [("job", own)]
    assert [api.state(job) for job in (second, third)] == ["cancelled"] * 2
    assert runner.answer() == "busy"
    api.complete(own, rows[0].fence)
    assert runner.answer() == "none"
    other = Runner(api, "h")
    assert [other.answer(), other.dispatch().job] == ["again", last]
    assert api.job(fourth).attempt == 1 and stops(api) == {}


@pytest.fixture(scope="module")
def cluster(still_cluster):
    """Statistics that come meanwhile would be read by what is counted."""
    return still_cluster


SIZES = (1, 4, 10, 1000)  # of claims: of few, of many
FEW = 4
# A claim by which each job's description is looked up once more.
LOOKUPS = ("highest - lowest < 2 * cardinality(jobs)", "false")


def claim_costs(api, worker, sizes=SIZES, **named):
    """{n: the blocks that a claim of n jobs touches}, of jobs that are pushed so."""
    found = {}
    for n in sizes:
        api.push_some(n, **named)
        api.connection.execute("VACUUM pawl.ready, pawl.running")  # what was claimed before
        found[n] = blocks(api, f"SELECT * FROM pawl.claim('{worker}', {n})")
        assert len(api.claim(worker, n)) == n
    return found


def test_what_a_claim_costs_beside_it(db, api, worker_id):
    """The bug: whoever claims many jobs of a batch pays for each of them, for as long as
    another batch cannot be cancelled to its end, because one of its jobs is fenced.

    A claim of few looks for each of its jobs: 2 blocks that no batch is being cancelled,
    some 7 more when one is."""
    batch, doomed = Batch(api), Batch(api)
    doomed.push(1)
    api.claim_one(worker_id)
    plain = claim_costs(api, worker_id)
    batched = claim_costs(api, worker_id, batch=batch.id)
    api.query("UPDATE pawl.batch SET cancelled_at = now(), sealed_at = now() WHERE id = %s"
              " RETURNING 1", [doomed.id])
    beside = claim_costs(api, worker_id, batch=batch.id)
    others = claim_costs(api, worker_id)
    text = (FUNCTIONS / "end_cancelled.sql").read_text(encoding="utf-8")
    assert LOOKUPS[0] in text
    db.execute(text.replace(*LOOKUPS))
    naive = claim_costs(api, worker_id, SIZES[2:], batch=batch.id)
    print(f"blocks of claims: {plain}; of a batch {batched}; beside one that is being cancelled"
          f" {beside}, of no batch {others}; by lookups {naive}")

    def more(found, a_job):
        """Of those sizes, which cost too much more than plain jobs; the tables grow."""
        return {n for n, cost in found.items()
                if cost - plain[n] > (a_job * n if n <= FEW else 30 + n // 10)}

    assert more(batched, 5) == more(others, 3) == more(beside, 12) == set()
    assert more(naive, 12) == set(SIZES[2:]), "turned green"


def test_a_worker_is_not_kept_from_others(db, api, tmp_path):
    """The bug: a claim that brings few jobs, for the rest has ended with it, is taken for
    one that has seen all, and what stands behind in the lane is passed over."""
    ledger = Ledger(tmp_path)
    without_upkeeps_fold(db)
    batch, left = half_cancelled(api, 1400)
    others = api.push_some(5, kind="k")
    with Worker(db, "-j", "2", "--once", handlers={"k": ledger.handler()}) as worker:
        assert worker.wait() == 0, worker.log()
    assert sorted(ledger.jobs()) == others
    assert batch.counters() == (1400, 0, 0, 1400) and len(left) == 400


def test_what_is_left_of_a_cancel_is_told_in_the_middle_of_a_walk(api):
    """The bug: a walk over the batches tells only at its end that there is more to do, of
    those of its last step alone."""
    batches = [Batch(api) for _ in range(3)]
    batches[1].push(2500)
    assert batches[1].cancel() == "more"
    steps = [fold_some(api, after=after, n=1) for after in [0, *(made.id for made in batches)]]
    first, second, third = (made.id for made in batches)
    assert steps == [(first, False), (second, True), (third, False), (0, False)]
    assert fold_some(api) == (0, False) and batches[1].state() == "cancelled"


def test_what_stays_locked_is_looked_at_alone(db, api, worker_id):
    """One job is fenced for long: the walk over the others ends, nothing is written while
    nothing changes, and the batch is done when the fence is gone."""
    def locked():
        batch = Batch(api)
        jobs = batch.push(4000)
        (row,) = api.claim(worker_id, 1)
        assert row.job == jobs[0]
        connection = db.connect(autocommit=False)
        connection.execute("SELECT pawl.fence(%s, %s)", [row.job, row.fence])
        answers = [batch.cancel()] + [batch.fold() for _ in range(12)]
        return batch, connection, answers

    db.execute(NAIVE_WALK)
    naive, connection, answers = locked()
    assert answers[-4:].count("more") >= 3, "turned green"
    connection.close()
    wait_until(lambda: naive.fold() == "cancelled", 20, "the naive one to end")
    restore(db, "cancel_chunk")

    batch, connection, answers = locked()
    version = "SELECT xmin::text FROM pawl.batch WHERE id = %s"
    before = api.one(version, [batch.id])
    assert answers == ["more"] * 4 + ["cancelling"] * 9
    cost = blocks(api, f"SELECT pawl.fold({batch.id})")
    print(f"{cost} blocks")
    assert cost < 500, "a walk over a thousand"
    assert batch.fold() == "cancelling" and fold_some(api) == (0, False)
    assert api.one(version, [batch.id]) == before
    assert batch.counters() == (4000, 0, 0, 3999) and batch.state() == "cancelling"
    connection.close()
    wait_until(lambda: batch.fold() == "cancelled", 20, "the end")
    assert batch.counters() == (4000, 0, 0, 4000)
    assert batch.completions() == ["ready"] and not wrong_counters(api)


def test_as_many_as_a_chunk_stay_locked(db, api, worker_id):
    """What is remembered is bounded: then the walk waits, and goes on when it can."""
    batch = Batch(api)
    batch.push(3500)
    rows = api.claim(worker_id, 2500)
    with db.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM pawl.running WHERE job_id = ANY (%s) FOR UPDATE",
                       [[row.job for row in rows]])
        batch.cancel()
        assert [batch.fold() for _ in range(3)] == ["cancelling"] * 3
        assert api.one("SELECT cardinality(busy) FROM pawl.batch") == 1000
    while batch.fold() == "more":
        pass
    assert batch.state() == "cancelled" and batch.counters() == (3500, 0, 0, 3500)
