"""What handlers count, and the jobs that they push into their own batch.

The bugs: a counter that is added to when the handler says so, and so once more for each
attempt and each delivery; a stage that is sealed before its running jobs have pushed
their children, and so ends without them.
"""

import psycopg
import pytest
from harness.api import sqlstate
from harness.batches import Batch, without_upkeeps_fold, wrong_counters
from harness.fleet import Fleet, seeded
from harness.ledger import Ledger, write_script
from harness.paths import BUILD, REPO, program
from harness.program import Worker, run_pawl
from harness.proxy import CUT_ANSWER, Proxy, commit_of
from harness.wait import wait_until

pytestmark = pytest.mark.kill

OBJECT = BUILD / "tests/e2e/handler_batch.so"
FAST = ("-j", "4", "-q", "default,reports", "--lease", "2s", "--poll", "100ms")
BRISK = ("-j", "2", "-q", "default,reports", "--lease", "1s", "--poll", "100ms")
CRASHES = "SELECT count(*) FROM pawl.attempts WHERE category = 'crash'"
SAYS = """echo '{"count":{"detections":2}}' >&3
echo '{"count":{"detections":3,"pages":1}}' >&3"""


def done(batch, state="succeeded"):
    return batch.state() == state


def counted(db):
    """The naive sum: a counter that is added to by each message."""
    return db.value("SELECT coalesce(sum((context->'count'->>'detections')::int), 0)"
                    " FROM pawl.logs WHERE message = 'count'")


def lost_for_good(db):
    """{stage: how many of its jobs were lost with three workers}"""
    return dict(db.execute(
        "SELECT j.stage, count(*) FROM pawl.jobs j WHERE j.state = 'failed' AND (SELECT count(*)"
        " FROM pawl.attempts a WHERE a.job = j.id AND a.category = 'crash') = 3 GROUP BY 1"))


def test_counted_once_whoever_is_killed(db, api, tmp_path):
    """Workers are killed twenty times at random moments, and each job's first attempt fails
    after it has counted; what the messages sum up to is too much, the counters are exact."""
    rng = seeded("batch-handlers")
    n, kills = 120, 20
    ledger = Ledger(tmp_path)
    allow, gate = ledger.gate()
    fails = f'{SAYS}\n{gate}\nif mkdir {tmp_path}/$PAWL_JOB 2>/dev/null; then sleep 0.1; exit 1; fi'
    handlers = {"k": ledger.handler(fails), "report": ledger.handler()}
    batch = Batch(api, ["process", "results"])
    batch.push(n // 2, stage="process")
    batch.push(n // 2, stage="results")
    batch.seal()

    def hurry():
        db.execute("UPDATE pawl.scheduled SET due = now() WHERE due < 'infinity' AND due > now()")

    def started(moment):
        hurry()
        return len(ledger.runs()) >= moment

    with Fleet(db, 3, *BRISK, handlers=handlers) as fleet:
        for moment in sorted(rng.sample(range(1, 2 * n - 10), kills)):
            allow(moment)
            wait_until(lambda: started(moment), 30, fleet.logs)
            allow(moment + rng.randrange(9))  # some end, and are settled, meanwhile
            fleet.kill(rng.choice(fleet.busy()))
            fleet.add()
        allow(10 * n)

        def ended():
            hurry()
            return batch.completions() == ["succeeded"]

        wait_until(ended, 60, fleet.logs)
        wait_until(lambda: counted(db) > n * 5, 30, "the naive sum to be too large")
    lost = lost_for_good(db)
    print(f"{api.one(CRASHES)} attempts crashed, lost for good {lost}")
    assert api.one(CRASHES) >= kills / 2 and sum(lost.values()) < n / 10
    done = {stage: n // 2 - lost.get(stage, 0) for stage in ("process", "results")}
    assert batch.stages() == {
        stage: (n // 2, m, n // 2 - m, 0) for stage, m in done.items()}
    assert not wrong_counters(api)
    assert batch.counts() == {
        stage: {"detections": m * 5, "pages": m} for stage, m in done.items()}


def test_delivered_twice(db, api, tmp_path):
    """The answers of the settler's commits are lost, so that it delivers again."""
    n = 60
    ledger = Ledger(tmp_path)
    batch = Batch(api, on_complete=None)
    batch.push(n)
    batch.seal()
    with Proxy(db) as proxy:
        fault = proxy.fault(CUT_ANSWER, commit_of("settle"), times=3)
        with Worker(db, *FAST, env=proxy.env(),
                    handlers={"k": ledger.handler(f"{SAYS}\nsleep 0.05")}) as worker:
            wait_until(lambda: done(batch), 60, worker.log)
        assert fault.times == 0, "no commit was cut"
    assert ledger.twice() == [] and len(ledger.jobs()) == n
    assert batch.counts() == {"main": {"detections": n * 5, "pages": n}}


def test_what_cannot_be_counted(db, api, tmp_path):
    """Words and fractions are told in the log and left out; too many names are a failure
    of the attempt; a job without a batch counts for nothing."""
    batch = Batch(api, on_complete=None)
    odd, many, alone = (api.push(kind, batch=b, max_attempts=1) for kind, b in
                        (("odd", batch.id), ("many", batch.id), ("odd", None)))
    batch.seal()
    handlers = {
        "odd": write_script(tmp_path, "odd", """cat >&3 <<'END'
{"count": {"a": "1", "b": 0.5, "c": -2, "d": 1e300}}
{"count": 7}
END"""),
        "many": write_script(tmp_path, "many", """i=0
while [ $i -lt 65 ]; do echo "{\\"count\\":{\\"n$i\\":1}}" >&3; i=$((i+1)); done"""),
    }
    with Worker(db, *FAST, "--once", handlers=handlers) as worker:
        assert worker.wait() == 0, worker.log()
    states = dict(db.execute("SELECT id, state FROM pawl.jobs"))
    assert states == {odd: "succeeded", many: "failed", alone: "succeeded"}
    assert api.one("SELECT error FROM pawl.jobs WHERE id = %s", [many]).endswith("64 names")
    assert batch.counts() == {"main": {"c": -2}}
    warned = db.value("SELECT count(*) FROM pawl.logs WHERE job = %s AND level = 'warn'", [odd])
    assert warned == 4


def test_a_program_sees_its_batch_and_pushes_into_it(db, api, tmp_path):
    """Sealed, so that only its own running jobs may push into it: one job, or many lines of
    which some are of other batches or of none."""
    other = Batch(api)
    seen = tmp_path / "seen"
    parent = write_script(tmp_path, "parent", f"""
echo "$PAWL_BATCH $PAWL_STAGE" >>{seen}
line='{{"kind": "child", "batch": '$PAWL_BATCH', "stage": "results"}}'
other='{{"kind": "child", "batch": {other.id}}}'
env -u PAWL_FENCE {program()} push child --batch $PAWL_BATCH --stage results
echo $? >>{seen}
echo "$line" | env -u PAWL_FENCE {program()} push --ndjson -
echo $? >>{seen}
{program()} push child --batch $PAWL_BATCH --stage results
printf '%s\\n' "$line" '{{"kind": "child"}}' "$line" "$other" | {program()} push --ndjson -""")
    child = write_script(tmp_path, "child", f'echo "$PAWL_BATCH $PAWL_STAGE" >>{seen}')
    report = write_script(tmp_path, "report", f'echo "$PAWL_BATCH ${{PAWL_STAGE-none}}" >>{seen}')
    batch = Batch(api, ["process", "results"])
    run_pawl(db, "push", "parent", "--batch", batch.id)
    line = f'{{"kind": "child", "batch": {batch.id}, "stage": "results"}}\n'
    run_pawl(db, "push", "--ndjson", "-", input=line)
    batch.seal()
    assert "sealed" in run_pawl(db, "push", "child", "--batch", batch.id, check=5).stderr
    run_pawl(db, "push", "child", "--batch", batch.id + 99, check=3)
    run_pawl(db, "push", "child", "--stage", "results", check=2)
    handlers = {"parent": parent, "child": child, "report": report}
    with Worker(db, *FAST, handlers=handlers) as worker:
        wait_until(lambda: batch.completions() == ["succeeded"], 20, worker.log)
        wait_until(lambda: other.counters() == (1, 1, 0, 0), 20, worker.log)
        wait_until(lambda: len(seen.read_text().splitlines()) == 10, 20, worker.log)
    assert batch.stages() == {"process": (1, 1, 0, 0), "results": (4, 4, 0, 0)}
    b = batch.id
    assert sorted(seen.read_text().splitlines()) == sorted(
        [f"{b} process", "5", "5", *[f"{b} results"] * 4, f"{b} none", f"{other.id} main", " "])


def test_a_function_pushes_into_its_batch(db, api, tmp_path):
    """The same in C: pawl_batch_open and seal, a parent, all forms of a push, counts."""
    api.push("open")
    handlers = ("-L", f"open={OBJECT}", "-L", f"item={OBJECT}", "-L", f"child={OBJECT}")
    with Worker(db, *FAST, *handlers) as worker:
        wait_until(lambda: db.value("SELECT count(*) FROM pawl.outcome") == 1 + 3 * 6 + 1, 20,
                   worker.log)
    rows = list(db.execute("SELECT stage, total, succeeded, counts FROM pawl.batch_stages ORDER BY 1"))
    assert db.value("SELECT state FROM pawl.batches") == "succeeded"
    assert rows == [("collect", 3, 3, {"pushed": 15}), ("process", 15, 15, {"children": 15})]
    assert not wrong_counters(api)


HELD_FOLD = """ALTER FUNCTION pawl.fold_ended(bigint[]) RENAME TO fold_ended_at_last;
    CREATE FUNCTION pawl.fold_ended(batches bigint[]) RETURNS bigint[] LANGUAGE sql
    SET lock_timeout = 0 AS
    'SELECT pawl.fold_ended_at_last(batches) FROM pg_advisory_xact_lock_shared(7)'"""
FOLD_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
CLAIMER = """SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'pawl claim%')"""


def count_claims(db):
    """Each claim draws from the sequence public.claims."""
    db.execute("CREATE SEQUENCE public.claims; GRANT ALL ON SEQUENCE public.claims TO PUBLIC")
    for name in ("claim", "claim_few"):
        text = (REPO / f"sql/functions/{name}.sql").read_text(encoding="utf-8")
        begin = "\nBEGIN\n"
        assert begin in text
        db.execute(text.replace(begin, f"{begin}PERFORM nextval('public.claims');\n", 1))


def test_once_waits_for_the_completion_job(db, api, tmp_path):
    """The bug: with the last result nothing is held and nothing is ready, so a worker that
    runs once ends; the settler that has just stored it looks whether the batch has ended,
    and nobody is there for its completion job.  The look is held here until the claimer
    has looked several times, or is gone."""
    ledger = Ledger(tmp_path)
    handlers = {"k": ledger.handler(), "report": ledger.handler()}
    without_upkeeps_fold(db)
    db.execute(HELD_FOLD)
    count_claims(db)
    batch = Batch(api)
    batch.push(3)
    batch.seal()
    with db.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        with Worker(db, *FAST, "--once", handlers=handlers) as worker:
            wait_until(lambda: db.value(FOLD_WAITS), 20, worker.log)
            enough = db.value("SELECT last_value + 6 FROM public.claims")
            wait_until(lambda: db.value("SELECT last_value FROM public.claims") >= enough
                       or not db.value(CLAIMER), 20, worker.log)
            holder.execute("SELECT pg_advisory_unlock(7)")
            assert worker.wait() == 0, worker.log()
            assert batch.completions() == ["succeeded"], worker.log()


CANCEL = """
import os, psycopg
with psycopg.connect("") as connection:
    connection.execute("SELECT pawl.batch_cancel(%s)", [int(os.environ["PAWL_BATCH"])])
"""


def test_once_waits_for_the_end_of_a_cancel(db, api, tmp_path):
    """The bug: a job cancels its batch, which ends a thousand jobs at once and leaves the
    rest to the upkeep; a worker that runs once finds nothing ready and ends, and nobody is
    there for the completion job.  Who had the upkeep's duty was killed a moment ago."""
    ledger = Ledger(tmp_path)
    handlers = {"stop": write_script(tmp_path, "stop", CANCEL, "/usr/bin/python3"),
                "report": ledger.handler()}
    db.execute("UPDATE pawl.upkeep SET worker = gen_random_uuid(),"
               " expires_at = now() + interval '1 h' WHERE duty = 'fold'")
    batch = Batch(api)
    batch.push(1, kind="stop")
    batch.push(2500, queue="elsewhere")
    with Worker(db, *FAST, "--once", handlers=handlers) as worker:
        assert worker.wait() == 0, worker.log()
        assert batch.counters() == (2501, 0, 0, 2501), worker.log()
        assert batch.state() == "cancelled" and batch.completions() == ["succeeded"]


def test_the_last_result_ends_the_batch(db, api, tmp_path):
    """The bugs: a batch is done only when the upkeep comes by; who settles jobs without a
    batch asks for batches all the same.  The upkeep's fold is taken away; red: without
    the settlers' fold the batch stays as it is, though all has ended."""
    ledger = Ledger(tmp_path)
    handlers = {"k": ledger.handler(), "report": ledger.handler()}
    without_upkeeps_fold(db)
    db.execute("CREATE SEQUENCE public.asked; GRANT ALL ON SEQUENCE public.asked TO PUBLIC")
    asks = """CREATE OR REPLACE FUNCTION pawl.fold_ended(batches bigint[]) RETURNS bigint[]
        LANGUAGE sql AS $$ SELECT '{}'::bigint[] FROM nextval('public.asked') $$"""
    db.execute(asks)
    api.push_some(50)
    with Worker(db, *FAST, "--once", handlers=handlers) as worker:
        assert worker.wait() == 0, worker.log()
    assert not db.value("SELECT is_called FROM public.asked")
    batch = Batch(api)
    batch.push(20)
    batch.seal()
    with Worker(db, *FAST, "--once", handlers=handlers) as worker:
        assert worker.wait() == 0, worker.log()
    assert db.value("SELECT is_called FROM public.asked")
    assert batch.counters() == (20, 20, 0, 0) and batch.state() == "sealed", "turned green"
    db.execute((REPO / "sql/functions/fold_ended.sql").read_text(encoding="utf-8"))
    batches = [Batch(api, ["a", "b"]) for _ in range(3)]
    for made in batches:
        made.push(30, stage="a")
        made.push(30, stage="b")
        made.seal()
    with Fleet(db, 2, *FAST, handlers=handlers) as fleet:
        for made in batches:
            wait_until(lambda: made.completions() == ["succeeded"], 20, fleet.logs)
    assert [made.counters() for made in batches] == [(60, 60, 0, 0)] * 3
    assert not wrong_counters(api)


RAISES = """CREATE FUNCTION public.raises() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'not this one' USING ERRCODE = '{1}'; END $$;
    CREATE TRIGGER raises BEFORE UPDATE ON pawl.batch FOR EACH ROW
    WHEN (old.id = {0}) EXECUTE FUNCTION public.raises()"""


def settled(api, batches):
    """A job of each, settled by SQL: nobody folds them but the upkeep."""
    for made in batches:
        made.push(1)
        made.seal()
    for row in api.claim(api.worker_start(), len(batches)):
        api.complete(row.job, row.fence)


def test_a_batch_whose_fold_raises_starves_no_newer_one(db, api):
    """The bug: the upkeep folds the batches in turn, one raises each time, and its cursor
    never comes to those behind it (3.7).  Their jobs are settled by SQL, so nobody else
    folds them.  Red: all in one call, which is what the first try is."""
    batches = [Batch(api, on_complete=None) for _ in range(5)]
    stuck = batches[1]
    settled(api, batches)
    db.execute(RAISES.format(stuck.id, "P0001"))
    with pytest.raises(psycopg.errors.RaiseException):
        api.value("fold_batches")
    assert [made.state() for made in batches] == ["sealed"] * 5, "turned green"
    assert sqlstate(api.value, "fold_batches", after=0, n=0) == "22023"
    assert api.value("next_batch", after=batches[0].id) == stuck.id
    assert api.value("next_batch", after=batches[-1].id) == 0
    with Worker(db, *FAST, handlers={"k": "true"}) as worker:
        for made in batches:
            if made is not stuck:
                wait_until(lambda: done(made), 20, worker.log)
        said = [line for line in worker.log().splitlines() if "not this one" in line]
        assert stuck.state() == "sealed" and len(said) == 1, worker.log()
        assert f"batch {stuck.id} could not be folded and is passed over" in said[0]
        db.execute("DROP TRIGGER raises ON pawl.batch")
        wait_until(lambda: done(stuck), 20, worker.log)
        assert worker.drain() == 0


@pytest.mark.parametrize("code", ["P0001", "55P03"])
def test_once_folds_what_stands_behind_a_batch_that_fails(db, api, tmp_path, code):
    """The bug: the try of a batch that may go well later was followed by a pause, and the
    upkeep's tick counted as done, so that a worker that runs once ended before the newer
    ones were looked at."""
    stuck, *newer = batches = [Batch(api) for _ in range(4)]
    settled(api, batches)
    db.execute(RAISES.format(stuck.id, code))
    handlers = {"report": Ledger(tmp_path).handler()}
    with Worker(db, *FAST, "--once", handlers=handlers) as worker:
        assert worker.wait() == 0, worker.log()
        assert stuck.state() == "sealed" and "not this one" in worker.log()
        assert [made.completions() for made in newer] == [["succeeded"]] * 3, worker.log()


def test_once_waits_for_the_end_of_a_cancel_beside_a_batch_that_fails(db, api, tmp_path):
    """The bug: while batches are folded one at a time, for one of them fails, it is forgotten
    that of another there is more to do, and a worker that runs once ends before that one."""
    stuck, cancelled = Batch(api), Batch(api)
    settled(api, [stuck])
    cancelled.push(6500, queue="elsewhere")
    assert cancelled.cancel() == "more"
    db.execute(RAISES.format(stuck.id, "P0001"))
    handlers = {"report": Ledger(tmp_path).handler()}
    with Worker(db, *FAST, "--once", handlers=handlers) as worker:
        assert worker.wait() == 0, worker.log()
        assert stuck.state() == "sealed" and cancelled.completions() == ["succeeded"], worker.log()


HELD_BATCH = """CREATE FUNCTION public.waits() RETURNS trigger LANGUAGE plpgsql
    SET lock_timeout = 0 AS $$ BEGIN
        PERFORM pg_advisory_xact_lock_shared(7);
        RETURN new; END $$;
    CREATE TRIGGER waits BEFORE UPDATE ON pawl.batch FOR EACH ROW
    WHEN (old.id = {0}) EXECUTE FUNCTION public.waits()"""


def test_once_folds_what_the_upkeep_has_already_passed(db, api, tmp_path):
    """The bug: a worker that runs once asks for a tick while the upkeep is in the middle of
    its round, and takes the end of this one for the answer; what has happened in a batch
    before the asking, but after its turn, is not seen.  The one that fails is there for a
    round of many chunks; it is held at the third batch until the worker's job has ended."""
    ledger = Ledger(tmp_path)
    allow, gate = ledger.gate()
    failing, early, held, last = (Batch(api, on_complete=job) for job in
                                  (None, "report", None, None))
    early.push(1)
    early.seal()
    (row,) = api.claim(api.worker_start(), 1)
    settled(api, [failing, held, last])
    db.execute(RAISES.format(failing.id, "P0001"))
    db.execute(HELD_BATCH.format(held.id))
    count_claims(db)
    alone = api.push("alone")
    handlers = {"report": ledger.handler(), "alone": ledger.handler(gate)}
    with db.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        with Worker(db, *FAST, "--once", handlers=handlers) as worker:
            wait_until(lambda: db.value(FOLD_WAITS), 20, worker.log)
            api.complete(row.job, row.fence)
            allow(1)
            wait_until(lambda: db.value("SELECT count(*) FROM pawl.outcome WHERE job_id = %s",
                                        [alone]), 20, worker.log)
            enough = db.value("SELECT last_value + 6 FROM public.claims")
            wait_until(lambda: db.value("SELECT last_value FROM public.claims") >= enough,
                       20, worker.log)
            holder.execute("SELECT pg_advisory_unlock(7)")
            assert worker.wait() == 0, worker.log()
            assert early.completions() == ["succeeded"], worker.log()


MOMENTS = """CREATE TABLE public.locked(batch bigint, code text);
    GRANT ALL ON TABLE public.locked TO PUBLIC;
    CREATE FUNCTION public.moment() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE code text := (SELECT l.code FROM public.locked l WHERE l.batch = old.id);
    BEGIN
        IF code IS NOT NULL THEN
            RAISE 'not at this moment' USING ERRCODE = code;
        END IF;
        RETURN new; END $$;
    CREATE TRIGGER moment BEFORE UPDATE ON pawl.batch FOR EACH ROW
    EXECUTE FUNCTION public.moment()"""


def test_a_batch_that_is_locked_for_a_moment_is_not_broken(db, api):
    """The bug: a lock timeout of one batch's fold, or a cancelled statement, was taken for a
    batch that cannot be folded.  The newer ones do not wait for it, and it is folded as
    soon as the lock is gone, by the same worker."""
    locked, slow, newer = batches = [Batch(api, on_complete=None) for _ in range(3)]
    settled(api, batches)
    db.execute(MOMENTS)
    for made, code in ((locked, "lock_not_available"), (slow, "query_canceled")):
        db.execute("INSERT INTO public.locked VALUES (%s, %s)", [made.id, code])
    with Worker(db, *FAST, handlers={"k": "true"}) as worker:
        wait_until(lambda: done(newer), 20, worker.log)
        assert locked.state() == slow.state() == "sealed", worker.log()
        for made in (locked, slow):
            said = f"batch {made.id} could not be folded and is passed over for now"
            assert said in worker.log(), worker.log()
        assert "cannot be folded" not in worker.log(), worker.log()
        db.execute("DELETE FROM public.locked WHERE batch = %s", [locked.id])
        wait_until(lambda: done(locked), 20, worker.log)
        assert slow.state() == "sealed", worker.log()
        db.execute("DELETE FROM public.locked")
        wait_until(lambda: done(slow), 20, worker.log)
        assert worker.drain() == 0
