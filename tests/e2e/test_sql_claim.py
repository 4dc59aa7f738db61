"""claim: order, filters, pause, suspects, positions, and whose lease it needs."""

import datetime

import pytest
from harness.api import Api, sqlstate


@pytest.fixture
def wid(api):
    return api.worker_start(name="w")


def claimed(rows):
    return [row.job for row in rows]


def test_claim_answers_what_a_handler_needs(api, wid):
    """Every column, once: a handler sees nothing but what claim hands out."""
    job = api.push("k", args={"a": 1}, priority=3, timeout="1 min", meta=None)
    row = api.claim_one(wid)
    assert (row.job, row.kind, row.args, row.queue, row.attempt) == (job, "k", {"a": 1}, "default", 1)
    assert (row.meta, row.timeout_ms, row.lane, row.crashes) == (None, 60_000, 3, 0)
    running = api.job(job)
    assert (running.state, running.worker, running.fence) == ("running", wid, row.fence)
    assert running.attempt == 1 and running.started_at is not None
    assert row.deadline_at == running.deadline_at
    assert running.deadline_at - running.started_at == datetime.timedelta(minutes=1)
    assert api.places(job) == ["running"]


def test_claim_without_a_timeout(api, wid):
    """A timeout of 0 is none, explicitly; no timeout given is fifteen minutes."""
    api.push("k", timeout="0")
    api.push("k")
    first, second = api.claim(wid, 2)
    assert first.deadline_at is None and not first.timeout_ms
    assert second.timeout_ms == 15 * 60 * 1000


def test_claim_in_order_of_priority_then_position(api, wid):
    """Priority 0 first, 9 last; within a priority in the order of the pushes."""
    jobs = {p: [api.push(priority=p) for _ in range(2)] for p in (9, 5, 0, 5)}
    jobs_of_5 = [row.job_id for row in api.query(
        "SELECT job_id FROM pawl.ready WHERE priority = 5 ORDER BY pos")]
    want = jobs[0] + jobs_of_5 + jobs[9]
    assert claimed(api.claim(wid, 100)) == want
    assert len(want) == 8


def test_claim_one_at_a_time_in_the_same_order(api, wid):
    """n = 1 and n = 100 walk the same way."""
    want = [api.push(priority=p) for p in (0, 1, 1, 4, 9)]
    assert [api.claim_one(wid).job for _ in want] == want


def test_claim_walks_the_queues_in_the_order_given(api, wid):
    """The order of `queues` comes before priority, and other queues are not touched."""
    a = [api.push(queue="a", priority=9), api.push(queue="a", priority=9)]
    b = [api.push(queue="b", priority=0)]
    api.push(queue="c")
    assert claimed(api.claim(wid, 10, queues=["a", "b"])) == a + b
    assert api.claim(wid, 10, queues=["a", "b"]) == []
    assert api.claim(wid, 10) == []


@pytest.mark.parametrize("n", [2, 9])
def test_claim_walks_each_queue_once(api, wid, n):
    """The bug: of a queue that is named twice a claim takes its own locked rows again, and
    answers fewer than there are; and it finds nothing in an array that begins elsewhere."""
    a, b, c = (api.push(queue=queue) for queue in "abc")
    assert claimed(api.claim(wid, n, queues="{a,a,b}")) == [a, b]
    assert claimed(api.claim(wid, n, queues="[0:0]={c}")) == [c]


@pytest.mark.parametrize("n", [2, 9])
def test_positions_of_an_array_that_begins_elsewhere(api, wid, n):
    """The bug: what begins at 0 is read from 1 on, so a lane is read from where the one
    after it begins, and a queue from the lanes of another."""
    a, b = api.push(queue="a", priority=0), api.push(queue="b", priority=0)
    starts, stops = ",".join(["0", str(b)] + ["0"] * 18), ",".join([str(b), "0"] * 10)
    rows = api.claim(wid, n, queues="[3:4]={a,b}", starts=f"[0:19]={{{starts}}}",
                     stops=f"[2:21]={{{stops}}}")
    assert [(row.job, row.lane) for row in rows if row.job] == [(a, 0), (b, 10)]


def test_claim_takes_at_most_n(api, wid):
    """n is a limit over all queues and priorities together."""
    for queue in ("a", "b"):
        for priority in (1, 2):
            api.push_some(5, queue=queue, priority=priority)
    assert len(api.claim(wid, 7, queues=["a", "b"])) == 7
    assert len(api.claim(wid, 100, queues=["a", "b"])) == 13


def test_claim_a_queue_named_twice(api, wid):
    """A queue given twice hands out nothing twice."""
    jobs = api.push_some(4)
    assert sorted(claimed(api.claim(wid, 10, queues=["default", "default"]))) == jobs


def test_claim_only_kinds_with_a_handler(api, wid):
    """Jobs of other kinds in front delay nothing and are not touched."""
    api.push_some(1000, kind="unknown", priority=0)
    known = api.push("known", priority=9)
    before = api.query("SELECT job_id, pos, xmin::text FROM pawl.ready WHERE kind = 'unknown' ORDER BY 1")
    assert claimed(api.claim(wid, 10, kinds=["known", "other"])) == [known]
    assert api.query("SELECT job_id, pos, xmin::text FROM pawl.ready ORDER BY 1") == before
    assert api.claim(wid, 10, kinds=[]) == []


def test_claim_does_not_see_what_is_scheduled(api, wid):
    """A delayed job is not there until it is due and promoted."""
    job = api.push(run_at="infinity")
    assert api.claim(wid, 10) == []
    assert api.state(job) == "scheduled"


def test_claim_from_a_paused_queue(api, wid):
    """Pause stops claims, not pushes; resume gives back what was pushed meanwhile."""
    first = api.push(queue="a")
    api.value("queue_pause", queue="a")
    second = api.push(queue="a")
    other = api.push(queue="b")
    assert claimed(api.claim(wid, 10, queues=["a", "b"])) == [other]
    assert api.one("SELECT paused FROM pawl.queues WHERE name = 'a'") is True
    api.value("queue_pause", queue="a")
    api.value("queue_resume", queue="a")
    assert api.one("SELECT paused FROM pawl.queues WHERE name = 'a'") is False
    assert claimed(api.claim(wid, 10, queues=["a"])) == [first, second]


def test_resume_of_an_unknown_queue(api, wid):
    """Resuming what was never paused is no error and changes nothing."""
    job = api.push(queue="never")
    api.value("queue_resume", queue="never")
    assert claimed(api.claim(wid, 10, queues=["never"])) == [job]


def test_claim_fences_grow(api, wid):
    """Every claim has a fence of its own, larger than any before."""
    job = api.push()
    fences = []
    for _ in range(5):
        row = api.claim_one(wid)
        fences.append(row.fence)
        api.release(row.job, row.fence)
    assert fences == sorted(set(fences))
    assert api.claim_one(wid).attempt == 6
    assert api.job(job).attempt == 6


def test_claim_needs_a_lease(db, api, wid):
    """PW002 when the lease is over, also when it is over by a moment, and for nobody."""
    api.push()
    assert sqlstate(api.claim, "00000000-0000-0000-0000-000000000000") == "PW002"
    db.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
    assert sqlstate(api.claim, wid) == "PW002"
    assert api.one("SELECT count(*) FROM pawl.running") == 0


def test_claim_tests_the_lease_by_the_clock(db):
    """now() is the past in a long transaction: the lease must not be tested by it.

    Red on: `expires_at > now()`, which is still true in a transaction that began
    before the lease ended.
    """
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        mine.push()
        wid = mine.worker_start()
        connection.commit()
        assert mine.one("SELECT now() IS NOT NULL")
        db.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
        assert mine.one("SELECT expires_at > now() FROM pawl.worker")
        assert sqlstate(mine.claim, wid) == "PW002"


def test_claims_of_two_sessions_do_not_meet(db, api, wid):
    """What one claim has taken and not committed, another steps over without waiting."""
    jobs = api.push_some(10)
    with db.connect(autocommit=False) as connection:
        first = claimed(Api(connection).claim(wid, 6))
        second = claimed(api.claim(wid, 100))
        connection.rollback()
    assert sorted(first + second) == jobs
    assert sorted(claimed(api.claim(wid, 100))) == sorted(first)


@pytest.mark.parametrize("n", [0, -1, 10_001, None])
def test_claim_of_a_senseless_number(api, wid, n):
    """n has a range; whatever lies outside takes no job by surprise."""
    api.push()
    assert sqlstate(api.claim, wid, n) == "22023"
    assert api.one("SELECT count(*) FROM pawl.running") == 0


def suspect(db, api, wid, **push):
    """A job that has crashed a worker once."""
    job = api.push(**push)
    db.execute("UPDATE pawl.ready SET tries = (1, 0, 1), priority = priority + 10"
               " WHERE job_id = %s", [job])
    return job


def test_a_suspect_is_claimed_alone(db, api, wid):
    """A job that has crashed a worker is not mixed with others, which would be charged."""
    bad = suspect(db, api, wid)
    good = api.push_some(3)
    assert claimed(api.claim(wid, 10)) == good
    assert api.claim(wid, 10) == []
    row = api.claim_one(wid)
    assert (row.job, row.crashes) == (bad, 1)


def test_suspects_by_the_workers_wish(db, api, wid):
    """suspects => false takes none even alone; true takes one suspect and nothing else."""
    bad = [suspect(db, api, wid), suspect(db, api, wid)]
    good = api.push_some(2)
    assert claimed(api.claim(wid, 1, suspects=False)) == good[:1]
    assert api.value("suspects_waiting", queues=["default"]) is True
    assert api.value("suspects_waiting", queues=["other"]) is False
    assert api.value("suspects_waiting", queues=["default"], kinds=["other"]) is False
    assert claimed(api.claim(wid, 10, suspects=True)) == bad[:1]
    assert claimed(api.claim(wid, 10, suspects=True)) == bad[1:]
    assert api.claim(wid, 10, suspects=True) == []
    assert api.value("suspects_waiting", queues=["default"]) is False
    assert claimed(api.claim(wid, 10)) == good[1:]


@pytest.mark.parametrize("way", ["crash", "release", "snooze", "fail"])
def test_a_suspect_stays_one(db, api, wid, way):
    """Whichever way it comes back to ready, a job that has crashed a worker is not mixed
    with others, and shows the priority that it was pushed with.

    Red on: promote, which moves it to the lane of the others.
    """
    bad = suspect(db, api, wid, priority=3)
    row = api.claim_one(wid)
    assert (row.job, row.lane, row.crashes) == (bad, 3, 1)
    if way == "crash":
        db.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
        api.value("recover")
        wid = api.worker_start()
    elif way == "release":
        api.release(bad, row.fence)
    elif way == "snooze":
        api.snooze(bad, row.fence, "0 s")
    else:
        api.fail(bad, row.fence, retry_in="0 s")
    api.value("promote")
    others = api.push_some(2, priority=3)
    assert api.job(bad).priority == 3
    assert claimed(api.claim(wid, 10)) == others
    assert api.value("suspects_waiting", queues=["default"]) is True
    row = api.claim_one(wid)
    assert (row.job, row.lane, row.crashes) == (bad, 3, 1 + (way == "crash"))


def test_a_suspect_keeps_its_turn(db, api, wid):
    """To who claims one by one it comes before the others of its priority, and after those
    before: neither a backlog nor a crash moves it."""
    first, *last = [api.push(priority=p) for p in (2, 3, 4)]
    bad = suspect(db, api, wid, priority=3)
    assert [api.claim_one(wid).job for _ in range(4)] == [first, bad, *last]


def test_claim_from_positions(api, wid):
    """starts and stops: per queue and priority the positions to look at, above the one and
    up to the other; the last row tells the snapshot."""
    jobs = api.push_some(5) + api.push_some(5, queue="b", priority=7)
    rows = {r.job_id: r.pos for r in api.query("SELECT job_id, pos FROM pawl.ready")}
    starts, stops = [0] * 20, [2**63 - 1] * 20
    starts[5], stops[5] = rows[jobs[1]], rows[jobs[3]]
    starts[17] = rows[jobs[8]]
    *got, last = api.claim(wid, 100, queues=["default", "b"], starts=starts, stops=stops)
    assert claimed(got) == [jobs[2], jobs[3], jobs[9]]
    assert [row.pos for row in got] == [rows[row.job] for row in got]
    assert last.job is None and last.queue is None
    assert int(last.snapshot.split(":")[0]) > 0
    assert len(api.claim(wid, 100, queues=["default", "b"])) == 7


def test_claim_from_positions_tells_what_it_passed_over(api, wid):
    """A lane of a paused queue was not looked at: whoever takes that for an empty one
    loses its jobs."""
    (job, _) = api.push_some(1) + api.push_some(1, queue="b")
    api.value("queue_pause", queue="b")
    rows = api.claim(wid, 9, queues=["default", "b"], starts=[0] * 20)
    assert [(row.job, row.queue) for row in rows] == [(job, "default"), (None, "b"), (None, None)]
    assert [row.snapshot is None for row in rows] == [True, True, False]


def test_starts_that_are_too_short(api, wid):
    """A lane without a start is scanned from its beginning: nothing can be missed."""
    jobs = api.push_some(3) + api.push_some(3, queue="b")
    *got, _ = api.claim(wid, 10, queues=["default", "b"], starts=[0])
    assert sorted(claimed(got)) == jobs


def test_held(api, wid):
    """What running has under a worker, for a claim whose answer was lost."""
    api.push_some(3)
    other = api.worker_start()
    mine = api.claim(wid, 2)
    api.claim(other, 1)
    held = api.rows("held", worker=wid)
    assert sorted((r.job, r.fence) for r in held) == sorted((r.job, r.fence) for r in mine)


def test_null_queues_mean_the_default(api):
    """The bug: a client that passes NULL for what it does not set is given nothing."""
    job = api.push("k")
    worker = api.worker_start(name="w")
    assert [row.job for row in api.claim(worker, 1, queues=None)] == [job]
