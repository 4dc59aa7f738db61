"""Workers that run a batch, and are killed with SIGKILL while they do.

The bugs: a batch that stays at its total for ever, because who should have finalised it
died between the last result and the end; one that is finalised twice; one whose lost
items make the whole lost, the finished ones too.
"""

import pytest
from harness import invariants
from harness.batches import Batch, wrong_counters
from harness.fleet import Fleet, seeded
from harness.ledger import Ledger, write_script
from harness.wait import wait_until

pytestmark = pytest.mark.kill

ARGS = ("-j", "3", "-q", "default,reports", "--lease", "1s", "--poll", "100ms")


N = 300
KILLS = 20
AT_THE_END = 4  # so many of them around the last results
LOST = """SELECT count(*) FROM (SELECT job_id FROM pawl.attempt WHERE category = 'crash'
    GROUP BY job_id HAVING count(*) >= 3) a"""


def test_killed_until_the_end(db, api, tmp_path):
    """Killed twenty times, while items run, and again and again around the last results:
    one end, one report, exact counters."""
    rng = seeded("batch-kill")
    ledger, ended, reports = (Ledger(tmp_path, name) for name in ("ledger", "ended", "reports"))
    allow, gate = ledger.gate()
    work = ledger.handler(f"{gate}\nsleep 0.0$((PAWL_JOB % 7))\n{ended.line()}")
    handlers = {"k": work, "report": reports.handler()}
    batch = Batch(api, ["collect", "process", "results"], threshold="0.1")
    for stage in ("collect", "process", "results"):
        batch.push(N // 3, stage=stage)
    assert batch.seal() == "sealed"
    moments = sorted(rng.sample(range(10, N - 30), KILLS - AT_THE_END))
    with Fleet(db, 3, *ARGS, handlers=handlers) as fleet:
        for moment in moments:  # what begins after it waits, however long a kill takes
            allow(moment)
            ledger.wait_for(moment, 40)
            allow(moment + rng.randrange(9))  # some end, and are settled, meanwhile
            fleet.kill(rng.choice(fleet.busy()))
            fleet.add()
        allow(10 * N)
        for _ in range(AT_THE_END):  # the last results, and the end
            near = N - rng.randrange(1, 4)
            wait_until(lambda n=near: sum(batch.counters()[1:]) >= n, 40, "the end to be near")
            fleet.kill(rng.choice(fleet.workers))
            fleet.add()
        wait_until(lambda: batch.completions() == ["succeeded"], 40, fleet.logs)
    print(f"{len(ledger.runs()) - N} items ran again; had ended: {invariants.unsettled(db, ended)}")
    assert len(ledger.runs()) > N, "the kills have met nothing"
    lost = db.value(LOST)  # hit three times, which is rare
    assert batch.state() == "succeeded" and batch.counters() == (N, N - lost, lost, 0)
    assert not wrong_counters(api)
    assert len(set(reports.jobs())) == 1 and db.value("SELECT count(*) FROM pawl.outcome") == N + 1


def test_seventeen_of_twenty(db, api, tmp_path):
    """Three items kill their worker each time: they are failed, the others kept (3.9)."""
    ledger = Ledger(tmp_path)
    deadly = write_script(tmp_path, "deadly", "kill -9 $PPID; sleep 5")
    handlers = {"k": ledger.handler(), "deadly": deadly, "report": ledger.handler()}
    batch = Batch(api, threshold="0.2")
    batch.push(17)
    batch.push(3, kind="deadly", max_attempts=1)
    batch.seal()
    with Fleet(db, 1, *ARGS, handlers=handlers) as fleet:

        def done():
            for worker in list(fleet.workers):
                if not worker.running():
                    fleet.kill(worker)
                    fleet.add()
            return batch.completions() == ["succeeded"]

        wait_until(done, 90, fleet.logs)
    crashes = "SELECT count(*) FROM pawl.attempt WHERE category = 'crash'"
    assert api.one(crashes) >= 9
    assert batch.counters() == (20, 17, 3, 0) and batch.state() == "succeeded"


def test_a_cancelled_batch_ends_with_its_handlers(db, api, tmp_path):
    """More jobs than one chunk, some of them running: all end, and the report runs."""
    ledger = Ledger(tmp_path)
    handlers = {"k": ledger.handler("exec sleep 60"), "report": ledger.handler()}
    batch = Batch(api)
    batch.push(2200)
    with Fleet(db, 1, *ARGS, handlers=handlers) as fleet:
        ledger.wait_for(3)
        batch.cancel(reason="no longer wanted")
        wait_until(lambda: batch.completions() == ["succeeded"], 30, fleet.logs)
    assert batch.state() == "cancelled" and batch.counters() == (2200, 0, 0, 2200)
    assert len(ledger.runs()) <= 3 + 3 + 1
