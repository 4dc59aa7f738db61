"""Errors of the server while results are recorded (report 004: the settlers' deadlocks).

The bug: the statement that records many results fails for one row of them, or for a
moment, and takes the results of all others, the lease, or the worker with it.
"""

import psycopg
import pytest
from harness import invariants
from harness.api import Api, json_array
from harness.grouped import Runner
from harness.ledger import Ledger
from harness.paths import BUILD
from harness.program import Worker
from harness.wait import wait_until

OBJECT = BUILD / "tests/e2e/handler_object.so"
FOR_EVER = 1000000


def inject(db, sqlstate, n, where="true"):
    """The first n rows of outcome for which `where` holds raise; the xid of each try and
    its job are in the server's log."""
    db.execute("CREATE SEQUENCE public.tries; GRANT ALL ON SEQUENCE public.tries TO PUBLIC")
    db.execute(f"""CREATE FUNCTION public.injected() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {where} AND nextval('public.tries') <= {n} THEN
                RAISE EXCEPTION 'injected: job %, transaction %', NEW.job_id,
                    pg_current_xact_id() USING ERRCODE = '{sqlstate}';
            END IF;
            RETURN NEW;
        END $$""")
    db.execute("CREATE TRIGGER injected BEFORE INSERT ON pawl.outcome FOR EACH ROW"
               " EXECUTE FUNCTION public.injected()")


def injected(db, offset):
    """[(job, transaction)] of the injected errors, as the server's log has them."""
    found = []
    for line in db.cluster.log_text(offset).splitlines():
        if "pawl settle" in line and "ERROR:  injected: job " in line:
            words = line.rpartition("injected: job ")[2].split()
            found.append((int(words[0].rstrip(",")), int(words[-1])))
    return found


def outcomes(api):
    return api.one("SELECT count(*) FROM pawl.outcome")


@pytest.mark.parametrize("sqlstate", ["40P01", "55P03", "40001"])
def test_injected_for_a_while(db, api, tmp_path, sqlstate):
    """ACCEPTANCE 4.6: retried, each time in a new transaction, with pauses; the lease is
    kept, nothing runs twice, and no result is lost."""
    offset = db.cluster.log_size()
    ledger = Ledger(tmp_path)
    inject(db, sqlstate, 6)
    jobs = api.push_some(40, kind="work")
    with Worker(db, "-j", "4", "--lease", "2s", "--poll", "100ms",
                handlers={"work": ledger.handler()}) as worker:
        wait_until(lambda: outcomes(api), 20, worker.log)
        (before,) = api.query("SELECT id FROM pawl.worker")
        invariants.wait_finished(db, len(jobs), 30)
        assert [before] == api.query("SELECT id FROM pawl.worker"), "the lease was lost"
        assert worker.drain() == 0, worker.log()
        assert f"({sqlstate})" in worker.log()
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []
    tries = injected(db, offset)
    assert len(tries) == 6 and len({xid for _, xid in tries}) == 6, tries
    assert not db.cluster.log_count("25P02", offset)


@pytest.mark.parametrize("sqlstate", ["40P01", "55P03", "P0001"])
def test_heartbeats_and_other_queues_go_on(db, api, tmp_path, sqlstate):
    """ACCEPTANCE 4.6: no result of one queue can be recorded, for longer than a lease;
    those of the other are, beside it; afterwards all are, once."""
    ledger = Ledger(tmp_path)
    sick = api.push_some(20, kind="work", queue="sick")
    well = api.push_some(200, kind="work", queue="well")
    inject(db, sqlstate, FOR_EVER, f"NEW.job_id <= {sick[-1]}")
    with Worker(db, "-q", "sick,well", "-j", "4", "--lease", "2s", "--poll", "100ms",
                handlers={"work": ledger.handler()}) as worker:
        wait_until(lambda: api.query("SELECT FROM pawl.worker"), 30, "a lease")
        lease = "SELECT id, expires_at - lease FROM pawl.worker"
        (first,) = api.query(lease)
        wait_until(lambda: outcomes(api) == len(well), 60,
                   lambda: f"the others' results: {outcomes(api)}\n{worker.log()}")
        wait_until(lambda: (api.query(lease)[0][1] - first[1]).total_seconds() > 4, 30,
                   "two leases to have gone by")
        (after,) = api.query(lease)
        assert after[0] == first[0], "the lease was lost"
        assert outcomes(api) == len(well)
        db.execute("DROP TRIGGER injected ON pawl.outcome")
        invariants.wait_finished(db, len(sick + well), 30)
        assert worker.drain() == 0, worker.log()
    jobs = sorted(sick + well)
    assert invariants.check_outcomes(db, jobs, ledger, crashes_may_fail=False) == []


@pytest.mark.slow
@pytest.mark.parametrize("sqlstate", ["40001", "55P03", "23514"])
def test_one_bad_row_of_a_thousand(db, api, sqlstate):
    """ACCEPTANCE 4.7, through a worker: 999 are recorded while the one cannot be."""
    jobs = api.push_some(1000, kind="work")
    bad = jobs[500]
    inject(db, sqlstate, FOR_EVER, f"NEW.job_id = {bad}" + (
        " AND NEW.state = 'succeeded'" if sqlstate == "23514" else ""))
    with Worker(db, "-L", f"work={OBJECT}", "-j", "2", "--poll", "100ms") as worker:
        wait_until(lambda: outcomes(api) >= 999, 60,
                   lambda: f"{outcomes(api)} results\n{worker.log()}")
        assert api.state(bad) != "succeeded"
        db.execute("DROP TRIGGER injected ON pawl.outcome")
        if sqlstate == "23514":  # the fault is the row's: its attempt has failed, and says so
            wait_until(lambda: api.attempts(bad) == ["error"], 20, "the failure")
        else:
            wait_until(lambda: api.state(bad) == "succeeded", 20, worker.log)
        assert worker.drain() == 0, worker.log()


def test_one_bad_row_of_a_thousand_in_sql(db, api):
    """ACCEPTANCE 4.7, in one statement: whatever is wrong with one pair is its own
    answer; 999 are won."""
    wid = api.worker_start()
    jobs = api.push_some(1000)
    claims = sorted((row.job, row.fence) for row in api.claim(wid, 1000))
    fences = [fence for _, fence in claims]
    stale = [*fences[:500], fences[500] - 1, *fences[501:]]
    large = [None] * 700 + ["x" * (1 << 20)] + [None] * 299
    with db.connect(autocommit=False) as other:
        Api(other).fence(jobs[300], fences[300])  # held by an open transaction
        rows = api.rows("complete_many", jobs=jobs, fences=stale, results=json_array(large))
    answers = {row.job: row.answer for row in rows}
    assert answers.pop(jobs[300]) == "busy" and answers.pop(jobs[500]) == "stale"
    assert set(answers.values()) == {"won"} and len(answers) == 998
    assert api.state(jobs[700]) == "scheduled", "a result that is too large is a failure"


def test_naive_batch_is_stuck(db, api):
    """Red: the whole batch again and again, each time in a new transaction: one row that
    cannot be recorded keeps the other 999 back."""
    jobs = api.push_some(1000)
    wid = api.worker_start()
    claims = sorted((row.job, row.fence) for row in api.claim(wid, 1000))
    inject(db, "40P01", FOR_EVER, f"NEW.job_id = {jobs[500]}")
    said = []
    for _ in range(20):
        try:
            api.rows("complete_many", jobs=jobs, fences=[fence for _, fence in claims])
        except psycopg.Error as error:
            said.append(error.sqlstate)
    assert said == ["40P01"] * 20 and outcomes(api) == 0, "turned green"


# ---------------------------------------------------------------- late results -----


def everything(api):
    """Every row that is about jobs, with its version."""
    return {table: api.query(f"SELECT ctid, xmin, xmax, t.* FROM pawl.{table} t ORDER BY 4")
            for table in ("ready", "scheduled", "waiting", "running", "outcome", "attempt")}


SETTLES = {
    "complete_many": {},
    "fail_many": {"errors": ["late"]},
    "snooze_many": {"delays": ["1 hour"]},
    "release_many": {},
}


@pytest.mark.parametrize("group", [None, "g"])
@pytest.mark.parametrize("verb", SETTLES)
def test_late_result_of_a_superseded_claim(api, verb, group):
    """ACCEPTANCE 4.8: the same worker claims the same job again; the old attempt's result
    touches nothing, not even a row's version, and the new one's counts."""
    job = api.push(group_key=group)
    runner = Runner(api)
    claim = runner.dispatch if group else lambda: api.claim_one(runner.worker)
    old = claim()
    api.release(job, old.fence)
    new = claim()
    assert new.job == job and new.fence > old.fence
    before = everything(api)
    (row,) = api.rows(verb, jobs=[job], fences=[old.fence], **SETTLES[verb])
    assert row.answer == "stale"
    assert everything(api) == before
    api.complete(job, new.fence)
    assert api.state(job) == "succeeded"


def test_naive_result_of_a_superseded_claim(api):
    """Red: the worker as the identity of the claim: the old attempt ends the new one."""
    wid = api.worker_start()
    job = api.push()
    old = api.claim_one(wid)
    api.release(job, old.fence)
    api.claim_one(wid)
    naive = api.query("DELETE FROM pawl.running WHERE job_id = %s AND worker = %s"
                      " RETURNING fence", [job, wid])
    assert naive and naive[0].fence != old.fence, "turned green"
