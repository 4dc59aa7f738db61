"""What a worker does with jobs: which it takes, how many, when again.

Each test opens with what goes wrong without it.
"""

import signal

import pytest
from harness import invariants, processes
from harness.fleet import Fleet
from harness.ledger import Ledger
from harness.program import Worker, run_pawl
from harness.wait import wait_until

FAST = ("--poll", "100ms", "--lease", "2s")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def wait_state(api, job, state, worker, deadline=20):
    return wait_until(lambda: api.state(job) == state, deadline,
                      lambda: f"job {job} to be {state}, not {api.state(job)}\n{worker.log()}")


# ---------------------------------------------------------------- kinds -----------


CLAIMED = """
    CREATE TABLE public.claimed (job bigint);
    GRANT ALL ON public.claimed TO PUBLIC;
    CREATE FUNCTION public.note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.claimed VALUES (new.job_id);
        RETURN NULL; END $$;
    CREATE TRIGGER note_claim AFTER INSERT ON pawl.running
        FOR EACH ROW EXECUTE FUNCTION public.note_claim()"""


def test_unknown_kinds_in_front_delay_nothing(db, api, ledger):
    """The bug: a claim that takes what it cannot run, or counts it against its limit,
    starves behind the jobs of somebody else's kinds.  100,000 of them in front: no claim
    of theirs, no attempt, and `job show` says that no worker handles them."""
    api.query("SELECT count(*) FROM pawl.push_many('unknown', array_fill('{}'::jsonb, '{50000}'))")
    api.query("SELECT count(*) FROM pawl.push_many('unknown', array_fill('{}'::jsonb, '{50000}'))")
    db.execute("ANALYZE pawl.ready")
    db.execute(CLAIMED)  # not the fences: a claim that was tried again has drawn some more
    jobs = api.push_some(200, kind="known")
    with Worker(db, "-j", "4", *FAST, handlers={"known": ledger.handler()}) as worker:
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome") == 200, 30,
                   lambda: f"the known ones\n{worker.log()}")
        (first,) = api.query("SELECT min(id) AS id FROM pawl.job")
        shown = run_pawl(db, "job", "show", first.id)
        assert "no worker handles" in shown.stdout + shown.stderr
        assert worker.drain() == 0
        said = worker.log()
    assert sorted(ledger.jobs()) == jobs
    assert sorted(row.job for row in api.query("SELECT job FROM claimed")) == jobs, \
        f"one claim each\n{said}"
    assert api.one("SELECT count(*) FROM pawl.ready WHERE kind = 'unknown' AND tries IS NULL"
                   ) == 100_000
    assert api.query("SELECT FROM pawl.attempt") == []


def test_claim_past_unknown_kinds_is_one_walk(db, api):
    """The cause of the time: from its mark a claim reads no more than one that has
    nothing in front; from the beginning it reads each page of the others once."""
    worker = api.worker_start()

    def buffers(start):
        api.push_some(10, kind="known")
        plan = api.one("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM"
                       " pawl.claim(%s, 10, '{default}', '{known}', %s)", [worker, [start] * 10])
        top = plan[0]["Plan"]
        assert top["Actual Rows"] == 11  # and the snapshot
        return top["Shared Hit Blocks"] + top["Shared Read Blocks"]

    buffers(0)  # the first call of a session reads the catalogues
    alone = buffers(0)
    for _ in range(2):
        api.query("SELECT count(*) FROM pawl.push_many('unknown', array_fill('{}'::jsonb, '{25000}'))")
    db.execute("VACUUM ANALYZE pawl.ready")
    mark = api.one("SELECT max(pos) FROM pawl.ready")
    pages = api.one("SELECT (pg_relation_size('pawl.ready')"
                    " + pg_relation_size('pawl.ready_walk')) / 8192")
    behind = buffers(mark)
    assert behind < 2 * alone, (behind, alone)
    whole = buffers(0)
    print(f"{alone} buffers alone, {behind} behind the mark, {whole} of {pages} pages from 0")
    assert whole < alone + 4 * pages, (whole, alone, pages)


# ---------------------------------------------------------------- fairness --------


def test_two_workers_share_evenly(db, api, ledger, tmp_path):
    """The bug: the first worker claims all that there is and holds it unstarted while
    the second one idles.  Two workers, 100 jobs of half a second: each 40 to 60."""
    both = tmp_path / "who"
    handler = ledger.handler(f"echo $PPID >>{both}; exec sleep 0.5")
    with Fleet(db, 2, "-j", "4", *FAST, handlers={"work": handler}) as fleet:
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.workers WHERE alive") == 2, 20,
                   "both to be there")
        jobs = api.push_some(100, kind="work")
        ledger.wait_for(4)
        held = "SELECT max(n) FROM (SELECT count(*) AS n FROM pawl.running GROUP BY worker) x"
        most = 0
        while len(ledger.runs()) < 90:
            most = max(most, api.one(held) or 0)
        invariants.wait_finished(db, len(jobs))
        assert fleet.drain() == [0, 0], fleet.logs()
    pids = both.read_text().split()
    shares = sorted(pids.count(pid) for pid in set(pids))
    assert len(shares) == 2 and sum(shares) == 100 and shares[0] >= 40, shares
    assert most <= 4 + 4, f"{most} jobs held by one worker at a time"
    invariants.check_outcomes(db, jobs, ledger, False)


def test_priorities(db, api, ledger):
    """0 first, 9 last, also when the last were pushed first."""
    jobs = {p: api.push("work", priority=p) for p in (9, 5, 7, 0, 3)}
    with Worker(db, "-j", "1", "--once", *FAST, handlers={"work": ledger.handler()}) as worker:
        assert worker.wait() == 0, worker.log()
    assert ledger.jobs() == [jobs[p] for p in sorted(jobs)]


def test_queues(db, api, ledger):
    """A worker takes from the queues that it was given, and from no other."""
    mine = [api.push("work", queue=q) for q in ("b", "a", "b")]
    other = api.push("work")
    with Worker(db, "-q", "a,b", "-j", "1", "--once", *FAST,
                handlers={"work": ledger.handler()}) as worker:
        assert worker.wait() == 0, worker.log()
    assert sorted(ledger.jobs()) == sorted(mine) and api.state(other) == "ready"


def test_delayed_job_runs_when_due(db, api, ledger):
    """Not before, by the database's clock, and without a push to wake the worker."""
    job = api.query("SELECT pawl.push('work', run_at => now() + '700 ms') AS id")[0].id
    with Worker(db, "-j", "1", *FAST, handlers={"work": ledger.handler()}) as worker:
        wait_state(api, job, "succeeded", worker)
        assert worker.drain() == 0
    row = api.job(job)
    assert row.started_at >= row.run_at


def test_pause_and_resume(db, api, ledger):
    """A paused queue hands out nothing; others go on; what runs is not touched."""
    api.value("queue_pause", queue="default")
    job = api.push("work")
    with Worker(db, "-q", "default,other", "-j", "2", *FAST,
                handlers={"work": ledger.handler()}) as worker:
        others = [api.push("work", queue="other") for _ in range(5)]
        for other in others:
            wait_state(api, other, "succeeded", worker)
        assert api.state(job) == "ready"
        assert "paused" in run_pawl(db, "job", "show", job).stdout
        api.value("queue_resume", queue="default")
        wait_state(api, job, "succeeded", worker)
        assert worker.drain() == 0


# ---------------------------------------------------------------- again -----------


def test_retries_back_off_and_keep_their_history(db, api, ledger):
    """2 s then 4 s, each 20 % either way; each error is kept with its attempt."""
    handler = ledger.handler('echo "broken $PAWL_ATTEMPT" >&2; exit 3')
    job = api.push("work", max_attempts=3)
    with Worker(db, "-j", "1", *FAST, handlers={"work": handler}) as worker:
        wait_state(api, job, "failed", worker, 30)
        assert worker.drain() == 0
    rows = api.query("SELECT * FROM pawl.attempts WHERE job = %s ORDER BY attempt", [job])
    assert [(r.attempt, r.category) for r in rows] == [(n, "error") for n in (1, 2, 3)]
    for n, row in enumerate(rows, 1):
        assert f"broken {n}" in row.error and "3" in row.error
    pauses = [(b.started_at - a.ended_at).total_seconds() for a, b in zip(rows, rows[1:])]
    assert 1.6 <= pauses[0] and 3.2 <= pauses[1], pauses
    assert pauses[0] <= 2.4 + 3 and pauses[1] <= 4.8 + 3, pauses  # and a poll, on a slow machine
    row = api.job(job)
    assert row.state == "failed" and row.attempt == 3 and "broken 3" in row.error


def test_timeout_counts_from_the_start(db, api, ledger):
    """The bug: a timeout that counts from the claim fails jobs that only waited for an
    executor.  Three jobs of 1.2 s with a timeout of two seconds on one executor."""
    jobs = [api.push("work", timeout="2 s") for _ in range(3)]
    with Worker(db, "-j", "1", *FAST, handlers={"work": ledger.handler("exec sleep 1.2")}) as worker:
        invariants.wait_finished(db, len(jobs))
        assert worker.drain() == 0
    assert invariants.check_outcomes(db, jobs, ledger, False) == []
    assert invariants.read_attempts(db) == {}


def test_timeout_stops_the_handler(db, api, ledger, tmp_path):
    """SIGTERM at the timeout; the attempt is a timeout; no process is left."""
    told = tmp_path / "told"
    handler = ledger.handler("while :; do sleep 0.02; done", f"trap 'echo TERM >{told}; exit 0' TERM")
    # long enough for a shell that has to wait for a processor to have set its trap
    job = api.push("work", timeout="1500 ms", max_attempts=1)
    with Worker(db, "-j", "1", *FAST, handlers={"work": handler}) as worker:
        wait_state(api, job, "failed", worker)
        assert api.attempts(job) == ["timeout"]
        assert told.read_text() == "TERM\n"
        assert handlers(db) == []
        assert worker.drain() == 0


def handlers(db):
    return [p for p in processes.of_database(db) if "PAWL_JOB" in processes.environment(p.pid)]


# ---------------------------------------------------------------- cancel ----------


def test_cancel_in_every_live_state(db, api, ledger):
    """ready, scheduled and running; the running one's child, and its child, are dead
    afterwards, and its late result changes nothing."""
    handler = ledger.handler("""
echo '{"result": "too late"}' >&3
trap '' TERM
sh -c 'trap "" TERM; while :; do sleep 0.02; done' &
trap 'exit 0' TERM
while :; do sleep 0.02; done""")
    running = api.push("work")
    with Worker(db, "-j", "1", *FAST, handlers={"work": handler}) as worker:
        ledger.wait_for(1)
        ready, scheduled = api.push("work"), api.push("work", run_at="2099-01-01")
        for job, was in ((ready, "ready"), (scheduled, "scheduled"), (running, "running")):
            assert api.cancel(job, reason="enough") == was
            assert api.state(job) == "cancelled" and api.job(job).error == "enough"
        wait_until(lambda: not handlers(db), 15, lambda: f"handlers to end\n{worker.log()}")
        after = api.push("work")
        ledger.wait_for(2)
        assert api.cancel(after) == "running"
        assert worker.drain() == 0, worker.log()
    assert api.job(running).result is None
    assert ledger.jobs() == [running, after]
    assert api.attempts(running) == ["cancelled"]
    assert api.attempts(ready) == api.attempts(scheduled) == []


def test_cancel_while_backing_off(db, api, ledger):
    job = api.push("work")
    with Worker(db, "-j", "1", *FAST, handlers={"work": ledger.handler("exit 1")}) as worker:
        wait_state(api, job, "scheduled", worker)
        assert api.cancel(job) == "scheduled"
        assert worker.drain() == 0
    assert api.state(job) == "cancelled" and api.attempts(job) == ["error"]


def test_cancel_and_retry_by_the_command_line(db, api, ledger):
    """An operator's way: cancelled while running, retried, run to its end."""
    handler = ledger.handler('[ "$PAWL_ATTEMPT" != 1 ] || exec sleep 60')
    job = api.push("work")
    with Worker(db, "-j", "1", *FAST, handlers={"work": handler}) as worker:
        ledger.wait_for(1)
        run_pawl(db, "job", "cancel", job)
        assert api.state(job) == "cancelled"
        run_pawl(db, "job", "retry", job)
        run_pawl(db, "job", "wait", job, "--timeout", "20s")
        assert worker.drain() == 0
    assert api.state(job) == "succeeded" and api.job(job).attempt == 2
    assert api.attempts(job) == ["cancelled", "operator"]


# ---------------------------------------------------------------- crashes ---------

CRASHERS, INNOCENT = 1, 199


@pytest.mark.kill
def test_the_suspect_runs_alone(db, api, ledger):
    """The bug: a job that kills its worker takes the others beside it along; charged with
    its crashes they fail too.  One of 200 jobs (of a thousand in the promise; fewer here
    for time) kills its worker each time: it fails after three crashes, 199 succeed with
    one crash each at most."""
    handler = ledger.handler("""
args=$(cat)
case "$args" in *poison*) kill -9 $PPID; sleep 60 ;; esac
exec sleep 0.01""")
    jobs = api.push_some(INNOCENT // 2, kind="work")
    poison = api.push("work", args={"poison": True})
    jobs += [poison, *api.push_some(INNOCENT - INNOCENT // 2, kind="work")]
    crashes = 0
    with Fleet(db, 2, "-j", "4", *FAST, handlers={"work": handler}) as fleet:

        def finished():
            nonlocal crashes
            for worker in [w for w in fleet.workers if not w.running()]:
                assert worker.process.returncode == -signal.SIGKILL, worker.log()
                fleet.workers.remove(worker)
                fleet.ended.append(worker)
                fleet.add()
                crashes += 1
            return not any(invariants.live(db).values())

        wait_until(finished, 90, lambda: f"the end; {invariants.live(db)}\n{fleet.logs()}")
        assert fleet.drain() == [0, 0], fleet.logs()
    assert crashes == 3
    print(f"ran twice: {invariants.check_outcomes(db, jobs, ledger)}")
    assert api.state(poison) == "failed" and api.attempts(poison) == ["crash"] * 3
    others = {job: a for job, a in invariants.read_attempts(db).items() if job != poison}
    assert all(len(a) == 1 for a in others.values()), others
    assert api.one("SELECT count(*) FROM pawl.outcome WHERE state = 'succeeded'") == INNOCENT


def test_a_missing_description_fails_its_job_alone(db, api, ledger):
    """The bug: a row of ready whose job nobody knows any more stops the worker that claims
    it, or the others that it claims with it."""
    for n in (2, 20):  # by claim_few and by claim
        jobs = api.push_some(n)
        (lost, *rest) = jobs
        api.query("DELETE FROM pawl.job WHERE id = %s RETURNING 1", [lost])
        result = run_pawl(db, "work", "--once", "-j", "20", "-H", f"k={ledger.handler()}")
        assert result.returncode == 0, result.stderr
        assert {api.state(job) for job in rest} == {"succeeded"}
        (outcome,) = api.query("SELECT state, error FROM pawl.outcome WHERE job_id = %s", [lost])
        assert outcome == ("failed", "the description of the job is missing")


# The look at what stands in running under a worker: what it finds is told a while later.
HELD_LOOK = """CREATE SEQUENCE public.looks; CREATE SEQUENCE public.releases;
    ALTER FUNCTION pawl.held(uuid) RENAME TO held_at_last;
    CREATE FUNCTION pawl.held(worker uuid) RETURNS TABLE (job bigint, fence bigint)
    LANGUAGE plpgsql SET lock_timeout = 0 AS $$ BEGIN
        RETURN QUERY SELECT * FROM pawl.held_at_last(worker);
        PERFORM pg_advisory_xact_lock_shared(7);
        PERFORM nextval('public.looks');
    END $$;
    ALTER FUNCTION pawl.release_many(bigint[], bigint[]) RENAME TO release_many_at_last;
    CREATE FUNCTION pawl.release_many(jobs bigint[], fences bigint[])
    RETURNS TABLE (job bigint, answer text) LANGUAGE plpgsql AS $$ BEGIN
        PERFORM nextval('public.releases');
        RETURN QUERY SELECT * FROM pawl.release_many_at_last(jobs, fences);
    END $$"""
LOOK_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"


def test_what_is_settled_during_a_look_is_no_unknown_claim(db, api, ledger):
    """The bug: once a lease the worker gave back all that it had settled while it asked
    which claims stand under its name: thousands of jobs a time when it is busy, each one
    looked for in vain, and nothing was claimed meanwhile."""
    db.execute(HELD_LOOK)
    job = api.push("held")
    with db.connect() as holder, \
            Worker(db, *FAST, handlers={"held": ledger.held()}) as worker:
        wait_until(ledger.runs, 20, worker.log)
        holder.execute("SELECT pg_advisory_lock(7)")
        wait_until(lambda: db.value(LOOK_WAITS), 20, worker.log)
        ledger.go()
        wait_state(api, job, "succeeded", worker)
        looks = db.value("SELECT last_value FROM public.looks")
        holder.execute("SELECT pg_advisory_unlock(7)")
        wait_until(lambda: db.value("SELECT last_value FROM public.looks") > looks + 1, 20,
                   worker.log)
        assert not db.value("SELECT is_called FROM public.releases"), worker.log()


def test_thousand_short_jobs(db, api, ledger):
    """The bug: a settler that waits for each answer, a claimer that polls: a queue that
    is full is worked through without a pause."""
    jobs = api.push_some(1000, kind="work")
    with Worker(db, "-j", "4", "--once", "--poll", "1s",
                handlers={"work": ledger.handler()}) as worker:
        assert worker.wait(60) == 0, worker.log()
    assert invariants.check_outcomes(db, jobs, ledger, False) == []


def test_worker_needs_the_database_at_its_start(db, tmp_path):
    """A first connection that cannot be made ends it with 4; a missing schema with 6."""
    handler = {"work": Ledger(tmp_path).handler()}
    with Worker(db, *FAST, handlers=handler, env={"PGHOST": str(tmp_path)}) as worker:
        assert worker.wait() == 4, worker.log()
    with Worker(db.cluster.database("postgres"), *FAST, handlers=handler) as worker:
        assert worker.wait() == 6, worker.log()
        assert "migrate up" in worker.log()


def test_configuration_file(db, api, ledger, tmp_path):
    """Handlers and settings from an INI file; flags win."""
    (tmp_path / "pawl.conf").write_text(f"""
[worker]
queues = a, b
executors = 2
lease = 1s
poll = 100ms

[handler work]
exec = {ledger.handler()}

[handler shelled]
exec = echo "$PAWL_JOB $PAWL_FENCE" | cat >>{ledger.path}
shell = yes
""")
    jobs = [api.push("work", queue="a"), api.push("shelled", queue="b")]
    with Worker(db, "-c", tmp_path / "pawl.conf", "--once") as worker:
        assert worker.wait() == 0, worker.log()
    assert sorted(ledger.jobs()) == jobs
    assert [api.state(job) for job in jobs] == ["succeeded"] * 2
    run_pawl(db, "work", "-c", tmp_path / "pawl.conf", "--check-config")
    (tmp_path / "bad.conf").write_text("[worker]\nexecutor = 2\n")
    bad = run_pawl(db, "work", "-c", tmp_path / "bad.conf", "--check-config", check=2)
    assert "line 2" in bad.stderr and "executor" in bad.stderr
