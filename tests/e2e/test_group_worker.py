"""Groups in the worker: their order, whose connection does what, drain, cancel, loss.

The bugs: jobs of a group that overtake each other when several workers take them; all
groups of a process on one connection, so that one that waits holds up the others; a
lease that only a timer renews; a worker that settles a group's job elsewhere; a
connection more for each group that ever was.
"""

import re
import signal
import threading
from collections import defaultdict
from contextlib import contextmanager

import psycopg
import pytest
from harness import invariants, processes
from harness.api import Api
from harness.fleet import Fleet
from harness.grouped import Runner
from harness.ledger import Ledger
from harness.paths import BUILD
from harness.program import Worker, run_pawl
from harness.wait import wait_until
from psycopg.types.json import Jsonb

FAST = ("-j", "1", "--poll", "100ms")
ROLES = 5  # claim, settle, keep, upkeep, log: at the most, they connect when they need to
SESSIONS = """SELECT pid, split_part(application_name, ' ', 2) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name ~ '^pawl (claim|settle|keep|upkeep|log|group) '"""


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def sessions(db, role="group"):
    return {pid for pid, name in db.execute(SESSIONS) if name == role}


def outcomes(api):
    rows = api.query("SELECT state::text, count(*) AS n FROM pawl.outcome GROUP BY 1")
    return {row.state: row.n for row in rows}


def check_order(db):
    """By the database's clock: none began before the one before it in its group ended."""
    wrong = db.execute("""
        SELECT * FROM (SELECT j.id, j.group_key, o.started_at,
                lag(o.finished_at) OVER (PARTITION BY j.group_key ORDER BY j.id) AS before
            FROM pawl.job j JOIN pawl.outcome o ON o.job_id = j.id) x
        WHERE started_at < before""")
    assert wrong == [], wrong[:5]


# -- order ---------------------------------------------------------------------------------


@pytest.mark.drain
def test_order_over_workers_and_kinds(db, api, ledger):
    """Twelve groups of six jobs of two kinds, two workers, three runners each, which begin
    when both have groups."""
    handlers = {"one": ledger.held("exec sleep 0.01"), "two": ledger.handler()}
    jobs = [api.push(kind, group_key=f"g{n}")
            for kind in ("one", "two", "two") * 2 for n in range(12)]
    with Fleet(db, 2, *FAST, "-g", "3", handlers=handlers) as fleet:
        wait_until(lambda: db.value("SELECT count(DISTINCT worker) FROM pawl.running") == 2, 30,
                   fleet.logs)
        ledger.go()
        invariants.wait_finished(db, len(jobs))
        assert fleet.drain() == [0, 0], fleet.logs()
    check_order(db)
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []
    by_group = defaultdict(list)
    groups = dict(db.execute("SELECT id, group_key FROM pawl.job"))
    for job in ledger.jobs():
        by_group[groups[job]].append(job)
    assert len(by_group) == 12 and all(ran == sorted(ran) for ran in by_group.values())
    workers = db.value("SELECT count(DISTINCT worker) FROM pawl.outcome")
    assert workers == 2 and db.value("SELECT count(*) FROM pawl.group_lease") == 0


def test_groups_beside_other_jobs(db, api, ledger):
    """Neither waits for the other: executors and runners are apart."""
    handlers = {"slow": ledger.held(), "fast": ledger.handler()}
    slow = api.push("slow", group_key="g")
    with Worker(db, *FAST, handlers=handlers) as worker:
        ledger.wait_for(1)
        fast = api.push_some(20, kind="fast")
        wait_until(lambda: outcomes(api) == {"succeeded": 20}, 20, worker.log)
        assert api.state(slow) == "running"
        grouped = [api.push("fast", group_key=f"h{n}") for n in range(5)]
        wait_until(lambda: outcomes(api) == {"succeeded": 25}, 20, worker.log)
        ledger.go()
        wait_until(lambda: outcomes(api) == {"succeeded": 26}, 20, worker.log)
        assert worker.drain() == 0, worker.log()
    assert set(ledger.jobs()) == {slow, *fast, *grouped}


def test_once_works_through_the_groups(db, api, ledger):
    """--once ends when nothing is ready and no group can be gone on with: what is not due
    stays, and holds what stands behind it."""
    jobs = [api.push("work", group_key=f"g{n % 7}") for n in range(40)] + [api.push("work")]
    later = api.push("work", group_key="later", run_at="2099-01-01")
    behind = api.push("work", group_key="later")
    run_pawl(db, "work", "--once", "--poll", "10min", "-H", f"work={ledger.handler()}")
    assert sorted(ledger.jobs()) == sorted(jobs) and outcomes(api) == {"succeeded": 41}
    assert {api.state(later), api.state(behind)} == {"waiting"}
    check_order(db)


def test_no_groups_at_all(db, api, ledger):
    """groups = none: a worker that leaves them alone."""
    grouped, other = api.push("work", group_key="g"), api.push("work")
    run_pawl(db, "work", "--once", "-g", "0", "-H", f"work={ledger.handler()}")
    assert (api.state(grouped), api.state(other)) == ("waiting", "succeeded")


# -- connections -----------------------------------------------------------------------------


OF_A_GROUP = ("group_take", "group_dispatch", "group_hold", "group_proceed", "group_give_back")


@contextmanager
def statements(db):
    """{pid: [(function, parameters)]} of Pawl's calls, from the server's log."""
    db.execute(f'ALTER DATABASE "{db.name}" SET log_statement = \'all\'')
    found = defaultdict(list)
    offset = db.cluster.log_size()
    try:
        yield found
    finally:
        db.execute(f'ALTER DATABASE "{db.name}" RESET log_statement')
    call = None
    for line in db.cluster.log_text(offset).splitlines():
        head = re.match(r"\S+ \S+ \S+ \[(\d+)\] (.*?) (LOG|DETAIL):  (.*)", line)
        if not head:
            continue
        pid, _, kind, text = head.groups()
        if kind == "LOG":
            name = re.search(r"pawl\.(\w+)\(", text)
            call = name[1] if name and text.startswith("execute") else None
        elif call is not None:
            found[int(pid)].append((call, text))


@pytest.mark.drain
def test_a_group_has_its_own_connection(db, api, ledger):
    """2.1: six groups in flight use six backends, none of them claim's, settle's, keep's,
    log's; and from taking to giving back each statement of a group runs on its own."""
    api.value("queue_set", queue="default", settings=Jsonb({"on_group_failure": "skip"}))
    jobs = {api.push("work", group_key=f"g{n % 6}"): f"g{n % 6}" for n in range(18)}
    with statements(db) as found:
        fails = ledger.held('[ $((PAWL_JOB % 3)) -gt 0 ] || exit 65')
        with Worker(db, *FAST, "-g", "6", handlers={"work": fails}) as worker:
            ledger.wait_for(6)
            own = sessions(db)
            everybody = {pid for pid, _ in db.execute(SESSIONS)}
            assert len(own) == 6 < len(everybody) <= 6 + ROLES
            ledger.go()
            invariants.wait_finished(db, 18)
            assert worker.drain() == 0
    by_group = defaultdict(set)
    seen = defaultdict(int)
    for pid, calls in found.items():
        for name, parameters in calls:
            seen[name] += 1
            group = re.search(r"\$2 = '(g\d)'", parameters)
            if name in OF_A_GROUP:
                by_group[group[1]].add(pid)
            elif name in ("complete_many", "fail_many"):
                for job in re.search(r"\$1 = '{([\d,]+)}'", parameters)[1].split(","):
                    by_group[jobs[int(job)]].add(pid)
    assert seen["group_proceed"] == 12 and seen["fail_many"] == seen["group_hold"] == 6, dict(seen)
    assert len(by_group) == 6 and all(len(pids) == 1 for pids in by_group.values()), by_group
    assert set.union(*by_group.values()) == own


def test_one_connection_for_all_holds_up_the_others(db, api):
    """Red: two groups share a connection, as report 002's did; the transaction of the one
    waits for a lock, and nothing of the other can be done."""
    db.execute("CREATE TABLE public.sink (id int PRIMARY KEY)")
    with db.connect(autocommit=False) as holder, db.connect(autocommit=False) as shared:
        holder.execute("INSERT INTO public.sink VALUES (1)")
        shared.execute("SET lock_timeout = '300ms'")
        shared.execute("INSERT INTO public.sink VALUES (2)")  # the first group's
        with pytest.raises(Exception, match="lock timeout"):
            shared.execute("INSERT INTO public.sink VALUES (1)")  # the second's
        with pytest.raises(Exception, match="aborted"):
            shared.execute("INSERT INTO public.sink VALUES (3)")  # the first's next


@pytest.mark.drain
def test_a_connection_used_by_another_thread(db, api):
    """2.8: the group's connection is its runner's: a handler that takes it to a thread of
    its own ends the process by the assertion, and nothing of it is written."""
    job = api.push("stranger", group_key="g")
    ended = run_pawl(db, "work", "--once", "-L", f"stranger={BUILD}/tests/e2e/handler_stranger.so",
                     check=None)
    assert ended.returncode == -signal.SIGABRT, ended.stderr
    assert "used by another thread than its owner" in ended.stderr
    assert "pawl group" in ended.stderr
    assert api.state(job) == "running"


@pytest.mark.drain
def test_connections_return_to_the_baseline(db, api, ledger):
    """2.13: after success, failure, cancellation and loss; and never more than G + 5."""
    body = """case "$PAWL_GROUP" in fail*) exit 65 ;; hold*) exec sleep 60 ;; esac"""
    most = 0

    def baseline():
        nonlocal most
        there = db.execute(SESSIONS)
        most = max(most, len(there))
        return len(there) <= ROLES and not any(role == "group" for _, role in there)

    def running(n):
        return lambda: api.one("SELECT count(*) FROM pawl.running WHERE traits & 4 > 0") == n

    with Worker(db, *FAST, "-g", "4", "--lease", "1s", handlers={"work": ledger.handler(body)}) as worker:
        for n in range(40):
            api.push("work", group_key=f"g{n % 10}")
        wait_until(lambda: outcomes(api) == {"succeeded": 40} or baseline() and False, 20, worker.log)
        wait_until(baseline, 30, "success")
        for n in range(8):
            api.push("work", group_key=f"fail{n}")
        wait_until(lambda: outcomes(api).get("failed") == 8, 20, worker.log)
        wait_until(baseline, 30, "failure")
        held = [api.push("work", group_key=f"hold{n}") for n in range(4)]
        wait_until(running(4), 20, worker.log)
        for job in held[:3]:
            api.cancel(job)
        wait_until(lambda: len(sessions(db)) == 1, 30, "cancellation")
        (lost,) = sessions(db)
        db.execute("SELECT pg_terminate_backend(%s)", [lost])
        wait_until(lambda: not sessions(db) or sessions(db) != {lost}, 30, "loss")
        wait_until(lambda: api.attempts(held[3]) == ["crash"], 30, worker.log)
        wait_until(running(1), 30, worker.log)
        api.cancel(held[3])
        wait_until(baseline, 30, "the end")
        assert worker.drain() == 0, worker.log()
    assert ROLES < most <= ROLES + 4


# -- leases ----------------------------------------------------------------------------------


def test_each_job_renews_the_lease(db, api, ledger):
    """2.7: a hundred jobs of a sixth of the lease each, all under one lease, though the
    timer renews it but now and then.  The lease is long enough not to be lost by waiting
    for a processor."""
    jobs = [api.push("work", group_key="g") for _ in range(100)]
    with statements(db) as found:
        with Worker(db, *FAST, "--lease", "600ms",
                    handlers={"work": ledger.handler("exec sleep 0.08")}) as worker:
            invariants.wait_finished(db, 100)
            assert worker.drain() == 0, worker.log()
    assert ledger.jobs() == jobs and invariants.read_attempts(db) == {}
    calls = [name for calls in found.values() for name, _ in calls]
    assert calls.count("group_take") == 1
    assert calls.count("group_proceed") == 100
    assert calls.count("group_renew") < 75


def test_slow_groups_delay_no_other(db, api, ledger):
    """2.10: sixteen runners, fifteen slow groups; a hundred short ones finish meanwhile."""
    handlers = {"slow": ledger.held(), "fast": "true"}
    slow = [api.push("slow", group_key=f"slow{n}") for n in range(15)]
    with Worker(db, *FAST, handlers=handlers) as worker:
        ledger.wait_for(15)
        for n in range(100):
            api.push("fast", group_key=f"fast{n}")
        wait_until(lambda: outcomes(api) == {"succeeded": 100}, 30, worker.log)
        assert api.one("SELECT count(*) FROM pawl.running WHERE traits & 4 > 0") == 15
        assert len(sessions(db)) <= 16
        ledger.go()
        wait_until(lambda: outcomes(api) == {"succeeded": 115}, 30, worker.log)
        assert worker.drain() == 0, worker.log()
    assert sorted(ledger.jobs()) == slow


def test_more_groups_than_runners_take_turns(db, api, ledger):
    """A group that has had its turn makes way for those that wait, and comes back."""
    config = ledger.directory / "pawl.conf"
    config.write_text("[worker]\ngroups = 2\ngroup_jobs = 10\n")
    jobs = [api.push("work", group_key=f"g{n % 4}") for n in range(160)]
    with Worker(db, *FAST, "-c", config, handlers={"work": ledger.handler()}) as worker:
        invariants.wait_finished(db, 160)
        assert worker.drain() == 0, worker.log()
    first = {group: ledger.jobs().index(jobs[group]) for group in range(4)}
    print(f"the groups began after {sorted(first.values())} of 160 jobs")
    assert max(first.values()) <= 45, "two of them were gone through first"
    check_order(db)


SLOW = """
    CREATE TABLE public.slow (s float8);
    INSERT INTO public.slow VALUES (0);
    ALTER FUNCTION pawl.group_candidates RENAME TO quick_candidates;
    CREATE FUNCTION pawl.group_candidates(uuid, text[], text[], text, int, int, boolean)
    RETURNS TABLE (tenant text, group_key text, ready boolean)
    LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        PERFORM pg_sleep(s) FROM public.slow;
        RETURN QUERY SELECT * FROM pawl.quick_candidates($1, $2, $3, $4, $5, $6, $7);
    END $$"""
ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


def test_a_look_that_took_long_puts_off_no_other(db, api, ledger):
    """The bug: looks may take a tenth of the time, so one that the server was slow with for
    once is paid for with ten times as much, and nothing of any group is begun meanwhile."""
    api.push("work", group_key="later", run_at="2099-01-01")
    with Worker(db, *FAST, handlers={"work": ledger.handler()}) as worker:
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.workers") == 1, 30, worker.log)
        api.connection.execute(SLOW)
        db.execute("UPDATE public.slow SET s = 3")  # a tenth of the time: half a minute
        wait_until(lambda: api.one(ASLEEP) == 1, 30, worker.log)
        db.execute("UPDATE public.slow SET s = 0")
        wait_until(lambda: api.one(ASLEEP) == 0, 30, worker.log)
        job = api.push("work", group_key="g")
        wait_until(lambda: api.state(job) == "succeeded", 15, worker.log)
        assert worker.drain() == 0, worker.log()


# -- one transaction a job -----------------------------------------------------------------------


def proceed(runner, *claims, **named):
    return runner.api.rows(
        "group_proceed", worker=runner.worker, group_key=runner.group, token=runner.token,
        jobs=[c.job for c in claims], fences=[c.fence for c in claims], **named)


def test_proceed(api):
    """Complete, dispatch and give back in one transaction: the next job comes with the end of
    the last; with none, or when no more is wanted, the group is free."""
    jobs = [api.push(group_key="g") for _ in range(3)]
    runner = Runner(api)
    (row,) = proceed(runner, runner.dispatch(), results=[Jsonb({"n": 1})])
    assert (row.answer, row.job, row.settled, row.given) == ("job", jobs[1], ["won"], False)
    (row,) = proceed(runner, row, more=False)
    assert (row.answer, row.job, row.settled, row.given) == ("left", None, ["won"], True)
    runner.token = None
    (row,) = proceed(runner, runner.dispatch())
    assert (row.answer, row.settled, row.given) == ("none", ["won"], True)
    assert [api.state(job) for job in jobs] == ["succeeded"] * 3
    assert api.job(jobs[0]).result == {"n": 1} and runner.take() is not None


def test_proceed_with_what_cannot_be_completed(db, api):
    """A cancelled job is stale, and the next comes; a fenced one is busy, and none does; when
    the group is lost nothing is done at all."""
    jobs = [api.push(group_key="g") for _ in range(3)]
    runner = Runner(api)
    first = runner.dispatch()
    assert api.cancel(first.job) == "running"
    (second,) = proceed(runner, first)
    assert (second.answer, second.job, second.settled) == ("job", jobs[1], ["stale"])
    with db.connect(autocommit=False) as fencing:
        fencing.execute("SELECT pawl.fence(%s, %s)", [second.job, second.fence])
        (row,) = proceed(runner, second)
        assert (row.answer, row.settled, row.given) == ("busy", ["busy"], False)
        fencing.rollback()
    assert api.value("group_release", group_key="g") == "lease ended"
    with pytest.raises(psycopg.Error) as refused:
        proceed(runner, second)
    assert refused.value.sqlstate == "PW002"
    assert (api.state(jobs[1]), api.state(jobs[2])) == ("running", "waiting")


LATE = """CREATE OR REPLACE FUNCTION pawl.check_isolation(caller text) RETURNS void
    LANGUAGE plpgsql AS $$ BEGIN
        IF caller = 'group_dispatch' THEN
            PERFORM pg_sleep(0.5);
        END IF;
    END $$"""


def test_proceed_while_another_completes_the_job(db, api):
    """The bug: the job is busy when it is to be completed, and gone when the next is looked
    for: the runner has a job that is not settled, and a new one.  An assertion ended it."""
    jobs = [api.push(group_key="g") for _ in range(2)]
    runner = Runner(api)
    claim = runner.dispatch()
    api.connection.execute(LATE)
    with db.connect(autocommit=False) as fenced:
        Api(fenced).fence(claim.job, claim.fence)
        Api(fenced).complete(claim.job, claim.fence)
        ending = threading.Timer(0.2, fenced.commit)
        ending.start()
        (row,) = proceed(runner, claim)
        ending.join()
    assert (row.answer, row.settled, row.given) == ("busy", ["busy"], False)
    (row,) = proceed(runner, claim)
    assert (row.answer, row.job, row.settled) == ("job", jobs[1], ["stale"])


def test_a_job_costs_one_transaction(db, api, ledger):
    """Not one to settle and one to dispatch: twenty jobs of a group, one dispatch, and as
    many calls as jobs."""
    for _ in range(20):
        api.push("work", group_key="g")
    with statements(db) as found:
        run_pawl(db, "work", "--once", "-H", f"work={ledger.handler()}")
    calls = [name for calls in found.values() for name, _ in calls]
    assert calls.count("group_proceed") == 20 and calls.count("group_dispatch") == 1
    assert "group_hold" not in calls and "complete_many" not in calls
    assert len(ledger.runs()) == 20


# -- cancel, loss, drain -----------------------------------------------------------------------


@pytest.mark.drain
def test_cancel_of_a_running_job(db, api, ledger, tmp_path):
    """Its handler is told at once, what it answers does not count, and the next of the
    group begins when it has ended."""
    told = tmp_path / "told"
    body = f"""[ "$PAWL_JOB" != {{}} ] || while :; do sleep 0.02; done
echo "$PAWL_JOB" >>{tmp_path}/ended; [ -e {told} ]"""
    first = api.push("work", group_key="g")
    second = api.push("work", group_key="g")
    handler = ledger.handler(body.format(first), f"trap 'sleep 0.2; echo TERM >{told}; exit 0' TERM")
    with Worker(db, *FAST, handlers={"work": handler}) as worker:
        ledger.wait_for(1)
        assert api.cancel(first) == "running"
        wait_until(lambda: api.state(second) == "succeeded", 30, worker.log)
        assert worker.drain() == 0, worker.log()
    assert told.read_text() == "TERM\n", "the second began before the first had ended"
    assert api.state(first) == "cancelled" and api.attempts(first) == ["cancelled"]
    assert ledger.jobs() == [first, second]


@pytest.mark.kill
def test_a_lost_connection_ends_the_handler(db, api, ledger):
    """2.11: the server hangs up while the handler runs: it is stopped at once, not at its
    next statement, and the group is taken over when the lease is over."""
    job = api.push("work", group_key="g")
    second = api.push("work", group_key="g")
    handler = ledger.handler(f'[ "$PAWL_JOB-$PAWL_ATTEMPT" != {job}-1 ] || exec sleep 60')
    with Worker(db, *FAST, "--lease", "3s", handlers={"work": handler}) as worker:
        ledger.wait_for(1)
        (pid,) = sessions(db)
        db.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: "connection was lost" in worker.log(), 30, worker.log)
        wait_until(lambda: not [p for p in processes.descendants(worker.pid) if p.name == "sleep"],
                   30, "the handler to end")
        assert api.state(job) == "running", "settled by somebody else"
        wait_until(lambda: api.state(second) == "succeeded", 30, worker.log)
        assert worker.drain() == 0, worker.log()
    assert api.attempts(job) == ["crash"] and ledger.jobs() == [job, job, second]
    check_order(db)


@pytest.mark.drain
def test_drain_ends_what_runs_and_gives_back_the_rest(db, api, ledger):
    """2.12: SIGTERM while four groups run: their jobs end and are recorded, nothing more is
    begun, the leases are given back, exit 0."""
    jobs = [api.push("work", group_key=f"g{n % 4}") for n in range(12)]
    with Worker(db, *FAST, handlers={"work": ledger.held()}) as worker:
        ledger.wait_for(4)
        worker.signal(signal.SIGTERM)
        wait_until(lambda: "drain" in worker.log(), 30, "the drain")
        assert worker.running()
        ledger.go()
        assert worker.wait() == 0, worker.log()
    assert ledger.jobs() and sorted(ledger.jobs()) == jobs[:4]
    assert outcomes(api) == {"succeeded": 4} and invariants.read_attempts(db) == {}
    assert api.one("SELECT count(*) FROM pawl.waiting") == 8
    assert db.value("SELECT count(*) FROM pawl.group_lease") == 0
    invariants.check_quiet(db, 0)


def test_a_batch_ends_with_a_groups_job(db, api, ledger):
    """The batch is folded when the last of its jobs has ended, though that was a group's:
    the completion job does not wait for the steward's turn."""
    batch = api.value("batch_open", name="b", on_complete='{"kind": "report"}')
    for n in range(6):
        api.push("work", group_key=f"g{n % 2}", batch=batch)
    api.value("batch_seal", batch=batch)
    with Worker(db, *FAST, handlers={"work": "true", "report": "true"}) as worker:
        wait_until(lambda: outcomes(api) == {"succeeded": 7}, 20, worker.log)
        assert worker.drain() == 0, worker.log()
    assert api.one("SELECT state FROM pawl.batches WHERE id = %s", [batch]) == "succeeded"
