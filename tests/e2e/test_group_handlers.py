"""What handlers of groups may do: write on the group's own connection, take several jobs.

The bugs: a handler whose writes are committed apart from the end of its job, so that a
worker that dies between has them done twice; a transaction that the handler has ended,
and the job succeeds all the same; what one job sets for the session reaching the next;
one bad job of several taking the others with it; jobs of a group that a handler is handed
out of order.
"""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.api import Api
from harness.fleet import seeded
from harness.ledger import write_script
from harness.paths import BUILD
from harness.program import Worker, run_pawl
from harness.wait import wait_until

OWN = BUILD / "tests/e2e/handler_own.so"
MANY = BUILD / "tests/e2e/handler_many.so"
FAST = ("-j", "1", "--lease", "500ms", "--poll", "50ms")
CALM = ("-j", "1", "--lease", "5s", "--poll", "50ms")  # no lease is lost here

# What stops a settle whose handler has asked for it: as it looks at the lease, as it writes
# the outcome, and in COMMIT.
SCHEMA = """
    CREATE TABLE effect (job bigint, fence bigint, attempt int, pid int DEFAULT pg_backend_pid(),
        who text DEFAULT current_user);
    CREATE FUNCTION stop(step text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('test.step', true) = step THEN
            PERFORM pg_advisory_xact_lock_shared(hashtext(current_setting('test.queue')));
        END IF;
    END $$;
    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM public.stop(TG_ARGV[0]);
        RETURN NEW;
    END $$;
    CREATE OR REPLACE FUNCTION pawl.check_isolation(caller text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF caller = 'group_hold' THEN
            PERFORM public.stop('hold');
        END IF;
    END $$;
    CREATE TRIGGER gate BEFORE INSERT ON pawl.outcome FOR EACH ROW
        EXECUTE FUNCTION gate('settle');
    CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION gate('commit')"""
STOPPED = """SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND wait_event = 'advisory' AND application_name LIKE %s"""

BY_HANDLER = ("begin", "write")
STOPS = ("hold", "settle", "commit")
CHAINS = ("one", "two", "three", "four")


@pytest.fixture
def effects(db):
    db.execute(SCHEMA)
    return lambda: db.execute("SELECT job, fence FROM effect ORDER BY job, fence")


def push(api, word, **named):
    return api.push(args=json.dumps(word), group_key=named.pop("group_key", "g"), **named)


def work(db, *args, deadline=20):
    """A worker until every job has ended."""
    left = "SELECT count(*) FROM pawl.job j LEFT JOIN pawl.outcome o ON o.job_id = j.id" \
           " WHERE o.job_id IS NULL"
    with Worker(db, *CALM, *args) as worker:
        # one that has nothing to do would else be stopped before it minds signals
        wait_until(lambda: "working" in worker.log() and db.value(left) == 0, deadline,
                   worker.log)
        assert worker.drain() == 0, worker.log()
        return worker.log()


def skip_failed(db):
    """What has failed for good does not block its group."""
    db.execute("SELECT pawl.queue_set('default', '{\"on_group_failure\": \"skip\"}')")


def outcome(db, job):
    rows = db.execute("SELECT state::text, coalesce(attempt, 1), fence FROM pawl.outcome"
                      " WHERE job_id = %s", [job])
    return rows[0] if rows else None


class Gate:
    """What stops the settles of one queue's jobs, until it is opened."""

    def __init__(self, db, queue="default"):
        self.connection = db.connect()
        self.queue = queue
        self.close()

    def close(self):
        """Also waits for the end of the transaction that has passed."""
        self.connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [self.queue])

    def open(self):
        self.connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", [self.queue])

    def stops(self, worker):
        return self.connection.execute(STOPPED, [f"pawl group %:{worker.pid}"]).fetchall()


def kill_at(db, job, step, gate, queue="default"):
    """A worker until it is killed at this step of the job's first attempt."""
    with Worker(db, "-L", f"k={OWN}", "-q", queue, *FAST) as worker:
        if step in STOPS:
            wait_until(lambda: gate.stops(worker), 15, worker.log)
        elif step == "after":
            wait_until(lambda: outcome(db, job), 15, worker.log)
        if step not in BY_HANDLER:
            worker.signal(signal.SIGKILL)
        assert worker.wait(15) == -signal.SIGKILL, worker.log()
    if step in STOPS:
        gate.open()
        gate.close()


@pytest.mark.kill
def test_effects_and_outcomes_are_one(db, effects):
    """Twenty-four kills: before the handler's write, after it, while the settle looks at
    the lease, writes the outcome, commits, and when it has committed."""
    rng = seeded("own")
    steps = {queue: rng.sample((*BY_HANDLER, *STOPS, "after"), 6) for queue in CHAINS}

    def chain(queue):
        gate = Gate(db, queue)
        jobs = []
        for step in steps[queue]:
            with db.connect() as connection:
                jobs.append(push(Api(connection), step, queue=queue, group_key=queue))
            kill_at(db, jobs[-1], step, gate, queue)
        return jobs

    with ThreadPoolExecutor(len(CHAINS)) as pool:
        jobs = dict(zip(CHAINS, pool.map(chain, CHAINS)))
    work(db, "-L", f"k={OWN}", "-q", ",".join(CHAINS))
    done = {job: (step, *outcome(db, job)) for queue in CHAINS
            for job, step in zip(jobs[queue], steps[queue])}
    assert len(done) == 24 and {state for _, state, _, _ in done.values()} == {"succeeded"}
    assert effects() == sorted((job, fence) for job, (_, _, _, fence) in done.items())
    # what was killed before COMMIT was sent has been done again, and nothing else
    assert all((attempt == 1) == (step in ("commit", "after"))
               for step, _, attempt, _ in done.values()), done


@pytest.mark.kill
def test_naive_effects_are_doubled(db, api, effects):
    """Red: a handler that writes by a connection of its own."""
    job = push(api, "naive")
    with Worker(db, "-L", f"k={OWN}", *FAST) as worker:
        assert worker.wait(15) == -signal.SIGKILL, worker.log()
    work(db, "-L", f"k={OWN}")
    assert outcome(db, job)[:2] == ("succeeded", 2)
    assert [done for done, _ in effects()] == [job, job], "turned green"


# What a handler does to the transaction, and what its attempt is told.
MISUSE = {
    "commits": "ended the transaction",
    "rolls-back": "ended the transaction",
    "begins": "ended the transaction",
    "chains": "ended the transaction",
    "error": "a statement failed in the transaction",
    "copy": "left a statement unfinished",
    "unfinished": "left a statement unfinished",
    "completes": "or the handler had settled it itself",
    "large": "exceeds the limit of 1048576 bytes",
    "json": "invalid input syntax for type json",
    "fail": "handler failed without a message",
}
COMMITTED = ("commits", "begins", "chains")  # by the handler: nobody can take it back


@pytest.mark.drain
def test_a_transaction_that_cannot_be_committed(db, api, effects):
    """Its attempt has failed, whatever the handler says, what it wrote is rolled back, and
    the next attempt is the one that counts; all of it on one connection."""
    jobs = {word: push(api, word) for word in MISUSE}
    log = work(db, "-L", f"k={OWN}")
    for word, job in jobs.items():
        assert outcome(db, job)[:2] == ("succeeded", 2), (word, log)
        said = db.value("SELECT error FROM pawl.attempt WHERE job_id = %s", [job])
        assert MISUSE[word] in said, (word, said)
    done = [job for job, _ in effects()]
    twice = [jobs[word] for word in MISUSE if word in COMMITTED]
    assert done == sorted([*jobs.values(), *twice])
    assert db.value("SELECT count(DISTINCT pid) FROM effect") == 1


@pytest.mark.drain
def test_what_cannot_be_brought_to_rest(db, api, effects):
    """A pipeline that is left full: the connection is closed, nothing is settled on another,
    and the job is taken over when the lease is over."""
    job = push(api, "pipeline")
    work(db, "-L", f"k={OWN}", "--lease", "500ms")
    assert outcome(db, job)[:2] == ("succeeded", 2) and api.attempts(job) == ["crash"]
    assert [done for done, _ in effects()] == [job]


@pytest.mark.drain
def test_a_session_is_forgotten(db, api, effects):
    """search_path, role, a temporary table in the place of the user's, a prepared statement,
    a lock: the next job of the group, on the same connection, meets none of them.  A handler
    may also have forgotten what the worker has prepared."""
    db.execute("CREATE ROLE nobody_in_particular SUPERUSER")
    try:
        jobs = [push(api, word) for word in ("", "session", "session", "deallocates", "")]
        log = work(db, "-L", f"k={OWN}")
        assert [outcome(db, job)[:2] for job in jobs] == [("succeeded", 1)] * 5, log
        assert "warn" not in log, log
        assert [job for job, _ in effects()] == jobs
        rows = db.execute("SELECT DISTINCT pid, who FROM effect")
        assert len(rows) == 1 and rows[0][1] == "postgres", rows
    finally:
        db.execute("DROP ROLE nobody_in_particular")


@pytest.mark.drain
def test_jobs_without_a_group_have_no_connection(db, api, effects):
    job = api.push(args=json.dumps(""), max_attempts=1)
    work(db, "-L", f"k={OWN}")
    assert api.job(job).error == "no connection" and effects() == []


@pytest.mark.drain
def test_cancelled_while_it_writes(db, api, effects):
    """The cancel comes first: nothing of the handler's is left."""
    job = push(api, "hold")
    gate = Gate(db)
    with Worker(db, "-L", f"k={OWN}", *CALM) as worker:
        wait_until(lambda: gate.stops(worker), 30, worker.log)
        assert api.cancel(job) == "running"
        gate.open()
        after = push(api, "")
        wait_until(lambda: outcome(db, after), 30, worker.log)
    assert outcome(db, job)[0] == "cancelled" and [done for done, _ in effects()] == [after]


# -- several at once -----------------------------------------------------------------------


def results(db, jobs):
    rows = dict(db.execute("SELECT id, result FROM pawl.jobs"))
    return [rows[job] for job in jobs]


@pytest.mark.drain
def test_several_at_once_each_with_its_end(db, api):
    """Four at a time, consecutive and in order; what has failed is the head again."""
    words = ["ok", "fail", "ok", "final", "snooze", "ok", "release", "silent", "ok"]
    jobs = [push(api, word) for word in words]
    skip_failed(db)
    work(db, "-L", f"k={MANY}")
    ends = {job: outcome(db, job) for job in jobs}
    assert [ends[job][0] for job in jobs] == ["succeeded"] * 3 + ["failed"] + ["succeeded"] * 5
    assert [ends[job][1] for job in jobs] == [1, 2, 1, 1, 2, 1, 2, 2, 1]
    assert api.job(jobs[3]).error == "told to fail, as 3 of 4"
    assert [api.attempts(job) for job in jobs[:2]] == [[], ["error"]]
    assert results(db, [jobs[0], jobs[2]]) == [[0, 4], [2, 4]]
    said = db.execute("SELECT job, message FROM pawl.logs ORDER BY id")
    assert said[:4] == [(job, f"{i} of 4") for i, job in enumerate(jobs[:4])]


@pytest.mark.drain
def test_several_in_one_transaction(db, api, effects):
    """One that fails takes the transaction with it: the others are given back, unblamed, and
    every effect is there once."""
    jobs = [push(api, word) for word in ("own", "ok", "own fail", "ok", "own")]
    work(db, "-L", f"k={MANY}")
    ends = [outcome(db, job) for job in jobs]
    assert [state for state, _, _ in ends] == ["succeeded"] * 5
    assert [api.attempts(job) for job in jobs] == [[], [], ["error"], [], []]
    assert effects() == [(job, fence) for job, (_, _, fence) in zip(jobs, ends)]


BAD_ROW = """
    CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.job = TG_ARGV[0]::bigint THEN
            RAISE EXCEPTION 'bad row' USING ERRCODE = '23514';
        END IF;
        RETURN NEW;
    END $$;
    CREATE CONSTRAINT TRIGGER bad AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION bad({})"""


@pytest.mark.drain
def test_one_bad_job_of_several(db, api, effects):
    """The bug: what nobody can commit together is tried together until all have failed for
    good.  What has failed comes alone."""
    jobs = [push(api, "own", max_attempts=3) for _ in range(4)]
    db.execute(BAD_ROW.format(jobs[1]))
    skip_failed(db)
    work(db, "-L", f"k={MANY}")
    assert [outcome(db, job)[:2] for job in jobs] == [
        ("succeeded", 2), ("failed", 3), ("succeeded", 2), ("succeeded", 2)]
    assert [done for done, _ in effects()] == [jobs[0], *jobs[2:]]
    said = db.execute("SELECT DISTINCT error FROM pawl.attempt")
    assert said == [("bad row (23514)",)]


@pytest.mark.drain
def test_one_at_a_time_without_a_group(db, api):
    jobs = [api.push(args=json.dumps("ok")) for _ in range(3)]
    work(db, "-L", f"k={MANY}")
    assert results(db, jobs) == [[0, 1]] * 3


# -- programs ------------------------------------------------------------------------------


def test_a_program_sees_its_group(db, tmp_path):
    """In the order of the pushes, one at a time."""
    seen = tmp_path / "seen"
    handler = write_script(tmp_path, "handler", f"""
mkdir {tmp_path}/alone || exit 65
echo "$PAWL_GROUP ${{PAWL_RUN-none}} ${{PAWL_JOBS-one}} $(cat)" >>{seen}
rmdir {tmp_path}/alone""")
    for n in range(3):
        run_pawl(db, "push", "k", str(n), "--group", "acme/orders", *(["--run", "7"] if n else []))
    line = '{"kind": "k", "args": 3, "group_key": "acme/orders", "run_key": 7}\n'
    run_pawl(db, "push", "--ndjson", "-", input=line)
    work(db, "-H", f"k={handler}")
    assert seen.read_text().splitlines() == [
        "acme/orders none one 0", *(f"acme/orders 7 one {n}" for n in (1, 2, 3))]


def settings(tmp_path, command, jobs):
    path = tmp_path / "pawl.conf"
    path.write_text(f"[handler k]\nexec = {command}\njobs = {jobs}\n")
    return ("-c", str(path))


# Says of each job what its args say, and ends as the environment tells it.
PROGRAM = """
import json, os, sys
jobs = [json.loads(line) for line in sys.stdin]
assert len(jobs) == int(os.environ["PAWL_JOBS"]) and jobs[0]["job"] == int(os.environ["PAWL_JOB"])
out = os.fdopen(3, "w")
for i, job in enumerate(jobs):
    said = {"result": {"result": [i, len(jobs), job.get("group")]}, "error": {"error": "bad data",
            "final": True}, "again": {"error": "not yet"} if job["attempt"] == 1 else {"result": 0}}
    print(json.dumps({"job": job["job"], "retry_after_s": 0, **said.get(job["args"]["say"], {})}),
          file=out, flush=True)
print(json.dumps({"job": 1 << 60, "result": 7}), file=out, flush=True)
first = all(job["attempt"] == 1 for job in jobs)
sys.exit(jobs[0]["args"].get("exit", 0) if first else 0)
"""


def push_words(api, words, **named):
    return [api.push(args={"say": word, **named}, group_key="g") for word in words]


@pytest.fixture
def program(tmp_path):
    return write_script(tmp_path, "program", PROGRAM, "/usr/bin/python3")


def test_a_program_for_several_jobs(db, api, tmp_path, program):
    """A line for each on its input, a line for each on descriptor 3."""
    jobs = push_words(api, ["result", "again", "error", "nothing", "result"])
    alone = api.push(args={"say": "nothing"})
    skip_failed(db)
    work(db, *settings(tmp_path, program, 4))
    ends = [outcome(db, job)[:2] for job in jobs]
    assert ends == [("succeeded", 1), ("succeeded", 2), ("failed", 1), ("succeeded", 1),
                    ("succeeded", 1)]
    assert results(db, jobs[:2]) == [[0, 4, "g"], 0] and api.job(jobs[2]).error == "bad data"
    assert db.value("SELECT count(*) FROM pawl.logs WHERE message LIKE '%was not given'") > 0
    assert api.state(alone) == "succeeded"


@pytest.mark.parametrize("code, category", [(3, ["error"]), (75, [])])
def test_the_end_of_a_program_for_several_jobs(db, api, tmp_path, program, code, category):
    """What it has said stands.  Of the rest the first has failed and the others are given
    back; or all are snoozed."""
    jobs = push_words(api, ["result", "nothing", "nothing"], exit=code)
    work(db, *settings(tmp_path, program, 10))
    ends = [outcome(db, job)[:2] for job in jobs]
    assert ends == [("succeeded", 1), ("succeeded", 2), ("succeeded", 2)]
    assert [api.attempts(job) for job in jobs] == [[], category, []]
