"""The example contact-sync, as `make demo` runs it, with less to do and no terminal.

Guards against what its report tells: a queue whose pushes lock rows in the order of the
list and whose workers lock them in the order in which jobs end, so that the two deadlock;
and against the quiet fault beside it, a change that meets a running job and is applied
by nobody.
"""

import json
import signal
import threading

import psycopg
import pytest
from harness.example import EXAMPLES, Runner, wait_for
from harness.wait import wait_until

EXAMPLE = EXAMPLES / "contact-sync"
MEMBERS = ["example", "contacts", "changes", "pushed", "jobs", "coalesced", "taken_over",
           "recovery_ms", "deadlocks", "lock_timeouts"]
CONTACTS = 30
JOBS = 60
LAST = "return ended >= jobs"
MET = """ and db.execute("SELECT FROM pawl.jobs WHERE state = 'running'"
                                  " AND started_at < clock_timestamp() - interval '1.5 s'"
                                  ).rowcount > 3"""
SHORT = ("--contacts", CONTACTS, "--jobs", JOBS)

pytestmark = pytest.mark.deadline(300)


# -- as it is run ------------------------------------------------------------------------


@pytest.fixture
def runner():
    example = Runner("contact-sync")
    yield example
    example.remove()


def test_it_works_a_second_time(runner):
    for _ in range(2):
        code, out, err = runner.run(*SHORT)
        assert code == 0, err
        lines = out.splitlines()
        last = json.loads(lines[-1])
        assert list(last) == MEMBERS
        assert (last["example"], last["contacts"]) == ("contact-sync", CONTACTS)
        assert last["pushed"] == last["changes"] + 2 * 10 * CONTACTS
        assert JOBS <= last["jobs"] < last["pushed"] / 2
        assert last["coalesced"] == last["pushed"] - last["jobs"]
        assert last["taken_over"] >= 2
        assert (last["deadlocks"], last["lock_timeouts"]) == (0, 0)
        assert lines[0].split()[:2] == ["pusher", "transactions"]
        assert sum("(killed)" in line for line in lines) >= 1
        assert "\033" not in out + err and "\r" not in err
        assert f"all jobs {last['jobs']}/{last['jobs']}" in err
        assert runner.left_over() == []


def test_with_the_other_setting_it_fails(runner, tmp_path):
    """Red: keys that are kept until the end lose the change that met a running job.

    Pushes that follow each other hold the jobs back from the workers, on a busy machine
    for seconds: so the editors do not end before jobs run that have read.
    """
    copied = runner.copy(tmp_path, "apply", "pg_sleep(0.1)", "pg_sleep(3)")
    edit = (copied / "edit").read_text(encoding="utf-8")
    assert LAST in edit
    (copied / "edit").write_text(edit.replace(LAST, LAST + MET), encoding="utf-8")
    code, out, err = runner.run(*SHORT, "--until", "end", example=copied)
    assert code == 1, out
    assert "failed: the last change of" in err
    assert runner.left_over() == []


def test_a_wrong_handler_is_found_out(runner, tmp_path):
    """The checking is real: the version alone does not prove that the data arrived."""
    copied = runner.copy(tmp_path, "apply", ", phone = excluded.phone", "")
    code, _, err = runner.run(*SHORT, example=copied)
    assert code == 1
    assert "failed: the last change of" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_example(runner, number):
    """Its own programs end with it, as the workers do."""
    process = runner.start("--jobs", 100_000)
    try:
        wait_for(process, "jobs ")
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    wait_until(lambda: not runner.processes(), 60, "what it has started to end")


# -- the last change ---------------------------------------------------------------------


def change(db, until):
    """What an editor does, once: whether a job was made for it."""
    with db.connect(autocommit=False) as editor:
        editor.execute("UPDATE contact SET version = version + 1, phone = version || '!'")
        (created,) = editor.execute(
            "SELECT created FROM pawl.push_many('apply', ARRAY['{\"contact\": 1}']::jsonb[],"
            " unique_keys => '{contact 1}', unique_until => %s)", [until]).fetchone()
    return created


def applying(db):
    """Whether a handler has read the contact and waits to write it."""
    return db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name LIKE 'pawl job %' AND wait_event_type = 'Lock'")


@pytest.mark.parametrize("until, applied", [("start", 2), ("end", 1)])
def test_a_change_while_its_job_runs(db, worker, until, applied):
    """The handler has read version 1 and not written it yet; version 2 is committed.
    Red on: 'end', whose push answers the job that runs, so that version 2 is lost."""
    db.execute((EXAMPLE / "schema.sql").read_text(encoding="utf-8"))
    db.execute("INSERT INTO contact VALUES (1, 0, 'Ada', '')")
    assert change(db, until) is True
    with worker("--poll", "50ms", handlers={"apply": EXAMPLE / "apply"}):
        with db.connect(autocommit=False) as blocker:
            blocker.execute("LOCK TABLE crm_contact IN SHARE ROW EXCLUSIVE MODE")
            wait_until(lambda: applying(db), 30, "the handler to have read the contact")
            assert change(db, until) is (until == "start")
        wait_until(lambda: db.value("SELECT bool_and(state = 'succeeded') FROM pawl.jobs"),
                   30, "the jobs to end")
    assert db.execute("SELECT version FROM contact") == [(2,)]
    assert db.execute("SELECT version FROM crm_contact") == [(applied,)]


# -- the deadlock ------------------------------------------------------------------------

NAIVE = """
CREATE TABLE naive_job (
    id bigserial PRIMARY KEY,
    unique_key text UNIQUE,
    state text NOT NULL DEFAULT 'pending'
);
INSERT INTO naive_job (unique_key, state) VALUES ('a', 'running'), ('b', 'running')
"""
NAIVE_PUSH = ("INSERT INTO naive_job (unique_key) VALUES (%s)"
              " ON CONFLICT (unique_key) DO UPDATE SET state = 'pending'")
NAIVE_SETTLE = "UPDATE naive_job SET state = 'succeeded' WHERE unique_key = %s"


def waits(db, connection):
    pid = connection.info.backend_pid
    return db.value("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s",
                    [pid])


def cross(db, push, settle):
    """A push of [a, b] and the settling of [b, a], one transaction each: the first of
    each, then the second of each.  Answers the SQLSTATEs that they fail with."""
    failures = []

    def go_on(connection, step, key):
        try:
            step(connection, key)
            connection.commit()
        except psycopg.Error as error:
            failures.append(error.sqlstate)
            connection.rollback()

    with db.connect(autocommit=False) as pusher, db.connect(autocommit=False) as settler:
        push(pusher, "a")
        settle(settler, "b")
        pushing = threading.Thread(target=go_on, args=[pusher, push, "b"])
        pushing.start()
        wait_until(lambda: not pushing.is_alive() or waits(db, pusher), 30,
                   "the push to wait or to be done")
        go_on(settler, settle, "a")
        pushing.join(30)
        assert not pushing.is_alive()
    return failures


def test_the_order_of_the_report_deadlocks(db, cluster):
    """Red: rows of one table, locked by the push in the order of the list and by the
    worker in the order in which the jobs ended."""
    offset = cluster.log_size()
    db.execute(NAIVE)
    failures = cross(db, lambda connection, key: connection.execute(NAIVE_PUSH, [key]),
                     lambda connection, key: connection.execute(NAIVE_SETTLE, [key]))
    assert failures == ["40P01"]
    assert cluster.log_count("40P01", offset)


@pytest.mark.parametrize("until", ["end", "start"])
def test_the_same_order_by_pawl(db, api, cluster, until):
    """The same two transactions: nobody waits, and both are done."""
    offset = cluster.log_size()
    jobs = {key: api.push("apply", unique_key=key, unique_until=until) for key in "ab"}
    fences = {row.job: row.fence for row in api.claim(api.worker_start(), 2)}

    def push(connection, key):
        connection.execute("SELECT pawl.push('apply', unique_key => %s, unique_until => %s)",
                           [key, until])

    def settle(connection, key):
        connection.execute("SELECT pawl.complete(%s, %s)", [jobs[key], fences[jobs[key]]])

    assert cross(db, push, settle) == []
    assert [api.state(jobs[key]) for key in "ab"] == ["succeeded", "succeeded"]
    assert not any(cluster.log_count(state, offset) for state in ("40P01", "55P03"))
