"""Batches by SQL: what they count, when they are done, and what they refuse.

The bugs are those of a job made of many items whose progress is one JSON column: an
unsealed whole that completes early, one without items that never does, a threshold that
is judged while results still come, a job that is cancelled and handed out again.
"""

import psycopg
import pytest
from harness.api import sqlstate
from harness.batches import Batch, fold_some, wrong_counters
from harness.sessions import Sessions
from harness.wait import wait_until
from psycopg.types.json import Jsonb


@pytest.fixture
def worker_id(api):
    return api.worker_start()


def end(api, worker, **verbs):
    """Claim what is there in the default queue; complete it, but fail so many."""
    rows = api.claim(worker, 1000)
    for row in rows[: verbs.get("fail", 0)]:
        api.fail(row.job, row.fence, retry=False)
    for row in rows[verbs.get("fail", 0):]:
        api.complete(row.job, row.fence)
    return len(rows)


def test_the_stages_are_counted_apart(api, worker_id):
    """The bug: one number for all stages, which goes back when the next one begins."""
    batch = Batch(api, ["collect", "process", "results"])
    batch.push(3, stage="collect")
    batch.push(2, stage="results")
    batch.push(1)
    assert batch.stages() == {
        "collect": (4, 0, 0, 0), "process": (0, 0, 0, 0), "results": (2, 0, 0, 0)}
    rows = api.claim(worker_id, 6)
    assert {row.stage for row in rows} == {"collect", "results"}
    assert {row.batch for row in rows} == {batch.id}
    for row in rows:
        api.complete(row.job, row.fence, counts=Jsonb({"detections": 17}))
    assert batch.stages()["collect"] == (4, 4, 0, 0)
    assert batch.counts()["collect"] == {"detections": 68}
    before = batch.stages()
    batch.fold()  # where the numbers stand makes no difference
    assert batch.stages() == before and batch.counts()["results"] == {"detections": 34}
    assert api.one("SELECT count(*) FROM pawl.batch_delta") == 0


def test_redelivered_results_count_once(api, worker_id):
    """The bug: the counter is raised by the message, not by the change of state."""
    batch = Batch(api)
    batch.push(2)
    rows = api.claim(worker_id, 2)
    pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
    counts = [Jsonb({"seen": 1})] * 2
    for _ in range(3):
        api.rows("complete_many", **pairs, counts=counts)
        assert sqlstate(api.complete, rows[0].job, rows[0].fence) == "PW001"
    assert batch.counters() == (2, 2, 0, 0) and batch.counts() == {"main": {"seen": 2}}


def test_only_a_sealed_batch_is_done(api, worker_id):
    """The bug: it completes when the first items have ended, while others still come."""
    batch = Batch(api)
    batch.push(2)
    end(api, worker_id)
    assert batch.fold() == "open" and batch.completions() == ["scheduled"]
    batch.push(1)
    assert batch.seal() == "sealed"
    end(api, worker_id)
    assert batch.completions() == ["scheduled"]
    assert batch.fold() == "succeeded" and batch.completions() == ["ready"]
    assert api.claim_one(worker_id, queues=["reports"]).batch == batch.id


@pytest.mark.parametrize("on_complete", ["report", None])
def test_without_jobs_it_is_done_at_once(api, on_complete):
    """The bug: nothing ends, so nobody looks whether all has ended."""
    batch = Batch(api, on_complete=on_complete)
    assert batch.seal() == "succeeded"
    assert batch.seal() == "succeeded"  # again: nothing happens
    assert batch.completions() == (["ready"] if on_complete else [])


def test_after_sealing_only_a_running_job_pushes(api, worker_id):
    """And its children count before it ends, so the batch is not done too early."""
    batch, other = Batch(api, ["a", "b"]), Batch(api)
    batch.push(1)
    other.push(1)
    parent, stranger = api.claim(worker_id, 2)
    batch.seal()
    assert sqlstate(batch.push, 1) == "PW004"
    assert sqlstate(batch.child, stranger) == "22023"
    child = batch.child(parent, stage="b")
    many = [{"kind": "k", "batch": batch.id, "stage": "b", "parent_fence": parent.fence}] * 2
    assert len(api.rows("push_many", jobs=Jsonb(many))) == 2
    api.complete(parent.job, parent.fence)
    assert batch.fold() == "sealed" and batch.stages()["b"] == (3, 0, 0, 0)
    assert sqlstate(batch.child, parent) == "PW001"
    end(api, worker_id)
    assert batch.fold() == "succeeded" and api.state(child) == "succeeded"


def test_a_child_pushes_in_the_transaction_that_ends_its_parent(db, api, worker_id):
    """The children and the end of their parent become visible together."""
    batch = Batch(api)
    batch.push(1)
    parent = api.claim_one(worker_id)
    batch.seal()
    with db.connect(autocommit=False) as connection:
        inside = Batch.__new__(Batch)
        inside.api, inside.id = type(api)(connection), batch.id
        inside.child(parent)
        inside.api.complete(parent.job, parent.fence)
        assert batch.fold() == "sealed" and batch.counters() == (1, 0, 0, 0)
        connection.commit()
    assert batch.fold() == "sealed" and batch.counters() == (2, 1, 0, 0)


@pytest.mark.parametrize("threshold, failures, state", [
    (0, 0, "succeeded"), (0, 1, "failed"), ("0.3", 3, "succeeded"), ("0.3", 4, "failed"),
    (1, 10, "succeeded")])
def test_the_threshold_is_judged_at_the_end(api, worker_id, threshold, failures, state):
    """The bug: the first ten failures end it, although the other thousand succeed."""
    batch = Batch(api, threshold=threshold)
    batch.push(10)
    batch.seal()
    rows = api.claim(worker_id, 10)
    for row in rows[:failures]:
        api.fail(row.job, row.fence, retry=False)
        assert batch.fold() in ("sealed", state)
    for row in rows[failures:]:
        assert batch.state() == "sealed"
        api.complete(row.job, row.fence)
    batch.fold()
    assert batch.state() == state and batch.completions() == ["ready"]


def test_cancel_ends_all_and_runs_the_completion_job(api, worker_id):
    """The bug: what was cancelled is handed out again, and its late result counts."""
    batch = Batch(api)
    batch.push(2500)
    rows = api.claim(worker_id, 3)
    assert batch.cancel(reason="wrong folder") in ("more", "cancelling")
    assert batch.state() == "cancelling"
    assert sqlstate(batch.push, 1) == "PW004" and sqlstate(batch.child, rows[2]) in (
        "PW004", "PW001")
    while fold_some(api).more:
        pass
    assert batch.state() == "cancelled" and batch.counters() == (2500, 0, 0, 2500)
    assert api.claim(worker_id, 10) == [] and batch.completions() == ["ready"]
    assert sqlstate(api.complete, rows[0].job, rows[0].fence) == "PW001"
    assert api.job(rows[0].job).error == "wrong folder"
    assert batch.cancel() == "cancelled" and batch.counters() == (2500, 0, 0, 2500)


def test_cancel_and_completion_whichever_commits_first(api, worker_id):
    """In both orders one end, and one completion job that runs."""
    first, second = Batch(api), Batch(api)
    first.push(1)
    first.seal()
    end(api, worker_id)
    assert first.fold() == "succeeded" and first.cancel() == "succeeded"
    second.push(1)
    row = api.claim_one(worker_id)
    assert second.cancel() == "cancelled"
    assert sqlstate(api.complete, row.job, row.fence) == "PW001"
    assert first.completions() == second.completions() == ["ready"]


def test_a_rerun_is_the_next_epoch(api, worker_id):
    """The bug: the failures of the first round are still there, or its results come in."""
    batch = Batch(api, ["a", "b"])
    batch.push(4, stage="a")
    batch.push(2, stage="b")
    assert sqlstate(batch.rerun) == "PW004"
    batch.seal()
    old = api.claim(worker_id, 6)
    for row in old[3:]:
        api.complete(row.job, row.fence)
    for row in old[:3]:
        api.fail(row.job, row.fence, retry=False)
    assert batch.fold() == "failed"
    assert batch.rerun() == 2
    assert batch.stages() == {"a": (3, 0, 0, 0), "b": (0, 0, 0, 0)}
    assert sqlstate(api.complete, old[0].job, old[0].fence) == "PW001"
    assert sqlstate(api.retry, old[0].job) == "PW004"
    assert sqlstate(batch.push, 1) == "PW004" and sqlstate(batch.rerun) == "PW004"
    end(api, worker_id)
    assert batch.fold() == "succeeded" and batch.completions() == ["ready", "ready"]
    assert sqlstate(batch.rerun) == "PW004"  # nothing has failed
    assert batch.rerun(which="all") == 3 and batch.stages()["a"] == (3, 0, 0, 0)
    assert not wrong_counters(api)


def test_a_rerun_leaves_out_whose_key_is_live(api, worker_id):
    """And takes a new completion job with the key of the old one, once that has ended."""
    last = {"kind": "report", "unique_key": "r", "queue": "reports"}
    batch = Batch(api, on_complete=None)
    batch.id = api.value("batch_open", name="n", on_complete=Jsonb(last))
    assert sqlstate(api.value, "batch_open", name="n", on_complete=Jsonb(last)) == "PW003"
    for key in ("x", "y"):
        api.push(batch=batch.id, unique_key=key)
    batch.seal()
    end(api, worker_id, fail=2)
    assert batch.fold() == "failed"
    rival = api.push(unique_key="x")
    assert sqlstate(batch.rerun) == "PW003"  # the report has not run
    row = api.claim_one(worker_id, queues=["reports"])
    api.complete(row.job, row.fence)
    assert batch.rerun() == 2 and batch.counters() == (1, 0, 0, 0)
    assert {row.job for row in api.claim(worker_id, 9)} > {rival}


def test_a_rerun_of_which_nothing_is_left(api, worker_id):
    """The bug: all jobs are left out, an epoch without jobs has succeeded at once, and a
    batch that failed reads as succeeded; its completion job runs once more."""
    batch = Batch(api)
    for key in ("x", "y"):
        api.push(batch=batch.id, unique_key=key)
    batch.seal()
    end(api, worker_id, fail=2)
    assert batch.fold() == "failed"
    rivals = [api.push(unique_key=key) for key in ("x", "y")]
    keys = api.query("SELECT * FROM pawl.unique_key ORDER BY key")
    for which in ("failed", "all"):
        with pytest.raises(psycopg.Error, match="all 2 jobs have live jobs") as refused:
            batch.rerun(which=which)
        assert refused.value.sqlstate == "PW003"
        assert f" has job {rivals[0]}." in refused.value.diag.message_detail
    row = batch.row()
    assert (row.state, row.epoch, batch.completions()) == ("failed", 1, ["ready"])
    assert api.query("SELECT * FROM pawl.unique_key ORDER BY key") == keys
    api.cancel(rivals[1])
    assert batch.rerun() == 2 and batch.counters() == (1, 0, 0, 0)


def test_retry_into_a_batch_counts_back(api, worker_id):
    """Until it is done: then nothing of it lives again."""
    batch = Batch(api)
    batch.push(2)
    rows = api.claim(worker_id, 2)
    for row in rows:
        api.fail(row.job, row.fence, retry=False)
    assert batch.counters() == (2, 0, 2, 0)
    assert api.retry(rows[0].job) == "failed" and batch.counters() == (2, 0, 1, 0)
    batch.seal()
    assert batch.fold() == "sealed"
    (completion,) = api.query("SELECT completion AS job FROM pawl.batches")
    api.cancel(completion.job)
    assert sqlstate(api.retry, completion.job) == "PW004"  # it would run too early
    end(api, worker_id)
    assert batch.fold() == "failed" and batch.completions() == ["cancelled"]
    assert sqlstate(api.retry, rows[1].job) == "PW004"
    (answer,) = api.rows("retry_many", jobs=[rows[1].job])
    assert (answer.was, answer.done) == ("failed", False)
    assert api.retry(completion.job) == "cancelled" and batch.completions() == ["ready"]


def test_percent_rate_and_time_left(api, worker_id):
    """The bug: a percentage of what has been pushed so far, which goes back."""
    batch = Batch(api, ["a", "b"], expected=[4, None])
    batch.push(2, stage="a")
    batch.push(2, stage="b")
    seen = []
    for _ in range(4):
        rows = api.claim(worker_id, 1)
        api.complete(rows[0].job, rows[0].fence)
        a, b = api.rows("batch_progress", batch=batch.id)
        seen.append(a.percent)
        assert b.percent is None and a.rate >= 0
    assert seen == sorted(seen) and seen[-1] == 50
    batch.seal()
    a, b = api.rows("batch_progress", batch=batch.id)
    assert (a.percent, b.percent) == (100, 100) and batch.row().percent == 100
    assert a.eta.total_seconds() == 0 and a.rate > 0


def percents(batch):
    """Of the whole, then of each stage."""
    rows = [batch.row()] + batch.api.rows("batch_progress", batch=batch.id)
    return [None if row.percent is None else float(row.percent) for row in rows]


def test_percents_of_a_sealed_batch_never_go_back(api, worker_id):
    """The bug: what is expected is forgotten once it is sealed: a stage into which running
    jobs push reads 100, then less, again and again (3.2).  And no stage is without a
    percent when the batch is done."""
    batch = Batch(api, ["a", "b", "none"], expected=[2, 10, 0])
    batch.push(2, stage="a")
    batch.seal()
    seen = [percents(batch)]
    for parent in api.claim(worker_id, 2):
        for _ in range(5):
            batch.child(parent, stage="b")
            seen.append(percents(batch))
            assert end(api, worker_id) == 1
            seen.append(percents(batch))
        (stage,) = [row for row in api.rows("batch_progress", batch=batch.id) if row.stage == "b"]
        assert stage.eta.total_seconds() > 0 or stage.succeeded == 10
        api.complete(parent.job, parent.fence)
    for place in range(3):
        assert sorted(row[place] for row in seen) == [row[place] for row in seen]
    assert seen[0] == [0, 0, 0, None] and seen[2] == [8.3, 0, 10, None]
    assert batch.fold() == "succeeded" and percents(batch) == [100] * 4


def test_hundred_percent_is_all(api, worker_id):
    """The bug: 100.0 at 1,999 of 2,000."""
    batch = Batch(api)
    batch.push(2000)
    batch.seal()
    rows = api.claim(worker_id, 2000)
    pairs = {"jobs": [row.job for row in rows[1:]], "fences": [row.fence for row in rows[1:]]}
    api.rows("complete_many", **pairs)
    assert batch.counters() == (2000, 1999, 0, 0) and percents(batch) == [99.9, 99.9]
    api.complete(rows[0].job, rows[0].fence)
    assert batch.fold() == "succeeded" and percents(batch) == [100, 100]


def set_marks(batch, **named):
    """How many had ended, and how many seconds ago."""
    columns = ", ".join(f"{name} = %({name})s" if isinstance(value, list) else
                        f"{name} = clock_timestamp() - %({name})s * interval '1 s'"
                        for name, value in named.items())
    batch.api.query(f"UPDATE pawl.batch SET {columns} RETURNING 1", named)


def test_rate_and_time_left_in_numbers(api, worker_id):
    """The bugs: a rate that is of another time than the marks', or of all jobs; and no time
    left where ends are rare, because the rate is rounded to nothing before."""
    batch = Batch(api)
    batch.push(100)
    batch.seal()
    for row in api.claim(worker_id, 100)[:40]:
        api.complete(row.job, row.fence)
    set_marks(batch, marks_before=[10], marks_before_at=1000, marks=[20], marks_at=985)
    (stage,) = api.rows("batch_progress", batch=batch.id)
    assert float(stage.rate) == 0.03 and 2000 <= stage.eta.total_seconds() < 2200
    set_marks(batch, marks_before=[39], marks_before_at=3600, marks=[40], marks_at=3585)
    (stage,) = api.rows("batch_progress", batch=batch.id)
    assert stage.rate == 0 and 216_000 <= stage.eta.total_seconds() < 218_000


def test_the_rate_after_an_idle_hour(api, worker_id):
    """The bug: what ends in the first ten seconds is spread over the hour: a rate of next to
    nothing, and days left.  Where ends are rare the old mark still says how rare."""
    batch = Batch(api)
    batch.push(500)
    batch.seal()
    rows = api.claim(worker_id, 500)

    def progress(n=0):
        """Of what it was told when n more had ended."""
        for row in [rows.pop() for _ in range(n)]:
            api.complete(row.job, row.fence)
        (stage,) = api.rows("batch_progress", batch=batch.id)
        return float(stage.rate), stage.eta.total_seconds()

    progress(40)
    batch.fold()
    set_marks(batch, marks_before=[20], marks_before_at=3620, marks=[20], marks_at=3610)
    progress(1)
    batch.fold()
    assert progress()[0] == 0.006
    progress(100)
    wait_until(lambda: progress()[0] > 1, 20, progress)
    assert progress()[1] < 3600


def test_more_than_expected(api, worker_id):
    """The bug: four of four have ended, and with eight more a percentage of what has been
    pushed goes back from 100 to 33.3 (3.2).  It is unknown then, until the batch is sealed."""
    batch, free = Batch(api, expected=[4]), Batch(api, ["a", "b"], expected=[4, None])
    batch.push(4)
    free.push(4, stage="a")
    end(api, worker_id)

    assert percents(batch) == [100, 100] and percents(free) == [None, 100, None]
    batch.push(8)
    free.push(1, stage="b")
    assert batch.counters() == (12, 4, 0, 0)
    assert percents(batch) == [None, None] and percents(free) == [None, 100, None]
    (stage,) = api.rows("batch_progress", batch=batch.id)
    assert stage.eta is None
    assert batch.seal() == "sealed" and percents(batch) == [33.3, 33.3]
    end(api, worker_id)
    assert batch.fold() == "succeeded" and percents(batch) == [100, 100]


@pytest.mark.parametrize("name", ["", "n" * 256], ids=["empty", "long"])
def test_a_counter_without_a_name(api, worker_id, name):
    """The bug: SQL takes a name that C and programs are refused; the words are the same."""
    batch = Batch(api)
    batch.push(2)
    rows = api.claim(worker_id, 2)
    words = "a counter's name must have 1 to 255 bytes of UTF-8"
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=words):
        api.complete(rows[0].job, rows[0].fence, counts=Jsonb({"n": 1, name: 2}))
    api.complete(rows[0].job, rows[0].fence, counts=Jsonb({}))
    api.complete(rows[1].job, rows[1].fence, counts=Jsonb({"n" * 255: 1}))
    assert batch.counters() == (2, 2, 0, 0)


def test_expected_is_no_end(api, worker_id):
    """Fewer jobs than were expected: it is done when they have ended."""
    batch, huge = Batch(api, expected=[10]), Batch(api, expected=[10**12])
    batch.push(1)
    huge.push(1)
    end(api, worker_id)
    assert batch.row().percent == 10
    (stage,) = api.rows("batch_progress", batch=huge.id)
    assert stage.eta is None or 0 < stage.eta.days <= 36525
    assert batch.seal() == "succeeded" and batch.row().percent == 100


@pytest.mark.parametrize("named", [
    {"name": ""}, {"name": None}, {"stages": []}, {"stages": ["a", "a"]}, {"stages": [""]},
    {"stages": [None]}, {"threshold": "1.5"}, {"threshold": -1}, {"expected": [1, 2]},
    {"expected": [-1]}, {"on_complete": Jsonb([])}, {"on_complete": Jsonb({})},
    {"on_complete": Jsonb({"kind": "k", "run_at": "2030-01-01"})},
    {"on_complete": Jsonb({"kind": "k", "batch": 1})},
    {"stages": [str(i) for i in range(65)]},
    {"expected": [10**12 + 1]}, {"threshold": "NaN"}], ids=str)
def test_arguments_are_checked(api, named):
    """The bug: a batch that nobody can push into, or that nobody can end."""
    assert sqlstate(api.value, "batch_open", **{"name": "n", **named}) == "22023"
    assert api.one("SELECT count(*) FROM pawl.batch") == 0


def test_what_is_not_there(api, worker_id):
    """A batch, a stage, a parent that do not exist; counters that are no numbers."""
    batch = Batch(api)
    for function in ("batch_seal", "batch_cancel", "batch_rerun", "batch_progress", "fold"):
        assert sqlstate(api.value, function, batch=99) == "P0002"
    assert sqlstate(api.push, batch=99) == "P0002"
    assert sqlstate(api.push, batch=batch.id, stage="x") == "22023"
    assert sqlstate(api.push, stage="main") == "22023"
    assert sqlstate(api.push, batch=batch.id, parent_fence=99) == "PW001"
    assert sqlstate(api.push, batch=batch.id, parent=1) == "22023"
    assert sqlstate(batch.rerun, which="some") == "22023"
    batch.push(3)
    rows = api.claim(worker_id, 3)
    wrong = Jsonb({"n": "many"})
    assert sqlstate(api.complete, rows[0].job, rows[0].fence, counts=wrong) == "22023"
    pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
    api.rows("complete_many", **pairs, counts=[Jsonb({"n": 2}), wrong, None])
    assert [api.state(row.job) for row in rows] == ["succeeded", "scheduled", "succeeded"]
    assert batch.counts() == {"main": {"n": 2}}


def test_one_result_is_counted_whatever_its_arrays_look_like(api, worker_id):
    """The bug: the first element is taken for the only one; where an array begins
    elsewhere, the end of its job is counted nowhere, and the batch never ends."""
    batch = Batch(api)
    batch.push(3)
    dressed = ("[0:0]={%s}", "{{%s}}", "{%s}"), ("[0:0]={%s}", "{{%s}}", "[2:2]={%s}")
    for row, pairs, counts in zip(api.claim(worker_id, 3), *dressed):
        api.rows("complete_many", jobs=pairs % row.job, fences=pairs % row.fence,
                 counts=counts % '"{\\"n\\": 1}"')
    assert batch.seal() == "succeeded" and batch.counts() == {"main": {"n": 3}}


def test_stages_are_read_by_their_order(api):
    """The bug: what the row of a batch has of each stage is found by a number from 1 on."""
    batch = api.value("batch_open", name="n", stages="[0:1]={a,b}", expected="[5:6]={1,2}")
    api.push(batch=batch)
    api.push(batch=batch, stage="b")
    api.value("fold", batch=batch)
    rows = api.query("SELECT stage, total, expected FROM pawl.batch_stages ORDER BY 1")
    assert [tuple(row) for row in rows] == [("a", 1, 1), ("b", 1, 2)]


def test_a_count_that_no_sum_can_hold_is_refused(api, worker_id):
    """The bug: two of 9e131071, and each fold of the batch fails, and so of all that come
    after it.  What is bigint's largest is counted."""
    batch = Batch(api, on_complete=None)
    batch.push(4)
    rows = api.claim(worker_id, 4)
    pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
    counts = [f'{{"n": {n}}}' for n in ("9e131071", "9e131071", 2**63 - 1, "1e-31")]
    for row, wrong in zip(rows, counts):
        state = sqlstate(api.complete, row.job, row.fence, counts=wrong)
        assert state == (None if wrong == counts[2] else "22023")
    answers = api.rows("complete_many", **pairs, counts=counts)
    assert [row.answer for row in answers] == ["won", "won", "stale", "won"]
    assert [api.state(row.job) for row in rows].count("scheduled") == 3
    assert fold_some(api) == (0, False) and batch.counts() == {"main": {"n": 2**63 - 1}}


def named(names):
    return Jsonb(dict.fromkeys(map(str, names), 1))


def test_the_names_of_counters_are_bounded(api, worker_id):
    """The bug: handlers that count under the name of each file: a row of the batch that
    grows without a bound, and is written by each fold.  Red: what comes between two folds
    goes by unseen, and is then counted under one name."""
    batch = Batch(api, ["a", "b"])
    batch.push(8, stage="a")
    batch.push(1, stage="b")
    rows = api.claim(worker_id, 9)
    for i, row in enumerate(rows[:5]):
        api.complete(row.job, row.fence, counts=named(range(64 * i, 64 * i + 64)))
    batch.fold()
    counts = batch.counts()["a"]
    assert len(counts) == 257 and counts["(other)"] == 64 and sum(counts.values()) == 320
    known, new = named(["0", "1"]), named(["0", "new"])
    assert sqlstate(api.complete, rows[5].job, rows[5].fence, counts=new) == "22023"
    pairs = {"jobs": [r.job for r in rows[5:]], "fences": [r.fence for r in rows[5:]]}
    answers = api.rows("complete_many", **pairs, counts=[new, known, None, new])
    assert [answer.answer for answer in answers] == ["won"] * 4
    assert [api.state(row.job) for row in rows[5:]] == [
        "scheduled", "succeeded", "succeeded", "succeeded"]
    (attempt,) = api.query("SELECT error FROM pawl.attempts")
    assert attempt.error == (f'stage "a" of batch {batch.id} has 256 names of counters, '
                             "and takes no other")
    batch.fold()
    assert batch.counts()["a"]["0"] == 2 and batch.counts()["b"] == {"0": 1, "new": 1}


def test_a_keyed_push_that_answers_a_live_job_does_not_count(api):
    """The bug: a total that no number of ends ever reaches."""
    batch = Batch(api)
    ids = [api.push(batch=batch.id, unique_key="k") for _ in range(2)]
    keys = {"kind": "k", "args": [Jsonb({})] * 3, "unique_keys": ["k", "l", "l"]}
    api.rows("push_many", **keys, batch=batch.id)
    many = [{"kind": "k", "batch": batch.id, "unique_key": key} for key in "klmm"]
    api.rows("push_many", jobs=Jsonb(many))
    assert ids[0] == ids[1] and batch.counters() == (3, 0, 0, 0)
    assert not wrong_counters(api)


def test_items_that_are_lost_for_good_are_failed_and_the_rest_kept(api):
    """The bug: one lost worker, and the whole is called lost: 17 of 20 are done (3.9)."""
    batch = Batch(api, threshold="0.2")
    jobs = batch.push(20)
    batch.seal()
    steady = api.worker_start()
    for row in api.claim(steady, 17):
        api.complete(row.job, row.fence)
    for _ in range(3):
        lost = api.worker_start()
        while rows := api.claim(lost, 1):
            assert len(rows) == 1
        api.query("UPDATE pawl.worker SET expires_at = clock_timestamp() WHERE id = %s "
                  "RETURNING 1", [lost])
        assert api.value("recover") == 3
    assert batch.fold() == "succeeded" and batch.counters() == (20, 17, 3, 0)
    assert [api.state(job) for job in jobs].count("failed") == 3


def test_a_transaction_that_pushes_keeps_the_seal_waiting(db, api):
    """And the seal gives way: no lost job, no wait without a bound."""
    batch = Batch(api)
    with db.connect(autocommit=False) as connection:
        type(api)(connection).push(batch=batch.id)
        assert sqlstate(batch.seal) == "55P03" and batch.state() == "open"
        connection.commit()
    assert batch.seal() == "sealed" and batch.counters() == (1, 0, 0, 0)


@pytest.mark.parametrize("verb", ["seal", "cancel"])
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_push_that_looked_before_a_fold_meets_the_seal(db, api, worker_id, verb, level):
    """The bug: of a row that was folded since, a push locks the version that it saw, which
    is that of an open batch: a job in a batch that is done, and that never counts it."""
    batch = Batch(api)
    batch.push(1)
    end(api, worker_id)
    with Sessions(db) as sessions:
        pusher, sealer = sessions("pusher"), sessions("sealer")
        pusher.run(f"SET TRANSACTION ISOLATION LEVEL {level}").run("SELECT FROM pawl.batches")
        sealer.run(f"SELECT pawl.fold({batch.id})").run(f"SELECT pawl.batch_{verb}({batch.id})")
        pusher.wait(f"SELECT pawl.push('k', batch => {batch.id})")
        sealer.connection.commit()
        assert pusher.answer() == ("PW004" if level == "READ COMMITTED" else "40001")
    assert batch.counters() == (1, 1, 0, 0) and batch.completions() == ["ready"]


def test_an_outsider_that_locks_a_delta_loses_nothing(db, api, worker_id):
    """The bug: a fold that skips a row, and then never looks behind its mark again."""
    batch = Batch(api)
    batch.push(1)
    end(api, worker_id)
    batch.push(1)
    with db.connect(autocommit=False) as connection:
        connection.execute(
            "SELECT FROM pawl.batch_delta WHERE succeeded = 1 ORDER BY id LIMIT 1 FOR UPDATE")
        assert batch.fold() == "open" and batch.counters() == (2, 1, 0, 0)
    end(api, worker_id)
    assert batch.seal() == "succeeded" and batch.counters() == (2, 2, 0, 0)


def test_a_restored_batch_goes_on(api, worker_id):
    """The bug: a dump is restored to a server whose transactions have smaller numbers than
    the one up to which the batch was folded: what happens there never counts."""
    batch = Batch(api)
    batch.push(1)
    end(api, worker_id)
    batch.fold()
    api.connection.execute("UPDATE pawl.batch SET folded = '4000000000'")
    batch.push(1)
    end(api, worker_id)
    assert api.value("fold_waiting") and batch.counters() == (1, 1, 0, 0)
    assert fold_some(api) == (0, False) and batch.counters() == (2, 2, 0, 0)
    assert not api.value("fold_waiting") and batch.seal() == "succeeded"
