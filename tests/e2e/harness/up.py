"""`pawl up`: the program with a PostgreSQL of its own."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from . import processes
from .program import environment
from .paths import program
from .wait import wait_until

DEADLINE_S = 60.0


def new_place():
    """A directory that the server's user can reach; its kills are of processes, not of
    the machine, so memory will do for the disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = Path(tempfile.mkdtemp(prefix="pawl-up-", dir=memory))
    place.chmod(0o711)
    return place


class Up:
    """One `pawl up`.  A context manager: it is ended when the block ends."""

    def __init__(self, directory, *args, env=None):
        self.directory = Path(directory)
        self.output = tempfile.TemporaryDirectory(prefix="pawl-out-")
        self.stdout = Path(self.output.name) / "stdout"
        self.stderr = Path(self.output.name) / "stderr"
        command = [str(program()), "up", "-D", str(directory), *map(str, args)]
        with open(self.stdout, "wb") as out, open(self.stderr, "wb") as err:
            self.process = subprocess.Popen(
                command, env=environment(None, env), stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.stderr.read_text(encoding="utf-8", errors="replace")

    def ready(self):
        """Wait for its line; answers the conninfo in it."""
        def line():
            assert self.process.poll() is None, f"pawl up has ended: {self.log()}"
            return re.search(r"^ready: (.*)\n", self.stdout.read_text(encoding="utf-8"),
                             re.MULTILINE)

        return wait_until(line, DEADLINE_S, lambda: f"the server: {self.log()}").group(1)

    def server(self):
        """The postmaster's pid, once there is one that is our child."""
        def child():
            return [process.pid for process in processes.children(self.pid)
                    if process.name == "postgres" and processes.alive(process.pid)]

        return wait_until(child, DEADLINE_S, "the server's process")[0]

    def guard(self):
        return wait_until(
            lambda: [process.pid for process in processes.children(self.pid)
                     if process.name == "pawl guard"], DEADLINE_S, "the guard")[0]

    def query(self, sql):
        with psycopg.connect(self.ready(), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def fails(self):
        """Wait for an end that it comes to by itself; answers exit code and stderr."""
        code = self.process.wait(DEADLINE_S)
        return code, self.log()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.stop()
        if kind is not None:
            print(f"--- pawl up, exit {self.process.returncode}\n{self.log()}")
            log = self.directory / "log"
            print(log.read_text(errors="replace")[-4000:] if log.exists() else "no log")
        self.output.cleanup()


def wait_gone(*pids, deadline=20.0):
    wait_until(lambda: not any(map(processes.alive, pids)), deadline,
               f"the end of {pids}")


def leftovers(directory):
    """Processes whose working directory lies below the directory."""
    found = []
    for process in processes.everything():
        try:
            cwd = os.readlink(f"/proc/{process.pid}/cwd")
        except OSError:
            continue
        if Path(directory) in (Path(cwd), *Path(cwd).parents):
            found.append(process)
    return found


def remove(place):
    wait_until(lambda: not leftovers(place), 30.0, f"the end of all in {place}")
    shutil.rmtree(place)
