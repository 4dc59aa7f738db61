"""The built program: commands that end, and workers that run."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

from .paths import program
from .wait import wait_until

COMMAND_DEADLINE_S = 60.0


def environment(database=None, env=None, user="postgres"):
    base = database.env(user) if database is not None else dict(os.environ)
    return base | {k: str(v) for k, v in (env or {}).items()}


def run_pawl(database, *args, input=None, env=None, check=0, deadline=COMMAND_DEADLINE_S):
    """Run one command.  check is the exit code to insist on; None takes any.

    input: text for stdin; without it stdin is /dev/null.
    """
    feed = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
    result = subprocess.run(
        [str(program()), *[str(arg) for arg in args]],
        env=environment(database, env),
        capture_output=True,
        text=True,
        timeout=deadline,
        **feed,
    )
    if check is not None:
        assert result.returncode == check, (
            f"pawl {' '.join(map(str, args))}: exit {result.returncode}, wanted {check}\n"
            f"stdout: {result.stdout}\nstderr: {result.stderr}"
        )
    return result


class Worker:
    """One `pawl work` process.  A context manager: it is killed when the block ends."""

    def __init__(self, database, *args, handlers=None, env=None, deadline=30.0):
        self.deadline = deadline
        self.directory = tempfile.TemporaryDirectory(prefix="pawl-w-")
        self.stderr = Path(self.directory.name) / "stderr"
        command = [str(program()), "work", *[str(arg) for arg in args]]
        for kind, handler in (handlers or {}).items():
            command += ["-H", f"{kind}={handler}"]
        with open(self.stderr, "wb") as log:
            self.process = subprocess.Popen(
                command,
                env=environment(database, env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.stderr.read_text(encoding="utf-8", errors="replace")

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL, as the out-of-memory killer would; answers the exit code."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self):
        """SIGSTOP, and wait until the kernel has stopped every thread."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: self._state() == "T", self.deadline, "the worker to stop")

    def resume(self):
        self.signal(signal.SIGCONT)

    def drain(self):
        """SIGTERM, and the exit code that the drain ends with."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self, deadline=None):
        return self.process.wait(deadline or self.deadline)

    def _state(self):
        text = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        return text.rpartition(")")[2].split()[0]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.running():
            self.process.kill()
            self.process.wait(self.deadline)
        if kind is not None:
            print(f"--- worker {self.pid}, exit {self.process.returncode}\n{self.log()}")
        self.directory.cleanup()
