"""What a handler starts dies with its worker, and with its attempt.

The bug: a worker is killed, its handlers go on, and the job's next attempt meets the
former one at work on the same files.
"""

import os
import signal

import pytest
from harness import processes
from harness.program import Worker
from harness.wait import wait_until

pytestmark = pytest.mark.kill

# The program itself, a child, a grandchild, one in a session of its own, and a daemon:
# each writes its number into a file of the directory.
FAMILY = """#!/bin/sh
cd "$1"
echo $$ > program
sleep 1000 &
echo $! > child
(sleep 1000 & echo $! > grandchild)
setsid sh -c 'echo $$ > session; exec sleep 1000' &
setsid sh -c 'setsid sh -c "echo \\$\\$ > daemon; exec sleep 1000" &'
trap '' TERM
while :; do sleep 0.1; done
"""
MEMBERS = ("program", "child", "grandchild", "session", "daemon")


@pytest.fixture
def family(tmp_path):
    script = tmp_path / "family"
    script.write_text(FAMILY)
    script.chmod(0o755)

    def numbers():
        found = []
        for name in MEMBERS:
            path = tmp_path / name
            text = path.read_text() if path.exists() else ""
            if not text.endswith("\n"):
                return None
            found.append(int(text))
        return found

    numbers.command = f"{script} {tmp_path}"
    yield numbers
    for pid in numbers() or []:
        if processes.alive(pid) and str(tmp_path) in (os.readlink(f"/proc/{pid}/cwd"),):
            os.kill(pid, signal.SIGKILL)


def push(db):
    with db.connect() as connection:
        return connection.execute("SELECT pawl.push('family')").fetchone()[0]


def wait_family(family):
    pids = wait_until(family, 20, "the family")
    assert all(map(processes.alive, pids))
    return pids


def assert_gone(pids, deadline=10):
    wait_until(lambda: not any(map(processes.alive, pids)), deadline, f"the end of {pids}")


def test_worker_killed(db, family):
    with Worker(db, handlers={"family": family.command}) as worker:
        push(db)
        pids = wait_family(family)
        guards = [p.pid for p in processes.children(worker.pid) if p.name == "pawl guard"]
        assert len(guards) == 1
        worker.kill()
        assert_gone(pids + guards)


def test_worker_killed_after_its_guard(db, family):
    """A guard that dies is replaced while handlers run."""
    with Worker(db, handlers={"family": family.command}) as worker:
        def guard():
            return [p.pid for p in processes.children(worker.pid)
                    if p.name == "pawl guard" and processes.alive(p.pid)]

        push(db)
        pids = wait_family(family)
        first = guard()[0]
        os.kill(first, signal.SIGKILL)
        second = wait_until(lambda: [pid for pid in guard() if pid != first], 30,
                            "a new guard")
        assert all(map(processes.alive, pids))
        worker.kill()
        assert_gone(pids + second)


def test_cancelled(db, family):
    """A cancel ends all of the attempt's processes, and the worker goes on."""
    with Worker(db, handlers={"family": family.command, "next": "true"}) as worker:
        job = push(db)
        pids = wait_family(family)
        with db.connect() as connection:
            connection.execute("SELECT pawl.cancel(%s)", [job])
        assert_gone(pids, deadline=30)
        assert worker.running()
