"""`pawl up`: a private PostgreSQL, the schema and a worker from one command."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness.cluster import make_directory
from harness.paths import program
from harness.program import run_pawl
from harness.wait import wait_until


class Up:
    """One `pawl up` process; killed when the block ends."""

    def __init__(self, directory, *args):
        self.directory = directory
        self.log_path = directory.with_suffix(".log")
        self.args = args

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program(), "up", "-D", str(self.directory), *self.args],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
            )
        line = self.process.stdout.readline()
        assert line.startswith("ready: host="), self.log()
        self.conninfo = line.removeprefix("ready: ").strip()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.process.stdout.close()

    def log(self):
        return self.log_path.read_text(encoding="utf-8")

    def children(self):
        """The command lines of its children, by pid."""
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = {}
        for pid in tasks.read_text(encoding="ascii").split():
            try:
                found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            except FileNotFoundError:
                pass
        return found

    def child(self, name):
        return next((pid for pid, line in self.children().items() if name in line), None)

    def run(self, *args, **options):
        return run_pawl(None, *args, "-d", self.conninfo, **options)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture(scope="module")
def directory():
    """The data of the tests of this module; initdb is slow, so the first makes them."""
    place = make_directory()
    place.chmod(0o755)  # the server is another user when we are root
    yield place / "up"
    shutil.rmtree(place)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_job_runs_from_one_command(directory):
    """The bug: the first thing that a newcomer tries does not work, or talks on stdout
    beside the one line that programs read."""
    with Up(directory, "-H", "hello=/bin/echo hi", "--poll", "50ms") as up:
        assert "dbname=pawl user=pawl" in up.conninfo
        assert f'psql "{up.conninfo}"' in up.log()
        job = up.run("push", "hello", "--wait=20s").stdout.strip()
        wait_until(lambda: "hi" in up.run("job", "logs", job).stdout, 30,
                   "the line, which is stored within a second")
        assert up.end() == 0
        assert up.process.stdout.read() == ""


def test_a_worker_that_dies_is_started_again(directory):
    """The bug: a worker is killed, and the server goes on with nobody working."""
    with Up(directory, "-H", "hello=true", "--poll", "50ms") as up:
        first = wait_until(lambda: up.child("\0work\0"), 30, "a worker")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: up.child("\0work\0") not in (None, first), 30, "another worker")
        up.run("push", "hello", "--wait=20s")
        assert up.end() == 0


def test_a_server_that_dies_is_started_again(directory):
    """The bug: PostgreSQL is killed, and `pawl up` or its worker ends with it."""
    with Up(directory, "-H", "hello=true", "--poll", "50ms") as up:
        server = wait_until(lambda: up.child("postgres"), 30, "the server")
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: up.child("postgres") not in (None, server), 30, up.log)
        wait_until(lambda: up.run("push", "hello", check=None).returncode == 0, 30, up.log)
        up.run("push", "hello", "--wait=20s")
        assert up.end() == 0


def test_nothing_outlives_it(directory):
    """The bug: after SIGKILL of `pawl up` the server, the worker or its handlers stay."""
    with Up(directory, "-H", "nap=sleep 300", "--poll", "50ms") as up:
        job = int(up.run("push", "nap").stdout)
        wait_until(lambda: '"running"' in up.run("job", "show", job, "-o", "json").stdout, 20,
                   up.log)
        worker = up.child("\0work\0")
        tasks = Path(f"/proc/{worker}/task").glob("*/children")
        handlers = {int(pid) for task in tasks for pid in task.read_text().split()}
        family = {*up.children(), *handlers}
        assert len(family) >= 5, "two guards, server, worker, handler"
        up.process.kill()
        up.process.wait(30)
        wait_until(lambda: all(map(gone, family)), 30, "its children to end")


def test_no_work(directory):
    """The bug: --no-work has a worker all the same."""
    with Up(directory, "-H", "hello=true", "--no-work") as up:
        assert up.child("\0work\0") is None
        assert up.run("push", "hello", "--wait=200ms", check=124)
        assert "no worker is started" in up.log()
        again = run_pawl(None, "up", "-D", directory, check=5)
        assert "in use" in again.stderr
        assert up.end() == 0


def test_bad_settings_are_refused_before_anything_is_made(tmp_path):
    """The bug: a cluster is made, and then a misspelt flag ends it."""
    for args in (["-H", "x"], ["-c", "/nonexistent"], ["-q", "a,,b"]):
        assert run_pawl(None, "up", "-D", tmp_path / "d", *args, check=2).stdout == ""
    assert not (tmp_path / "d").exists()
