"""PostgreSQL killed and stopped at once under load; the workers stay.

The bug: a worker that meets a broken connection ends, hangs, or goes on with a state of
its own; a job whose COMMIT had no answer is done again, or never.
"""

import contextlib
import os
import signal

import pytest
from harness import invariants
from harness.api import Api
from harness.fleet import Fleet, seeded
from harness.ledger import Ledger
from harness.pusher import Pusher
from harness.wait import wait_until

pytestmark = pytest.mark.kill

LEASE_S = 1.0
ROUNDS = 10
RENEWED = "SELECT count(*) FROM pawl.worker WHERE expires_at - lease > %s"


# In memory, because a killed process loses nothing that the kernel has, whatever it is
# on; with every setting that makes it durable on a disk.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@pytest.fixture
def server(base_cluster):
    own = base_cluster.copy(durable=False, settings=DURABLE)
    yield own.start()
    own.remove()


@pytest.fixture
def own_db(server):
    return server.new_database()


def power_cut(server, _round):
    """SIGKILL of every process of the server at once; each fifth time of the postmaster
    alone: its children notice, and end by themselves."""
    if _round % 5 < 4:
        os.kill(server.process.pid, signal.SIGSTOP)  # it must not begin to recover
        for pid in server.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    server.kill()


def immediate_stop(server, _round):
    server.stop_immediate()


@pytest.mark.parametrize("fault", [power_cut, immediate_stop])
def test_server_dies_under_load(server, own_db, tmp_path, fault):
    """Ten times each (twenty together), while jobs are pushed and run, each third time
    for longer than the leases; the same two workers go on after each restart; what was
    acknowledged has exactly one outcome."""
    rng = seeded(fault.__name__)
    ledger = Ledger(tmp_path)
    with Fleet(own_db, 2, "-j", "3", "--lease", "1s", "--poll", "100ms",
               handlers={"work": ledger.handler("exec sleep 0.03")}) as fleet:

        def wait_for_more(n):
            started = len(ledger.runs())
            wait_until(lambda: len(ledger.runs()) >= started + n, 60,
                       lambda: f"{n} more attempts\n{fleet.logs()}")

        def wait_for_leases():
            """Both workers hold one: only who has a lease can lose it.  Those that are
            renewed from now on: one that its worker has lost stands there for a while."""
            now = own_db.value("SELECT clock_timestamp()")
            wait_until(lambda: own_db.value(RENEWED, [now]) == 2, 30,
                       lambda: f"two leases\n{fleet.logs()}")

        def lost_leases():
            return fleet.logs().count("lease lost")

        with Pusher(own_db) as pusher:
            for number in range(ROUNDS):
                wait_for_more(rng.randrange(3, 30))
                if number % 3 == 2:
                    wait_for_leases()
                lost = lost_leases()
                fault(server, number)
                if number % 3 == 2:
                    wait_until(lambda: lost_leases() >= lost + 2, 20, fleet.logs)
                server.start()
            wait_for_more(10)
        jobs = pusher.check()
        invariants.wait_finished(own_db, len(jobs), 90)
        invariants.check_no_orphans(own_db, LEASE_S)
        twice = invariants.check_outcomes(own_db, jobs, ledger)
        print(f"{len(jobs)} jobs, {len(pusher.unknown)} pushes without an answer,"
              f" ran twice: {twice}")
        assert fleet.running(), fleet.logs()
        assert fleet.drain() == [0, 0], fleet.logs()
    invariants.check_quiet(own_db, LEASE_S)


def test_server_is_away_longer_than_a_lease(server, own_db, tmp_path):
    """The handler is interrupted when the lease is over by the worker's own clock, not
    when the server comes back; afterwards the job runs again, once."""
    ledger = Ledger(tmp_path)
    told = tmp_path / "told"
    handler = ledger.handler("""
[ "$PAWL_ATTEMPT" = 1 ] || exit 0
while :; do sleep 0.02; done""", f"trap 'echo TERM >{told}; exit 0' TERM")
    api = Api(own_db.connect())
    job = api.push("work")
    with Fleet(own_db, 1, "-j", "1", "--lease", "1s", "--poll", "100ms",
               handlers={"work": handler}) as fleet:
        ledger.wait_for(1)
        api.connection.close()
        server.stop_immediate()
        wait_until(told.exists, 30, lambda: f"the handler to be told\n{fleet.logs()}")
        server.start()
        invariants.wait_finished(own_db, 1, 30)
        assert fleet.running() and fleet.drain() == [0], fleet.logs()
    assert invariants.check_outcomes(own_db, [job], ledger) == [job]
    assert [a[2] for a in invariants.read_attempts(own_db)[job]] == ["crash"]
