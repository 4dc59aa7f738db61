"""libpawl inside a program: clients, workers, and a handler in a shared object.

The bug: state that the library keeps for itself, so that two clients or two workers of
one process meet; a connection that a second thread uses without anybody noticing.
"""

import json
import signal
import subprocess

import pytest
from harness.paths import BUILD
from harness.program import run_pawl

pytestmark = pytest.mark.drain  # in the sanitizer builds too

PROGRAMS = BUILD / "tests/e2e"


def embedder(*args):
    return subprocess.run([PROGRAMS / "embedder", *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


@pytest.fixture
def two(cluster):
    """Two databases with the schema."""
    databases = [cluster.new_database() for _ in range(2)]
    yield databases
    for database in databases:
        database.drop()


def test_two_of_each_in_one_process(two):
    """Two clients push, then two workers work, each pair in one process: each sees its
    own database alone."""
    conninfos = [database.conninfo() for database in two]
    pushed = embedder("clients", *conninfos)
    assert pushed.returncode == 0, pushed.stderr
    worked = embedder("workers", *conninfos)
    assert (worked.returncode, worked.stdout) == (0, "200\n200\n"), worked.stderr
    for database in two:
        assert database.execute(
            "SELECT state, count(*) FROM pawl.jobs GROUP BY 1") == [("succeeded", 200)]
        assert database.value("SELECT count(*) FROM pawl.workers") == 0


def test_connection_of_another_thread(db):
    """One connection, one owner: a second thread ends the process by the assertion, and
    what it wanted to write is not written."""
    ended = embedder("stranger", db.conninfo())
    assert ended.returncode == -signal.SIGABRT
    assert "used by another thread than its owner" in ended.stderr
    assert db.value("SELECT count(*) FROM pawl.jobs") == 1


def test_handler_in_a_shared_object(db, api):
    """-L KIND=FILE.so: its result, its failure and its log are stored."""
    done = api.push("object", args=json.dumps({"a": [1, 2]}))
    failed = api.push("object", args=json.dumps("fail"))
    run_pawl(db, "work", "-L", f"object={PROGRAMS / 'handler_object.so'}", "--once")
    assert api.job(done).result == {"a": [1, 2]}
    assert (api.job(failed).state, api.job(failed).error) == ("failed", "told to fail")
    assert db.execute("SELECT job, level::text, message, context FROM pawl.logs ORDER BY 1") == [
        (job, "warn", "from the object", {"n": 1}) for job in (done, failed)]
