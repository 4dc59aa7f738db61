"""The example image-batch, as `make demo` runs it, with fewer pictures and no terminal.

Guards against an example that only works on its author's machine: a last line that is
not JSON, a takeover that did not happen, a digest that differs between two runs, a
result nobody compares, a counter that is not exact, a report without its pictures,
sessions that are ended because they idle in a transaction, processes or directories that
stay behind.  PAWL_TORTURE=1 takes all pictures.
"""

import json
import os
import re
import signal

import pytest
from harness.example import Runner, wait_for
from harness.wait import wait_until

PICTURES = 742 if os.environ.get("PAWL_TORTURE") else 60
JOBS = 1 + 2 * PICTURES + 1  # collect, process and results, the report
MEMBERS = ["example", "jobs", "succeeded", "failed", "taken_over", "recovery_ms", "digest"]
LEASE_MS = 2000

pytestmark = pytest.mark.deadline(300)


@pytest.fixture
def runner():
    example = Runner("image-batch")
    yield example
    example.remove()


STARTING = "starting a private PostgreSQL"
WORKING = "jobs "


def test_two_runs_agree_and_each_takes_over(runner):
    digests = set()
    for _ in range(2):
        code, out, err = runner.run("--pictures", PICTURES)
        assert code == 0, err
        lines = out.splitlines()
        last = json.loads(lines[-1])
        assert list(last) == MEMBERS
        assert last["example"] == "image-batch"
        assert (last["jobs"], last["succeeded"], last["failed"]) == (JOBS, JOBS, 0)
        assert last["taken_over"] >= 8
        assert LEASE_MS / 3 < last["recovery_ms"] < 60_000
        assert re.fullmatch("[0-9a-f]{64}", last["digest"])
        assert lines[0].split() == ["worker", "jobs", "succeeded", "taken", "over", "rate"]
        assert sum("(killed)" in line for line in lines) >= 2
        assert "\033" not in out + err and "\r" not in err
        assert f"jobs {JOBS}/{JOBS}" in err
        digests.add(last["digest"])
        assert runner.left_over() == []
    assert len(digests) == 1


@pytest.mark.parametrize("old, new, complaint", [
    ('sum=$(sha256sum <"$path")', 'sum=$(echo "$path" | sha256sum)', "sha256 is"),
    ("-background white", "-background black", "mean is"),
    ('"\\"width\\": %w', '"\\"width\\": %[fx:w+1]', "width is"),
    ("set -eu", "exit 65", "failed"),
    ('{"measured": 1}', '{"measured": 2}', "the counters are"),
    ("BEGIN;", "BEGIN;\n\\! [ $PAWL_ATTEMPT$((PAWL_JOB % 10)) != 17 ] || sleep 2",
     "idle in a transaction"),
])
def test_a_wrong_result_fails(runner, tmp_path, old, new, complaint):
    """The checking is real: a handler that lies about one thing is found out, or one whose
    session is ended because it idles in a transaction, though another try succeeds."""
    copied = runner.copy(tmp_path, "measure", old, new)
    code, out, err = runner.run("--pictures", 60, example=copied)
    assert code == 1
    assert complaint in err.partition("\nfailed: ")[2]
    assert '"digest"' not in out
    assert runner.left_over() == []


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("when", [STARTING, WORKING])
def test_a_signal_ends_all_that_was_started(runner, number, code, when):
    process = runner.start("--pictures", PICTURES)
    try:
        wait_for(process, when)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert runner.left_over() == []


def test_sigkill_of_the_example_ends_its_children(runner):
    """Nobody is left to tidy up the directory, but nothing runs on."""
    process = runner.start("--pictures", PICTURES)
    try:
        wait_for(process, WORKING)
    finally:
        process.kill()
        process.communicate(timeout=60)
    wait_until(lambda: not runner.processes(), 60,
               "the processes of the killed example to end")
