"""The example image-batch, as `make demo` runs it, with fewer pictures and no terminal.

Guards against an example that only works on its author's machine: a last line that is
not JSON, a takeover that did not happen, a digest that differs between two runs, a
result nobody compares, processes or directories that stay behind.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness.cluster import make_directory
from harness.paths import REPO, program
from harness.wait import wait_until

EXAMPLE = REPO / "examples" / "image-batch"
PICTURES = 100
MEMBERS = ["example", "jobs", "succeeded", "failed", "taken_over", "recovery_ms", "digest"]
LEASE_MS = 2000

pytestmark = pytest.mark.deadline(300)


class Runner:
    """Runs the example in a directory for temporary files that is nobody else's."""

    def __init__(self, directory):
        self.directory = directory

    def start(self, *arguments, example=EXAMPLE):
        """In a session of its own, without a terminal."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        environment |= {"PAWL": str(program()), "TMPDIR": str(self.directory)}
        return subprocess.Popen(
            [str(example / "run"), *map(str, arguments)], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True)

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def processes(self):
        """The command lines that name the directory, or something in it."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode("utf-8", "replace").split("\0")
            except OSError:
                continue
            if any(str(self.directory) in word for word in words):
                found.append(" ".join(words))
        return found


@pytest.fixture
def runner():
    directory = make_directory("pawl-example-", durable=False)
    yield Runner(directory)
    shutil.rmtree(directory, ignore_errors=True)


STARTING = "starting a private PostgreSQL"
WORKING = "jobs "


def wait_for(process, beginning):
    """Read what the example tells until a line that begins so."""
    for line in process.stderr:
        if line.startswith(beginning):
            return
    raise AssertionError(f"the example ended without a line {beginning!r}")


def test_two_runs_agree_and_each_takes_over(runner):
    digests = set()
    for _ in range(2):
        code, out, err = runner.run("--pictures", PICTURES)
        assert code == 0, err
        lines = out.splitlines()
        last = json.loads(lines[-1])
        assert list(last) == MEMBERS
        assert last["example"] == "image-batch"
        assert (last["jobs"], last["succeeded"], last["failed"]) == (PICTURES, PICTURES, 0)
        assert last["taken_over"] >= 4
        assert LEASE_MS / 3 < last["recovery_ms"] < 60_000
        assert re.fullmatch("[0-9a-f]{64}", last["digest"])
        assert lines[0].split() == ["worker", "jobs", "succeeded", "taken", "over", "rate"]
        assert sum("(killed)" in line for line in lines) >= 1
        assert "\033" not in out + err and "\r" not in err
        assert f"jobs {PICTURES}/{PICTURES}" in err
        digests.add(last["digest"])
        assert runner.processes() == [] and list(runner.directory.iterdir()) == []
    assert len(digests) == 1


def copy_example(tmp_path, old, new):
    """The example with one change in its handler."""
    shutil.copytree(REPO / "examples", tmp_path / "examples")
    copied = tmp_path / "examples" / "image-batch"
    handler = copied / "measure"
    text = handler.read_text(encoding="utf-8")
    assert old in text
    handler.write_text(text.replace(old, new), encoding="utf-8")
    tmp_path.chmod(0o755)
    return copied


@pytest.mark.parametrize("old, new, complaint", [
    ('sum=$(sha256sum <"$path")', 'sum=$(echo "$path" | sha256sum)', "sha256 is"),
    ("-background white", "-background black", "mean is"),
    ('"\\"width\\": %w', '"\\"width\\": %[fx:w+1]', "width is"),
    ("set -eu", "exit 65", "failed"),
])
def test_a_wrong_result_fails(runner, tmp_path, old, new, complaint):
    """The checking is real: a handler that lies about one thing is found out."""
    copied = copy_example(tmp_path, old, new)
    code, out, err = runner.run("--pictures", 60, example=copied)
    assert code == 1
    assert complaint in err.partition("\nfailed: ")[2]
    assert '"digest"' not in out
    assert runner.processes() == [] and list(runner.directory.iterdir()) == []


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
    assert runner.processes() == [] and list(runner.directory.iterdir()) == []


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
