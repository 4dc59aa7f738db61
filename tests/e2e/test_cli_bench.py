"""`pawl bench`: figures of a user's own database, and nothing left in it that works."""

import json
import signal
import subprocess

import pytest
from harness import processes
from harness.paths import program
from harness.program import environment, run_pawl
from harness.wait import wait_until

SHORT = ("bench", "-n", "400", "-s", "1")
MEASURES = ["round trip", "commit", "bulk push", "single push", "single push, median",
            "drain", "latency p50", "latency p95", "latency p99"]
LIVE = """SELECT (SELECT count(*) FROM pawl.ready) + (SELECT count(*) FROM pawl.running)
    + (SELECT count(*) FROM pawl.scheduled)"""
OF_BENCH = "SELECT count(*) FROM pawl.job WHERE queue LIKE 'pawl-bench-%'"


@pytest.fixture
def user(db):
    """A login role with the roles that the help names."""
    db.execute("CREATE ROLE bench_user LOGIN IN ROLE pawl_producer, pawl_worker")
    yield "bench_user"
    db.execute("DROP ROLE bench_user")


def test_figures_and_nothing_live(db, api, user):
    """The bug: a benchmark that claims the user's jobs, leaves its own to be worked on, or
    prints what cannot be."""
    mine = [api.push("noop"), api.push("noop", queue="mail")]
    result = run_pawl(db, *SHORT, "-o", "json", env={"PGUSER": user})
    figures = {row["measure"]: row["value"] for row in json.loads(result.stdout)}
    assert list(figures) == MEASURES
    assert all(figures[name] > 0 for name in MEASURES[:6])
    assert figures["latency p50"] <= figures["latency p95"] <= figures["latency p99"]
    assert [api.state(job) for job in mine] == ["ready", "ready"]
    assert db.value(LIVE) == 2
    pushed = db.value(OF_BENCH)
    assert db.value("SELECT count(*) FROM pawl.outcome WHERE state = 'succeeded'") == pushed
    assert pushed > 400 + 100 and "\r" not in result.stderr
    assert f"left behind: {pushed} finished jobs in queue pawl-bench-" in result.stderr
    assert "bound" in result.stderr
    assert not db.execute("SELECT FROM pawl.worker")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(db, number):
    """The bug: Ctrl-C leaves thousands of jobs of a kind that no worker handles, or the
    worker itself."""
    process = subprocess.Popen(
        [program(), "bench", "-n", "40000", "-s", "60", "--quiet"], env=environment(db),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: db.value(OF_BENCH) > 0, 30, "a push")
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + number, "")
    assert "round trip" in out
    assert db.value(LIVE) == 0
    assert db.value(OF_BENCH) == db.value("SELECT count(*) FROM pawl.outcome")
    assert processes.of_database(db) == []


def test_interrupted_while_it_drains(db):
    """The same when its worker runs: it gives back what it holds, and ends."""
    process = subprocess.Popen(
        [program(), "bench", "-n", "40000", "-s", "1"], env=environment(db),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: db.value("SELECT count(*) FROM pawl.worker") > 0, 60, "a worker")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert db.value(LIVE) == 0 and not db.execute("SELECT FROM pawl.worker")
    assert "some of them cancelled" in errors
    assert processes.of_database(db) == []


def test_somebody_has_locked_what_is_left(db):
    """The bug: it cancels what cannot be cancelled, for ever, and Ctrl-C is not heard."""
    process = subprocess.Popen(
        [program(), "bench", "-n", "40000", "-s", "60", "--quiet"], env=environment(db),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: db.value(OF_BENCH) > 0, 30, "a push")
    with db.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM pawl.ready ORDER BY job_id LIMIT 10 FOR UPDATE")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "locked by another session" in errors and "pawl job cancel" in errors
    assert db.value(LIVE) == 10


def test_where_it_cannot_be_done(cluster, db):
    """The bug: half a benchmark, and jobs that its user may not cancel."""
    empty = cluster.new_database(template="template0")
    assert "no schema pawl" in run_pawl(empty, *SHORT, check=6).stderr
    empty.drop()
    run_pawl(None, *SHORT, env={"PGHOST": "/nonexistent"}, check=4)
    for roles, missing in (("pawl_worker, pawl_reader", "pawl_producer"),
                           ("pawl_producer, pawl_reader", "may not run a worker")):
        db.execute(f"CREATE ROLE bench_pusher LOGIN IN ROLE {roles}")
        result = run_pawl(db, *SHORT, env={"PGUSER": "bench_pusher"}, check=1)
        db.execute("DROP ROLE bench_pusher")
        assert "(SQLSTATE 42501)" in result.stderr and missing in result.stderr
        assert db.value("SELECT count(*) FROM pawl.job") == 0
