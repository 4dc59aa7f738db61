"""pg_terminate_backend of each thread's connection, under load.

The bug: a thread that lost its connection borrows another's, hangs on the dead one, or
takes the whole worker with it; what it had in flight is lost or done twice.
"""

import re
from collections import Counter

import pytest
from harness import invariants
from harness.fleet import Fleet, seeded
from harness.ledger import Ledger
from harness.load import Load
from harness.wait import wait_until

pytestmark = pytest.mark.kill

ROLES = ("claim", "settle", "keep", "upkeep", "log")
TIMES = 20
BACKENDS = """
    SELECT pid, query FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'pawl ' || %s || '%%' ORDER BY pid"""


def backends(db, role):
    return [pid for pid, _ in db.execute(BACKENDS, [role])]


def has_worked(db, role):
    """A connection that is killed before it has done anything is a server that is not
    there: then a worker waits longer each time, and that is not what is tested."""
    return any(query == "COMMIT" for _, query in db.execute(BACKENDS, [role]))


def terminate(db, pid):
    """Ended, and gone from the server: its pid is not there any more."""
    db.execute("SELECT pg_terminate_backend(%s)", [pid])
    wait_until(lambda: not db.value(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid]), 30, "it to end")


def wait_for_the_table(db, load, pid, said):
    """A lock in whose way the log's connection is; whoever holds it lets go at the end."""
    holder = db.connect(autocommit=False)
    holder.execute("LOCK TABLE pawl.log IN SHARE MODE")
    wait_until(lambda: load.wait_more(1, said) or db.value(
        "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", [pid]) == "Lock", 30, said)
    return holder


def check_lines(db, jobs, said):
    """One line of each job is stored, once; or a worker says that it was dropped (1.6)."""
    stored = Counter(db.execute("SELECT job, message FROM pawl.logs"))
    assert set(stored.values()) == {1}, "stored twice"
    assert set(stored) <= {(job, f"line of {job}") for job in jobs}
    dropped = sum(int(n) for n in re.findall(r"log: (\d+) lines dropped", said))
    assert len(stored) + dropped == len(jobs), "lost in silence"


@pytest.mark.parametrize("role", ROLES)
def test_connection_of_a_thread_is_terminated(db, api, tmp_path, role):
    """Twenty times the same thread's: it connects again, the others do not notice, and
    every job succeeds once; no lease is lost, so there is no crash row; and what the jobs
    said is there, also where the log's connection was about to store it."""
    rng = seeded(f"terminate {role}")
    ledger = Ledger(tmp_path)
    load = Load(api, ledger)
    handler = ledger.handler('echo "line of $PAWL_JOB"; exec sleep 0.02')
    with Fleet(db, 1, "-j", "4", "--lease", "2s", "--poll", "100ms",
               handlers={"work": handler}) as fleet:
        for turn in range(TIMES):
            load.wait_more(1, fleet.logs)
            wait_until(lambda: has_worked(db, role), 30,
                       lambda: f"the connection {role} to do something\n{fleet.logs()}")
            load.wait_more(rng.randrange(0, 20), fleet.logs)
            pids = backends(db, role)
            assert len(pids) == 1, "one connection, one owner"
            if role == "log" and turn % 2:
                with wait_for_the_table(db, load, pids[0], fleet.logs):
                    terminate(db, pids[0])
            else:
                terminate(db, pids[0])
        load.wait_more(5, fleet.logs)  # a log without lines needs no connection
        load.wait_more(50, fleet.logs)  # the last one is replaced, too
        invariants.wait_finished(db, len(load.jobs), 60)
        assert fleet.running() and fleet.drain() == [0], fleet.logs()
        said = fleet.logs()
    twice = invariants.check_outcomes(db, load.jobs, ledger, crashes_may_fail=False)
    assert twice == [] and invariants.crashed(db) == []
    check_lines(db, load.jobs, said)
    invariants.check_quiet(db, 2.0)


def test_every_connection_at_once(db, api, tmp_path):
    """All of them terminated together, as by a failover, twenty times."""
    rng = seeded("terminate all")
    ledger = Ledger(tmp_path)
    load = Load(api, ledger)
    with Fleet(db, 2, "-j", "3", "--lease", "2s", "--poll", "100ms",
               handlers={"work": ledger.handler("exec sleep 0.02")}) as fleet:
        for _ in range(TIMES):
            load.wait_more(rng.randrange(1, 20), fleet.logs)
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'pawl %'")
        invariants.wait_finished(db, len(load.jobs), 60)
        assert fleet.running() and fleet.drain() == [0, 0], fleet.logs()
    invariants.check_outcomes(db, load.jobs, ledger)
    invariants.check_quiet(db, 2.0)


def test_statements_are_cancelled(db, api, tmp_path):
    """pg_cancel_backend at random: a statement that somebody cancels costs no job."""
    rng = seeded("cancel backend")
    ledger = Ledger(tmp_path)
    load = Load(api, ledger)
    with Fleet(db, 1, "-j", "4", "--lease", "2s", "--poll", "100ms",
               handlers={"work": ledger.handler("exec sleep 0.02")}) as fleet:
        for _ in range(5 * TIMES):
            role = rng.choice(ROLES)
            for pid in backends(db, role):
                db.execute("SELECT pg_cancel_backend(%s)", [pid])
            load.wait_more(rng.randrange(0, 3), fleet.logs)
        invariants.wait_finished(db, len(load.jobs), 60)
        assert fleet.running() and fleet.drain() == [0], fleet.logs()
    twice = invariants.check_outcomes(db, load.jobs, ledger, crashes_may_fail=False)
    assert twice == []
    invariants.check_quiet(db, 2.0)
