"""Groups in SQL: one owner, one job at a time, in the order of ids (ACCEPTANCE 2).

What the owner of a group does: find, take, dispatch, hold, renew, give back.  The bugs
stand at each test; where a naive variant is named, it runs here and fails as it should:
a look that locks, an owner by a lease that anybody renews, a head that moves to
scheduled, a takeover by the lease alone, leases locked in the order of the caller.
"""

import threading

import pytest
from harness.api import Api, json_array, sqlstate
from harness.contention import Holder
from harness.grouped import Runner, stops, waiting
from psycopg.types.json import Jsonb

TABLES = ("waiting", "running", "group_lease", "group_stop", "worker", "job", "queue")


def everything(api):
    """Each row with who wrote it and who locked it."""
    return {table: api.query(f"SELECT ctid, xmin::text, xmax::text, t.* FROM pawl.{table} t"
                             " ORDER BY ctid") for table in TABLES}


def over(api, group="g"):
    """The lease of the group is over; its worker's is not."""
    api.query("UPDATE pawl.group_lease SET expires_at = clock_timestamp() - interval '1 s'"
              " WHERE group_key = %s RETURNING 1", [group])


def found(api, worker, **named):
    rows = api.rows("group_candidates", worker=worker, **named)
    return [row.group_key for row in rows if row.ready]


def push_groups(api, keys, **named):
    rows = api.rows("push_many", kind="k", args=json_array([{}] * len(keys)),
                    group_keys=list(keys), **named)
    return [row.job for row in rows]


# -- looking (2.2) ---------------------------------------------------------------------

LOCKING_LOOK = """SELECT w.group_key FROM pawl.waiting w WHERE w.due <= now()
    ORDER BY w.job_id LIMIT 50 FOR UPDATE SKIP LOCKED"""


def test_looking_locks_nothing_and_writes_nothing(db, api):
    """The bug: a look that takes the locks which the work needs later, so that two who
    only look get in each other's way.  Red on: candidates FOR UPDATE SKIP LOCKED."""
    push_groups(api, ["free", "busy", "over", "stopped", "acme/x", "acme/y"])
    for group in ("busy", "over"):
        Runner(api, group).dispatch()
    over(api, "over")
    ended = Runner(api, "stopped").dispatch()
    api.fail(ended.job, ended.fence, retry=False)
    over(api, "stopped")
    worker = api.worker_start(lease="1 hour")
    before = everything(api)
    with db.connect(autocommit=False) as connection:
        connection.execute("SET TRANSACTION READ ONLY")
        looking = Api(connection)
        assert found(looking, worker) == ["over", "stopped", "free", "acme/x", "acme/y"]
        locked = api.query("SELECT mode FROM pg_locks WHERE pid = %s AND relation IN (SELECT oid"
                           " FROM pg_class WHERE relnamespace = 'pawl'::regnamespace)",
                           [connection.info.backend_pid])
        assert {row.mode for row in locked} == {"AccessShareLock"}
        assert looking.one("SELECT pg_current_xact_id_if_assigned()") is None
        assert sqlstate(looking.query, LOCKING_LOOK) == "25006"
    assert everything(api) == before
    with api.connection.transaction():
        api.query(LOCKING_LOOK)
    assert everything(api) != before, "the naive look has left no trace"


# -- one owner (2.3, 2.5, 2.6) -----------------------------------------------------------


def test_a_group_that_is_somebodys_is_left_alone(api):
    """The bug: who does not get the group unlocks it, or leaves a lock behind.  NULL, and
    not one row has changed or been locked."""
    push_groups(api, ["g", "g"])
    one, other = Runner(api), Runner(api)
    one.dispatch()
    before = everything(api)
    assert other.take() is None and everything(api) == before
    with api.connection.transaction():
        other.take()
        locked = api.query("SELECT 1 FROM pg_locks WHERE pid = pg_backend_pid() AND mode IN "
                           "('RowExclusiveLock', 'ExclusiveLock') AND relation IS NOT NULL")
        assert not locked
    assert one.answer() == "busy"


NAIVE_RENEW = """UPDATE pawl.group_lease SET expires_at = clock_timestamp() + interval '1 hour'
    WHERE group_key = 'g' AND worker = %s RETURNING token"""


def test_expiry_is_final(api):
    """The bug: a worker that was stopped for longer than its lease goes on writing, since
    nobody has taken the group meanwhile.  Red on: a renewal without the expiry."""
    push_groups(api, ["g", "g"])
    runner = Runner(api)
    claim = runner.dispatch()
    over(api)
    owner = {"worker": runner.worker, "group_key": "g", "token": runner.token}
    assert sqlstate(api.rows, "group_dispatch", **owner) == "PW002"
    assert sqlstate(api.value, "group_hold", **owner) == "PW002"
    assert api.value("group_renew", worker=runner.worker, group_keys=["g"],
                     tokens=[runner.token]) == "g"
    assert not api.value("group_give_back", **owner), "what it names still runs"
    assert api.one("SELECT expires_at <= clock_timestamp() FROM pawl.group_lease")
    other = Runner(api)
    assert other.dispatch().job == claim.job
    with api.connection.transaction(force_rollback=True):
        assert api.query(NAIVE_RENEW, [runner.worker]) == [], "the worker is not the owner now"
    assert sqlstate(api.complete, claim.job, claim.fence) == "PW001"
    over(api)
    assert api.query(NAIVE_RENEW, [other.worker]), "red: the naive renewal revives the lease"
    assert other.answer() == "busy"


def test_the_workers_lease_is_the_groups_too(api):
    """The bug: a worker that has lost everything keeps its groups."""
    push_groups(api, ["g", "h"])
    runner = Runner(api)
    runner.dispatch()
    api.end_lease(runner.worker)
    owner = {"worker": runner.worker, "group_key": "g", "token": runner.token}
    for call in (lambda: api.rows("group_dispatch", **owner),
                 lambda: api.value("group_hold", **owner),
                 lambda: api.value("group_take", worker=runner.worker, group_key="h"),
                 lambda: api.rows("group_candidates", worker=runner.worker),
                 lambda: api.rows("group_renew", worker=runner.worker, group_keys=["g"],
                                  tokens=[runner.token])):
        assert sqlstate(call) == "PW002"
    other = Runner(api)
    assert found(api, other.worker) == ["g", "h"]
    assert other.dispatch().job


def test_only_the_owner_may(api):
    """The bug: a token that fits another worker, or another group."""
    push_groups(api, ["g", "h"])
    one, other = Runner(api), Runner(api, "h")
    one.take(), other.take()
    for worker, key, token in ((other.worker, "g", one.token), (one.worker, "h", one.token),
                               (one.worker, "g", other.token), (one.worker, "g", None)):
        owner = {"worker": worker, "group_key": key, "token": token}
        assert sqlstate(api.rows, "group_dispatch", **owner) == "PW002"
        assert sqlstate(api.value, "group_hold", **owner) == "PW002"
        assert not api.value("group_give_back", **owner)
        assert api.value("group_renew", worker=worker, group_keys=[key], tokens=[token]) == key
    assert one.dispatch() and other.dispatch()


def test_the_clock_is_the_databases(api):
    """The bug: a worker whose clock is wrong thinks it owns what it does not.  No function
    of groups is told a time, but by an operator's reading."""
    times = api.query(
        "SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'pawl'::regnamespace AND "
        "p.proname LIKE 'group_%' AND ('timestamptz'::regtype = ANY (p.proargtypes) OR "
        "'interval'::regtype = ANY (p.proargtypes))")
    assert times == []


def test_the_lease_is_renewed_at_each_step(api):
    """The bug: a lease that a timer alone renews.  Dispatch, hold and renew bring it to its
    full length (2.7)."""
    push_groups(api, ["g"])
    runner = Runner(api)
    owner = {"worker": runner.worker, "group_key": "g", "token": runner.take()}

    def half_over():
        api.query("UPDATE pawl.group_lease SET expires_at = clock_timestamp() + interval '10 s'"
                  " RETURNING 1")

    def full():
        return api.one("SELECT expires_at > clock_timestamp() + interval '50 min'"
                       " FROM pawl.group_lease")

    for step in (lambda: runner.dispatch(), lambda: runner.answer(),
                 lambda: api.value("group_hold", **owner),
                 lambda: api.rows("group_renew", worker=runner.worker, group_keys=["g"],
                                  tokens=[runner.token])):
        half_over()
        step()
        assert full()


# -- what a dispatch answers -----------------------------------------------------------------


def test_answers(api):
    """none, later, foreign for a kind, a queue and a paused queue; then the job."""
    runner = Runner(api, queues=["default", "q"], kinds=["k", "m"])
    assert runner.answer() == "none"
    job = api.push(group_key="g", run_at=api.one("SELECT now() + interval '1 hour'"))
    assert runner.answer() == "later"
    api.cancel(job)
    for foreign in ({"kind": "other"}, {"queue": "other"}):
        job = api.push(group_key="g", **foreign)
        assert runner.answer() == "foreign"
        api.cancel(job)
    job = api.push(group_key="g", queue="q", run_key=5, args={"a": 1},
                   meta=Jsonb({"m": 2}), timeout="0", batch=api.value("batch_open", name="b"))
    api.value("queue_pause", queue="q")
    assert runner.answer() == "foreign"
    api.value("queue_resume", queue="q")
    assert runner.answer(kinds=["m"]) == "foreign"
    claim = runner.dispatch()
    assert (claim.job, claim.kind, claim.queue, claim.attempt) == (job, "k", "q", 1)
    assert (claim.args, claim.meta, claim.run_key, claim.group_key) == ({"a": 1}, {"m": 2}, 5, "g")
    assert (claim.stage, claim.timeout_ms, claim.deadline_at, claim.crashes) == ("main", 0, None, 0)
    assert api.places(job) == ["running"] and runner.answer() == "busy"
    assert api.job(job).fence == claim.fence > runner.token


def test_in_the_order_of_ids(api):
    """Whatever the priorities, the dues that have come, and the queues of the worker."""
    jobs = [api.push(group_key="g", priority=p) for p in (9, 0, 5)]
    runner = Runner(api)
    done = []
    while (row := runner.ask()[0]).answer == "job":
        done.append(row.job)
        api.complete(row.job, row.fence)
    assert done == jobs and row.answer == "none"
    assert api.value("group_give_back", worker=runner.worker, group_key="g", token=runner.token)
    assert api.query("SELECT * FROM pawl.group_lease") == []


HOLDS = {
    "backs off": lambda api, c: api.fail(c.job, c.fence, retry_in="1 hour"),
    "is snoozed": lambda api, c: api.snooze(c.job, c.fence),
}


@pytest.mark.parametrize("how", HOLDS)
def test_a_head_that_waits_holds_its_group(api, how):
    """The bug: the successor of a job that is tried again runs before it (2.16)."""
    jobs = push_groups(api, ["g", "g"])
    runner = Runner(api)
    HOLDS[how](api, runner.dispatch())
    assert waiting(api) == jobs and runner.answer() == "later"
    assert "g" not in found(api, api.worker_start())
    api.query("UPDATE pawl.waiting SET due = clock_timestamp() RETURNING 1")
    assert runner.dispatch().job == jobs[0]


def drive(api, runner, n):
    """The next n jobs of a group, each to its end."""
    done = []
    for _ in range(n):
        claim = runner.dispatch()
        api.complete(claim.job, claim.fence)
        done.append(claim.job)
    return done


def floor(api):
    return api.one("SELECT floor FROM pawl.group_lease WHERE group_key = 'g'")


FORWARD = """SELECT min(w.job_id) FROM pawl.waiting w JOIN pawl.group_lease l USING (group_key)
    WHERE w.group_key = 'g' AND w.job_id >= l.jobs[1]"""


def test_a_job_that_was_pushed_before_others_and_shows_after_them_is_the_head(db, api):
    """The bug: the owner looks for the head behind what it has dispatched last, and runs a job
    before one that was pushed, and committed, first.  Red on: that look."""
    push_groups(api, ["g"] * 8)
    runner = Runner(api)
    drive(api, runner, 4)
    with db.connect(autocommit=False) as late:
        (early,) = push_groups(Api(late), ["g"])
        rest = push_groups(api, ["g"] * 8)
        drive(api, runner, 8)
        assert floor(api) < early, "the floor has passed a transaction in progress"
        late.commit()
    push_groups(api, ["g"])
    assert api.one(FORWARD) > early, "the naive look has seen it"
    assert drive(api, runner, 5) == [early, *rest[4:]]
    assert floor(api) > early, "the floor does not rise"


def test_a_job_that_is_retried_behind_others_is_the_head(api):
    """The bug: as before; an operator's retry brings back a job that the group has left
    behind.  It holds the group again, also when it fails again."""
    api.value("queue_set", queue="default", settings='{"on_group_failure": "skip"}')
    jobs = push_groups(api, ["g"] * 9)
    runner = Runner(api)
    claim = runner.dispatch()
    api.fail(claim.job, claim.fence, retry=False)
    drive(api, runner, 6)
    assert floor(api) > jobs[0]
    api.retry(jobs[0])
    assert api.one(FORWARD) == jobs[7], "the naive look has seen it"
    claim = runner.dispatch()
    assert claim.job == jobs[0]
    api.fail(claim.job, claim.fence, retry_in="1 hour")
    assert runner.answer() == "later"
    api.query("UPDATE pawl.waiting SET due = clock_timestamp() RETURNING 1")
    assert drive(api, runner, 3) == [jobs[0], *jobs[7:]]
    assert runner.answer() == "none"


def test_a_head_that_moves_to_scheduled_is_red(api):
    """Naive: a failed head waits in scheduled, as jobs without a group do."""
    jobs = push_groups(api, ["g", "g"])
    runner = Runner(api)
    claim = runner.dispatch()
    api.query("WITH gone AS (DELETE FROM pawl.running WHERE job_id = %s RETURNING *) "
              "INSERT INTO pawl.scheduled (job_id, due, tries, priority, queue, kind) "
              "SELECT job_id, now() + interval '1 hour', (1, 1, 0)::pawl.tries, 5, 'default', 'k' "
              "FROM gone RETURNING 1", [claim.job])
    assert runner.dispatch().job == jobs[1], "the naive variant has kept the order"


# -- takeover (2.4, 2.16) ------------------------------------------------------------------------

NAIVE_TAKE = """UPDATE pawl.group_lease SET worker = %s, token = nextval('pawl.fence'),
    jobs = NULL, fences = NULL, expires_at = clock_timestamp() + interval '1 hour'
    WHERE group_key = 'g' AND expires_at <= clock_timestamp() RETURNING token"""


def running(api, group="g"):
    return [row.job_id for row in api.query(
        "SELECT r.job_id FROM pawl.running r JOIN pawl.job j ON j.id = r.job_id "
        "WHERE j.group_key = %s ORDER BY 1", [group])]


def test_takeover_brings_back_what_the_lease_names(api):
    """A crash of the job; the same job is the head again, and the old claim is stale."""
    jobs = push_groups(api, ["g", "g"])
    one, other = Runner(api), Runner(api)
    claim = one.dispatch()
    over(api)
    again = other.dispatch()
    assert (again.job, again.attempt, again.crashes) == (jobs[0], 2, 1)
    assert running(api) == [jobs[0]] and api.attempts(jobs[0]) == ["crash"]
    assert sqlstate(api.complete, claim.job, claim.fence) == "PW001"
    assert sqlstate(api.value, "group_hold", worker=one.worker, group_key="g",
                    token=one.token) == "PW002"
    assert other.token > claim.fence > one.token


def test_takeover_waits_for_a_fence(db, api):
    """The bug: two of a group run, because the lease alone says who may.  While the old
    owner's claim is fenced there is no takeover, and it is not waited for."""
    jobs = push_groups(api, ["g", "g"])
    one, other = Runner(api), Runner(api)
    claim = one.dispatch()
    over(api)
    with Holder(db, "SELECT pawl.fence(%s, %s)", [claim.job, claim.fence]) as holder:
        before = everything(api)["waiting"], everything(api)["running"]
        assert other.take() is None
        assert (everything(api)["waiting"], everything(api)["running"]) == before
        holder.connection.execute("SELECT pawl.complete(%s, %s)", [claim.job, claim.fence])
        holder.commit()
    assert other.dispatch().job == jobs[1] and api.attempts(jobs[0]) == []


def test_takeover_by_the_lease_alone_is_red(db, api):
    """Naive: whoever sees a lease that is over takes it.  Two of the group run."""
    jobs = push_groups(api, ["g", "g"])
    one, other = Runner(api), Runner(api)
    claim = one.dispatch()
    over(api)
    other.token = api.one(NAIVE_TAKE, [other.worker])
    assert other.dispatch().job == jobs[1]
    assert running(api) == jobs, "the naive takeover has not let two run"
    api.complete(claim.job, claim.fence)


def test_the_third_crash_fails_the_job(api):
    """And by the policy of its queue the group stops."""
    push_groups(api, ["g", "g"])
    for _ in range(3):
        Runner(api).dispatch()
        over(api)
    runner = Runner(api)
    assert runner.answer() == "blocked" and stops(api)


@pytest.mark.parametrize("end", ["recover", "worker_stop"])
def test_a_worker_that_is_gone_leaves_its_groups(api, end):
    """The bug: a group whose only job stood in running has no row in waiting, and whose
    lease nobody looks at is stranded."""
    (job,) = push_groups(api, ["g"])
    one, other = Runner(api), Runner(api)
    one.dispatch()
    if end == "worker_stop":
        api.value("worker_stop", worker=one.worker)
    else:
        api.end_lease(one.worker)
        assert found(api, other.worker) == ["g"], "its lease is over, though not recovered"
        api.value("recover")
    assert found(api, other.worker) == ["g"] and other.dispatch().job == job


# -- several at once --------------------------------------------------------------------------------


def sizes(runner, n=3):
    return [row.job for row in runner.ask(kinds=["k", "m"], sizes=[n, 1]) if row.answer == "job"]


def test_several_consecutive_jobs(api):
    """As many as the handler takes, without a gap: of one kind, queue and run, due."""
    runner = Runner(api)
    jobs = push_groups(api, ["g"] * 4)
    rows = runner.ask(kinds=["k", "m"], sizes=[3, 1])
    assert [row.job for row in rows] == jobs[:3] and running(api) == jobs[:3]
    assert [row.fence for row in rows] == sorted({row.fence for row in rows})
    assert {row.attempt for row in rows} == {1} and runner.answer() == "busy"
    api.complete(rows[0].job, rows[0].fence)
    assert runner.answer() == "busy", "two of them still run"
    for row in rows[1:]:
        api.complete(row.job, row.fence)
    for gap in ({"kind": "m"}, {"queue": "other"}, {"run_key": 1},
                {"run_at": api.one("SELECT now() + interval '1 hour'")}):
        (last,) = waiting(api)
        stopper, after = api.push(**{"kind": "k", "group_key": "g"} | gap), api.push(group_key="g")
        row, *more = runner.ask(kinds=["k", "m"], sizes=[3, 1])
        assert row.job == last and not more, gap
        api.complete(row.job, row.fence)
        api.cancel(stopper)
        assert waiting(api) == [after]
    assert sqlstate(runner.ask, kinds=["k"], sizes=[1, 2]) == "22023"
    assert sqlstate(runner.ask, sizes=[1]) == "22023"


def test_arrays_of_groups_are_read_by_their_order(api):
    """The bug: a handler takes at once what another kind's does; a walk begins anew."""
    runner = Runner(api)
    jobs = push_groups(api, ["g", "g"])
    rows = runner.ask(kinds="[0:1]={m,k}", sizes="{1,2}")
    assert [row.job for row in rows] == jobs
    push_groups(api, ["t/a", "t/b"])
    walk = {"tenants": "[0:1]={o,t}", "afters": "[2:3]={z,t/a}", "n": 1}
    assert found(api, runner.worker, **walk) == ["t/b"]


def test_a_job_that_has_crashed_goes_alone(api):
    """So that no other is charged with its next crash."""
    jobs = push_groups(api, ["g"] * 3)
    assert sizes(Runner(api)) == jobs
    over(api)
    for job in jobs:
        runner = Runner(api)
        (row,) = runner.ask(kinds=["k"], sizes=[3])
        assert (row.job, row.crashes) == (job, 1)
        api.complete(row.job, row.fence)
        over(api)


# -- runs and policies (2.9) ----------------------------------------------------------------------------


def outcomes(api, jobs):
    rows = api.query("SELECT job_id, state::text, error FROM pawl.outcome WHERE job_id = ANY (%s)",
                     [list(jobs)])
    return {row.job_id: (row.state, row.error) for row in rows}


def test_a_newer_run_supersedes_what_waits_of_older_ones(api):
    """Due or not, in whatever order they were pushed; jobs of no run stay, and supersede
    nothing; what runs goes on."""
    first = api.push(group_key="g", run_key=1)
    runner = Runner(api)
    claim = runner.dispatch()
    late = api.one("SELECT now() + interval '1 hour'")
    old = [api.push(group_key="g", run_key=1, run_at=late), api.push(group_key="g", run_key=0)]
    free = api.push(group_key="g")
    newer = [api.push(group_key="g", run_key=2), api.push(group_key="g", run_key=2)]
    api.complete(first, claim.fence)
    assert runner.dispatch().job == free
    assert outcomes(api, old) == dict.fromkeys(old, ("cancelled", "superseded by run 2"))
    assert waiting(api) == newer
    api.push(group_key="g", run_key=3)
    behind = api.push(group_key="g", run_key=2)
    api.complete(free, api.job(free).fence)
    runner.dispatch()
    assert set(outcomes(api, [*newer, behind])) == {*newer, behind}


def test_a_superseded_head_is_found_though_it_is_not_due(api):
    """The bug: a group whose head is of an old run, and not due, waits for it."""
    late = api.one("SELECT now() + interval '1 hour'")
    api.push(group_key="g", run_key=1, run_at=late)
    worker = api.worker_start()
    assert found(api, worker) == []
    job = api.push(group_key="g", run_key=2)
    assert found(api, worker) == ["g"] and Runner(api).dispatch().job == job


def test_runs_are_ended_in_chunks(api):
    """A thousand a call, then the head of the new run; keys are freed, batches counted."""
    batch = api.value("batch_open", name="b")
    api.rows("push_many", kind="k", args=json_array([{}] * 2000), group_keys=["g"] * 2000,
             run_keys=[1] * 2000, unique_keys=[f"u{n}" for n in range(2000)], batch=batch)
    newest = api.push(group_key="g", run_key=2)
    runner = Runner(api)
    assert [runner.answer(), runner.answer()] == ["again", "again"]
    assert runner.dispatch().job == newest
    assert api.one("SELECT count(*) FROM pawl.unique_key") == 0
    assert api.one("SELECT (total, cancelled) = (2000, 2000) FROM pawl.batches")


def fail_head(api, runner):
    claim = runner.dispatch()
    api.fail(claim.job, claim.fence, retry=False)
    return claim.job


def test_policy_block(api):
    """The group waits, other groups go on; the operator's retry makes the job the head
    again, a release leaves it behind.  A permanent error uses up no retries."""
    jobs = push_groups(api, ["g", "g", "g", "h"])
    runner = Runner(api)
    assert fail_head(api, runner) == jobs[0] and api.job(jobs[0]).attempt == 1
    assert runner.answer() == "blocked" and found(api, runner.worker) == ["h"]
    api.retry(jobs[0])
    assert stops(api) == {} and fail_head(api, runner) == jobs[0]
    assert api.value("group_release", group_key="g") == "unblocked"
    assert fail_head(api, runner) == jobs[1] and runner.answer() == "blocked"
    assert Runner(api, "h").dispatch().job == jobs[3]


def test_policy_block_ends_with_a_newer_run(api):
    """An operator need not look after a run that was superseded."""
    api.push(group_key="g", run_key=1)
    rest = api.push(group_key="g", run_key=1)
    runner = Runner(api)
    fail_head(api, runner)
    assert runner.answer() == "blocked"
    api.value("group_give_back", worker=runner.worker, group_key="g", token=runner.token)
    newer = api.push(group_key="g", run_key=2)
    assert found(api, runner.worker) == ["g"] and Runner(api).dispatch().job == newer
    assert outcomes(api, [rest])[rest][0] == "cancelled" and stops(api) == {}


def test_policy_fail_ends_the_rest_of_the_run(api):
    """And nothing else: jobs of no run go on, in chunks of a thousand."""
    api.value("queue_set", queue="default", settings='{"on_group_failure": "fail"}')
    head = api.push(group_key="g", run_key=1)
    rest = push_groups(api, ["g"] * 1500, run_keys=[1] * 1500)
    free = api.push(group_key="g")
    runner = Runner(api)
    fail_head(api, runner)
    assert runner.answer() == "again" and runner.dispatch().job == free
    assert outcomes(api, rest) == dict.fromkeys(rest, ("failed", f"job {head} of its run failed"))
    assert stops(api) == {}


def test_policy_fail_without_a_run(api):
    """The jobs without a run are one; a job that is pushed later starts anew."""
    api.value("queue_set", queue="default", settings='{"on_group_failure": "fail"}')
    jobs = push_groups(api, ["g", "g", "g"])
    runner = Runner(api)
    assert fail_head(api, runner) == jobs[0]
    api.value("group_give_back", worker=runner.worker, group_key="g", token=runner.token)
    assert found(api, runner.worker) == ["g"], "there is something to end"
    runner = Runner(api)
    assert runner.answer() == "none" and set(outcomes(api, jobs)) == set(jobs)
    later = api.push(group_key="g")
    assert runner.dispatch().job == later


def test_policy_skip(api):
    """The next job, as if nothing had been."""
    api.value("queue_set", queue="default", settings='{"on_group_failure": "skip"}')
    jobs = push_groups(api, ["g", "g"])
    runner = Runner(api)
    assert fail_head(api, runner) == jobs[0] and stops(api) == {}
    assert runner.dispatch().job == jobs[1]


def test_what_is_locked_is_not_passed_over(db, api):
    """The bug: a run that is ended while a job of it is being cancelled goes on with the
    next, or waits.  Busy; and ended when the other has given up."""
    old = push_groups(api, ["g", "g"], run_keys=[1, 1])
    newer = api.push(group_key="g", run_key=2)
    runner = Runner(api)
    with Holder(db, "SELECT pawl.cancel(%s)", [old[1]]) as holder:
        assert runner.answer() == "busy"
        holder.rollback()
    assert runner.dispatch().job == newer and set(outcomes(api, old)) == set(old)


# -- locks in key order (2.14) -----------------------------------------------------------------------------

NAIVE_MANY = """UPDATE pawl.group_lease l SET expires_at = clock_timestamp() + interval '1 hour'
    WHERE l.group_key = %s AND l.shard = 0"""


class Renewer(threading.Thread):
    """Renews all leases again and again: its keys forwards, or backwards."""

    def __init__(self, db, call, rounds, over):
        super().__init__(daemon=True)
        self.db, self.call, self.rounds, self.over = db, call, rounds, over
        self.error = None

    def run(self):
        try:
            with self.db.connect() as connection:
                for _ in range(self.rounds):
                    if not self.over.is_set():
                        self.call(connection)
        except Exception as error:
            self.error = getattr(error, "sqlstate", None) or repr(error)
            self.over.set()


def race(db, calls, rounds):
    over = threading.Event()
    threads = [Renewer(db, call, rounds, over) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return [thread.error for thread in threads]


def test_leases_are_locked_in_the_order_of_keys(db, api):
    """Two sessions of one worker, overlapping groups in opposite orders, with takers and
    operators beside them: no 40P01.  Red on: one update after the other, as they come."""
    keys = [f"g{n:02}" for n in range(20)]
    push_groups(api, keys)
    worker = api.worker_start(lease="1 hour")
    tokens = [api.value("group_take", worker=worker, group_key=key) for key in keys]

    def renew(order):
        def call(connection):
            Api(connection).rows("group_renew", worker=worker, group_keys=keys[::order],
                                 tokens=tokens[::order])
        return call

    def release(connection):
        for key in keys[::-1][:5]:
            connection.execute("SELECT pawl.group_release(%s)", [key])
            connection.execute("UPDATE pawl.group_lease SET expires_at = 'infinity' "
                               "WHERE group_key = %s", [key])

    def naive(order):
        def call(connection):
            with connection.transaction():
                for key in keys[::order]:
                    connection.execute(NAIVE_MANY, [key])
        return call

    before = db.deadlocks()
    assert race(db, [renew(1), renew(-1), renew(1), renew(-1), release], 30) == [None] * 5
    assert db.deadlocks() == before
    assert "40P01" in race(db, [naive(1), naive(-1)], 500)
