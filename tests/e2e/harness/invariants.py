"""The invariants that hold under every fault, asserted by identity.

check_outcomes: nothing pushed is lost, nothing appears that was not, one outcome each,
each of them earned by an attempt that ran (I1 to I5).  check_quiet: once the faults
have ended nothing is left over (I9).
"""

from collections import defaultdict

from . import processes
from .wait import wait_until

MAX_CRASHES = 3
LIVE_TABLES = ("ready", "scheduled", "waiting", "running")
QUIET_S = 10.0  # beside one lease: the bound of I9


def live(database):
    """Live rows of all jobs, by table; a finished database has none."""
    counts = ", ".join(f"(SELECT count(*) FROM pawl.{t}) AS {t}" for t in LIVE_TABLES)
    (row,) = database.execute(f"SELECT {counts}")
    return dict(zip(LIVE_TABLES, row))


def wait_finished(database, n, deadline=60.0):
    """Until n jobs have an outcome and no job is live."""

    def finished():
        done = database.value("SELECT count(*) FROM pawl.outcome")
        return done >= n and not any(live(database).values())

    try:
        wait_until(finished, deadline, f"{n} outcomes")
    except AssertionError as error:
        done = database.value("SELECT count(*) FROM pawl.outcome")
        raise AssertionError(f"{error}; {done} outcomes, live: {live(database)}") from None


def read_attempts(database):
    """{job: [(attempt, fence, category)]} of the unsuccessful attempts."""
    found = defaultdict(list)
    for job, *rest in database.execute(
        "SELECT job_id, attempt, fence, category FROM pawl.attempt ORDER BY job_id, attempt, id"
    ):
        found[job].append(tuple(rest))
    return found


def check_outcomes(database, jobs, ledger, crashes_may_fail=True):
    """Compare what was pushed, what ran and what is recorded; answers the jobs that
    ran twice, which are exactly those with a crash row (or another recorded end) of an
    attempt that had started."""
    rows = database.execute("SELECT job_id, state::text, fence, coalesce(attempt, 1) FROM pawl.outcome")
    outcomes = {row[0]: row[1:] for row in rows}
    assert len(rows) == len(outcomes), "a job with two outcomes"
    assert set(outcomes) == set(jobs), (
        f"lost: {sorted(set(jobs) - set(outcomes))[:10]}, "
        f"not pushed: {sorted(set(outcomes) - set(jobs))[:10]}"
    )
    assert not any(live(database).values()), live(database)
    attempts = read_attempts(database)
    runs = ledger.runs()
    assert len(runs) == len(set(runs)), "a claim that ran twice"
    ran = defaultdict(list)
    for job, fence in runs:
        ran[job].append(fence)
    assert set(ran) <= set(outcomes), "a run of an unknown job"
    for job, outcome in outcomes.items():
        _check_job(job, outcome, attempts[job], ran[job], crashes_may_fail)
    recorded = {job for job in ran if set(ran[job]) & {a[1] for a in attempts[job]}}
    succeeded = {job for job in outcomes if outcomes[job][0] == "succeeded"}
    assert set(ledger.twice()) & succeeded == recorded & succeeded
    return ledger.twice()


def _check_job(job, outcome, attempts, ran, crashes_may_fail):
    state, fence, last_attempt = outcome
    fences = [a[1] for a in attempts]
    crashes = [a for a in attempts if a[2] == "crash"]
    said = f"job {job}: {state} by fence {fence}, attempts {attempts}, ran {ran}"
    assert fences == sorted(fences), said  # fences only grow
    numbers = [a[0] for a in attempts]
    assert numbers == sorted(set(numbers)), said
    assert len(crashes) <= MAX_CRASHES, said
    if state == "succeeded":
        assert fence in ran and fence not in fences, said
        assert not numbers or last_attempt > numbers[-1], said
    elif crashes_may_fail and len(crashes) == MAX_CRASHES:
        assert fence == crashes[-1][1], said
    else:
        raise AssertionError(said)
    assert set(ran) - {fence} <= set(fences), said


def crashed(database):
    """The jobs that have a crash row, ascending."""
    return [job for (job,) in database.execute(
        "SELECT DISTINCT job_id FROM pawl.attempt WHERE category = 'crash' ORDER BY 1")]


def unsettled(database, ended):
    """The runs of this ledger, whose handlers had ended, that a kill has made crashes."""
    crashes = {attempt[:2] for attempt in database.execute(
        "SELECT job_id, fence FROM pawl.attempt WHERE category = 'crash'")}
    return sorted(crashes & set(ended.runs()))


def orphans(database):
    """Rows of running without a worker whose lease is in force."""
    return database.execute(
        "SELECT r.job_id, r.worker FROM pawl.running r WHERE NOT EXISTS (SELECT FROM"
        " pawl.worker w WHERE w.id = r.worker AND w.expires_at > clock_timestamp())")


def leases(database):
    """How many workers have a lease in force."""
    return database.value(
        "SELECT count(*) FROM pawl.worker WHERE expires_at > clock_timestamp()")


def sessions(database, like="pawl%"):
    """application_name of what is connected as Pawl, this test's own left out."""
    return [name for (name,) in database.execute(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND application_name LIKE %s", [like])]


def check_no_orphans(database, lease_s):
    wait_until(lambda: not orphans(database), lease_s + QUIET_S, "no orphan in running")


def check_quiet(database, lease_s, pids=()):
    """I9, when every worker has ended: within one lease and 10 s no running row
    without a live lease, no session, no advisory lock, no process."""
    check_no_orphans(database, lease_s)
    wait_until(lambda: not sessions(database), QUIET_S, "Pawl's sessions to end")
    assert not database.value(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())")
    wait_until(lambda: not processes.of_database(database), QUIET_S,
               "the processes of workers and handlers to end")
    for pid in pids:
        assert not processes.alive(pid)


def zombies(pid):
    """Children that the process has not waited for."""
    return [process for process in processes.children(pid) if process.state == "Z"]
