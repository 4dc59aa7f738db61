"""Workers' leases and the fleet's duties: heartbeat, stop, recover, promote, partitions."""

import datetime
import threading

import pytest
from harness.api import Api, sqlstate
from harness.wait import wait_until


@pytest.fixture
def wid(api):
    return api.worker_start(name="w")


def expire(api, wid):
    """The lease of this worker is over."""
    api.query(
        "UPDATE pawl.worker SET expires_at = clock_timestamp() - interval '1 s' "
        "WHERE id = %s RETURNING 1",
        [wid],
    )


def due(api):
    api.query("UPDATE pawl.scheduled SET due = clock_timestamp() RETURNING 1")


def test_worker_start(api):
    """A new uuid at each start, a lease of the length asked for, all of it to be seen."""
    one = api.worker_start(name="w", lease="5 s", queues=["a"], kinds=["k", "l"])
    two = api.worker_start(name="w")
    assert one != two
    first, second = api.query("SELECT * FROM pawl.workers ORDER BY started_at")
    assert (first.id, first.name, first.queues, first.kinds) == (one, "w", ["a"], ["k", "l"])
    assert (first.alive, first.lease) == (True, datetime.timedelta(seconds=5))
    assert first.expires_at - first.started_at == first.lease
    assert (second.queues, second.kinds) == (None, None)
    assert second.lease == datetime.timedelta(seconds=30)


@pytest.mark.parametrize("lease", ["0", "-1 s", "99 ms", "2 days", None])
def test_worker_start_refuses(api, lease):
    assert sqlstate(api.worker_start, lease=lease) == "22023"


def test_heartbeat_renews(api, wid):
    """From the moment of the beat, by the database's clock."""
    before = api.one("SELECT expires_at FROM pawl.workers")
    assert api.rows("heartbeat", worker=wid) == []
    assert api.one("SELECT expires_at FROM pawl.workers") > before


@pytest.mark.parametrize("jobs, fences", [(None, [1]), ([1], [1, 2]), ([1, 2], [1])])
def test_heartbeat_refuses_what_is_no_pairs(api, wid, jobs, fences):
    """A fence without its job would be told as ended while its claim stands."""
    assert sqlstate(api.rows, "heartbeat", worker=wid, jobs=jobs, fences=fences) == "22023"


def test_expiry_is_final(api, wid):
    """A beat that comes late renews nothing: PW002, however short it was late (2.6)."""
    api.query("UPDATE pawl.worker SET expires_at = clock_timestamp() RETURNING 1")
    before = api.query("SELECT * FROM pawl.worker")
    assert sqlstate(api.rows, "heartbeat", worker=wid) == "PW002"
    assert api.query("SELECT * FROM pawl.worker") == before
    unknown = "00000000-0000-0000-0000-000000000000"
    assert sqlstate(api.rows, "heartbeat", worker=unknown) == "PW002"


def test_heartbeat_tests_the_lease_by_the_clock(db):
    """In a transaction that began before the lease ended, now() is the past.

    Red on: `expires_at > now()`.
    """
    with db.connect(autocommit=False) as connection:
        mine = Api(connection)
        wid = mine.worker_start()
        connection.commit()
        mine.one("SELECT now()")
        db.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
        assert mine.one("SELECT expires_at > now() FROM pawl.worker")
        assert sqlstate(mine.rows, "heartbeat", worker=wid) == "PW002"


def test_a_short_lease_is_real(api):
    """100 ms after the last beat the lease is over, by itself."""
    wid = api.worker_start(lease="100 ms")
    wait_until(lambda: sqlstate(api.claim, wid) == "PW002", 30, "the lease to end")
    assert api.one("SELECT alive FROM pawl.workers") is False


def test_heartbeat_tells_what_has_ended(api, wid):
    """Cancelled and recovered claims, not those that the worker settled itself."""
    jobs = api.push_some(4)
    rows = api.claim(wid, 4)
    fences = {row.job: row.fence for row in rows}
    api.complete(jobs[0], fences[jobs[0]])
    api.cancel(jobs[1])
    pairs = {"jobs": jobs[1:], "fences": [fences[job] for job in jobs[1:]]}
    assert [row[0] for row in api.rows("heartbeat", worker=wid, **pairs)] == [fences[jobs[1]]]
    assert [row[0] for row in api.rows("heartbeat", worker=wid)] == [fences[jobs[1]]]


def test_heartbeat_despite_an_outsiders_lock(db, api, wid):
    """A lock on another table of Pawl's costs no lease."""
    with db.connect(autocommit=False) as outsider:
        outsider.execute("LOCK TABLE pawl.running, pawl.attempt, pawl.job, pawl.ready")
        before = api.one("SELECT expires_at FROM pawl.workers")
        api.rows("heartbeat", worker=wid, jobs=[1], fences=[1])
        api.rows("heartbeat", worker=wid)
        assert api.one("SELECT expires_at FROM pawl.workers") > before


def test_worker_stop_gives_back(api, wid):
    """What it still holds is ready at once, not after the lease; nothing is counted."""
    jobs = api.push_some(3)
    rows = api.claim(wid, 3)
    api.complete(rows[0].job, rows[0].fence)
    other = api.worker_start()
    (theirs,) = [api.push()]
    api.claim(other, 1)
    assert api.value("worker_stop", worker=wid) == 2
    assert [api.state(job) for job in jobs] == ["succeeded", "ready", "ready"]
    assert api.state(theirs) == "running"
    assert api.job(jobs[1]).crashes == 0 and api.attempts(jobs[1]) == []
    assert sqlstate(api.claim, wid) == "PW002"
    assert api.value("worker_stop", worker=wid) == 0


def test_recover(api, wid):
    """A lost worker's jobs are ready with one crash more; a living one's are left alone."""
    other = api.worker_start()
    jobs = api.push_some(2)
    rows = api.claim(wid, 2)
    kept = api.push()
    api.claim(other, 1)
    expire(api, wid)
    assert api.value("recover") == 2
    for row in rows:
        now = api.job(row.job)
        assert (now.state, now.crashes, now.failures, now.attempt) == ("ready", 1, 0, 1)
        assert api.attempts(row.job) == ["crash"]
        assert sqlstate(api.complete, row.job, row.fence) == "PW001"
    assert api.state(kept) == "running"
    assert [row.id for row in api.query("SELECT id FROM pawl.workers")] == [other]
    assert api.value("recover") == 0 and len(jobs) == 2


def test_recover_finds_orphans(api, wid):
    """It keys on the running row: one without a worker is found in every round."""
    job = api.push()
    api.claim_one(wid)
    api.query("DELETE FROM pawl.worker RETURNING 1")
    assert api.value("recover") == 1
    assert api.state(job) == "ready"


def test_recover_skips_what_is_fenced(db, api, wid):
    """A fenced row is left alone, does not stop the round, and is looked at again."""
    fenced, other = api.push_some(2)
    fences = {row.job: row.fence for row in api.claim(wid, 2)}
    with db.connect(autocommit=False) as connection:
        Api(connection).fence(fenced, fences[fenced])
        expire(api, wid)
        assert api.value("recover") == 1
        assert [api.state(fenced), api.state(other)] == ["running", "ready"]
        connection.rollback()
    assert api.value("recover") == 1
    assert api.state(fenced) == "ready"


def test_recover_is_not_filled_up_by_what_is_fenced(db, api, wid):
    """Fenced claims in front must not fill the limit of a round.

    Red on: choosing n orphans first and skipping the locked ones afterwards.
    """
    fenced, other = api.push_some(2)
    fences = {row.job: row.fence for row in api.claim(wid, 2)}
    with db.connect(autocommit=False) as connection:
        Api(connection).fence(fenced, fences[fenced])
        expire(api, wid)
        assert api.value("recover", n=1) == 1
        assert api.state(other) == "ready"


def test_recover_in_bounded_chunks(api, wid):
    """n bounds a round; the rounds together find all."""
    api.push_some(25)
    api.claim(wid, 25)
    expire(api, wid)
    counts = [api.value("recover", n=10) for _ in range(4)]
    assert counts == [10, 10, 5, 0]
    assert api.one("SELECT count(*) FROM pawl.ready") == 25


def test_crashes_to_the_limit(api):
    """Three crashes end a job as failed; failures are counted apart."""
    job = api.push()
    for crash in (1, 2, 3):
        wid = api.worker_start()
        assert api.claim_one(wid).crashes == crash - 1
        expire(api, wid)
        assert api.value("recover") == 1
        assert api.state(job) == ("ready" if crash < 3 else "failed")
    done = api.job(job)
    assert done.attempt == 3 and "3" in done.error
    assert api.attempts(job) == ["crash"] * 3
    api.retry(job)
    assert api.job(job).crashes == 0


def test_failures_and_crashes_are_counted_apart(api):
    """A crash uses up no try of max_attempts, a failure no crash."""
    job = api.push(max_attempts=2)
    wid = api.worker_start()
    api.claim_one(wid)
    expire(api, wid)
    api.value("recover")
    wid = api.worker_start()
    assert api.fail(job, api.claim_one(wid).fence) == "scheduled"
    now = api.job(job)
    assert (now.failures, now.crashes, now.attempt) == (1, 1, 2)
    due(api)
    api.value("promote")
    assert api.fail(job, api.claim_one(wid).fence) == "failed"


def test_recover_of_a_group_charges_each_job(api, wid):
    """All jobs of a lost worker are charged, so each runs alone the next time."""
    api.push_some(3)
    api.claim(wid, 3)
    expire(api, wid)
    api.value("recover")
    other = api.worker_start()
    assert api.claim(other, 10) == []
    assert len(api.claim(other, 1)) == 1


def test_promote(api, wid):
    """What is due becomes ready, with its counts; what is not stays."""
    job, later = api.push(run_at="infinity"), api.push(run_at="infinity")
    failing = api.push(priority=2, queue="q")
    api.fail(failing, api.claim_one(wid, queues=["q"]).fence)
    api.query(
        "UPDATE pawl.scheduled SET due = clock_timestamp() WHERE job_id <> %s RETURNING 1",
        [later],
    )
    assert api.value("promote") == 2
    assert [api.state(j) for j in (job, later, failing)] == ["ready", "scheduled", "ready"]
    now = api.job(failing)
    assert (now.failures, now.attempt) == (1, 1)
    assert [row.job for row in api.claim(wid, 9, queues=["q"])] == [failing]
    assert api.value("promote") == 0


def test_promote_in_bounded_chunks(api):
    """n bounds a round; the oldest due come first."""
    jobs = api.push_some(25, run_at="infinity")
    api.query(
        "UPDATE pawl.scheduled SET due = clock_timestamp() - job_id * interval '1 s' RETURNING 1"
    )
    assert api.value("promote", n=10) == 10
    ready = api.query("SELECT job_id FROM pawl.ready ORDER BY 1")
    assert [row.job_id for row in ready] == jobs[-10:]
    assert [api.value("promote", n=10) for _ in range(3)] == [10, 5, 0]


DUTIES = ["partitions", "promote", "recover", "retain", "watch"]


def look(api, worker, duties=DUTIES, lease="1 hour", **named):
    (row,) = api.rows("upkeep_look", worker=worker, duties=duties, lease=lease, **named)
    return row


def holders(api):
    rows = api.query("SELECT duty, worker FROM pawl.upkeep WHERE expires_at > clock_timestamp()")
    return {row.duty: row.worker for row in rows}


def test_duties_are_held_by_one(api, wid):
    """The first takes the duties, the second does not; after the lease anyone may."""
    other = api.worker_start()
    assert look(api, wid).todo == ["partitions", "retain"]
    assert look(api, other).todo == []
    assert look(api, wid).todo == ["partitions", "retain"]
    assert holders(api) == dict.fromkeys(DUTIES, wid)
    api.query("UPDATE pawl.upkeep SET expires_at = clock_timestamp() RETURNING 1")
    assert look(api, other, ["promote", "retain"]).todo == ["retain"]
    assert look(api, wid, ["promote", "recover"]).looked_at is None
    assert holders(api) == {"promote": other, "retain": other, "recover": wid}


def test_a_look_renews_what_is_half_over(api, wid):
    """The bug: each tick of each worker writes the duties anew, and an idle fleet writes
    for ever."""
    look(api, wid)
    rows = "SELECT duty, xmin FROM pawl.upkeep ORDER BY duty"
    before = api.query(rows)
    look(api, wid)
    assert api.query(rows) == before
    api.query("UPDATE pawl.upkeep SET expires_at = clock_timestamp() + interval '29 min'"
              " WHERE duty = 'watch' RETURNING 1")
    look(api, wid)
    left = api.query("SELECT duty FROM pawl.upkeep WHERE expires_at > clock_timestamp()"
                     " + interval '59 min'")
    assert len(left) == len(DUTIES)


def test_a_look_tells_what_is_due(api, wid):
    """To the duty's holder alone; a time beyond the lease is not looked for."""
    other = api.worker_start()
    job, later, _ = (api.push(run_at="infinity") for _ in range(3))
    assert look(api, wid, ["promote"]).next_due is None
    set_due = ("UPDATE pawl.scheduled SET due = clock_timestamp() + %s::interval"
               " WHERE job_id = %s RETURNING due")
    soon, hour = (api.one(set_due, [delay, j]) for delay, j in (("0", job), ("59 min", later)))
    seen = look(api, wid, ["promote"])
    assert (seen.todo, seen.due, seen.next_due) == (["promote"], soon, hour)
    assert look(api, other, ["promote"])[2:5] == (None, None, None)
    assert api.value("promote", since=seen.due) == 1
    seen = look(api, wid, ["promote"])
    assert (seen.todo, seen.due, seen.next_due) == ([], None, hour)
    assert look(api, wid, ["promote"], lease="58 min").next_due is None


def test_a_look_tells_who_is_lost(db, api, wid):
    """A lease that is over; an orphan, which was fenced when its worker was lost, when
    everything is looked at; and that there is a suspect, to those who can run it."""
    other = api.worker_start(kinds=["other"], queues=["default"])
    lost = api.worker_start()
    job = api.push()
    fence = api.claim_one(lost).fence
    assert look(api, wid, ["recover"]).todo == []
    expire(api, lost)
    assert look(api, wid, ["recover"], since="now").todo == ["recover"]
    with db.connect(autocommit=False) as connection:
        Api(connection).fence(job, fence)
        assert api.value("recover") == 0
        connection.rollback()
    assert look(api, wid, ["recover"], since="now").todo == []
    assert look(api, wid, ["recover"]).todo == ["recover"]
    assert api.value("recover") == 1
    api.query("UPDATE pawl.worker SET queues = '{default}' WHERE id = %s RETURNING 1", [wid])
    assert look(api, wid, []).suspects is True
    assert look(api, other, []).suspects is False


def test_a_look_tells_that_somebody_waits(db, api, wid):
    """Who has no right to see for whom can see that."""
    wait = "SELECT pg_advisory_xact_lock(1)"
    with db.connect(autocommit=False) as one, db.connect(autocommit=False) as two:
        one.execute(wait)
        waiting = threading.Thread(target=two.execute, args=[wait])
        waiting.start()
        wait_until(lambda: look(api, wid, ["watch"]).todo == ["watch"], 30, "a wait")
        one.rollback()
        waiting.join()
    assert look(api, wid, ["watch"]).todo == []


@pytest.mark.parametrize("table, duty", [("running", "recover"), ("worker", "recover"),
                                         ("scheduled", "promote"), ("ready", None)])
def test_a_look_beside_a_locked_table(db, api, wid, table, duty):
    """The bug: somebody's lock on one table stops every duty of the fleet.  The duty whose
    table it is is told as one to do, where it says who holds the lock; the others go on."""
    api.push_some(1, run_at="infinity")
    due(api)
    with db.connect(autocommit=False) as outsider:
        outsider.execute(f"LOCK TABLE pawl.{table} IN ACCESS EXCLUSIVE MODE")
        todo = look(api, wid, ["promote", "recover"]).todo
    assert todo == sorted({"promote", duty} - {None})


@pytest.mark.parametrize("verb", ["promote", "recover"])
@pytest.mark.parametrize("n", [None, 0, -1, 10_001])
def test_chunks_are_bounded(api, verb, n):
    """NULL is no bound, and a round of none would be called again for ever."""
    assert sqlstate(api.value, verb, n=n) == "22023"


@pytest.mark.parametrize("ahead", [None, 0, -1, 101, 2**31 - 1])
def test_partitions_ahead_are_bounded(api, ahead):
    """A worker may not fill the catalogue: three tables for each that it asks for."""
    assert sqlstate(api.value, "extend_partitions", ahead=ahead) == "22023"


@pytest.mark.parametrize("lease", [None, "0", "-1 s", "2 days", "170000000 years"])
def test_duties_are_bounded(api, wid, lease):
    """A duty that is held for ever would be done by nobody once its holder is gone."""
    named = {"duties": ["recover"], "lease": lease}
    assert sqlstate(api.rows, "upkeep_look", worker=wid, **named) == "22023"
    named = {"duties": ["recover"], "lease": "1 s"}
    assert sqlstate(api.rows, "upkeep_look", worker=None, **named) == "22023"
    named = {"duties": None, "lease": "1 s"}
    assert sqlstate(api.rows, "upkeep_look", worker=wid, **named) == "22023"


def test_a_look_waits_for_nobody(db, api, wid):
    """A session that holds a duty's row open costs the others no time, and nobody has it
    until then."""
    other = api.worker_start()
    with db.connect(autocommit=False) as connection:
        look(Api(connection), wid, ["promote"])
        api.connection.execute("SET statement_timeout = '2 s'")
        assert look(api, other, ["promote", "retain"]).todo == ["retain"]


def test_a_look_for_an_unknown_duty(api, wid):
    """Nobody has a duty that does not exist."""
    assert look(api, wid, ["gardening"]).todo == []
