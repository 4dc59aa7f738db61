"""A program of the benchmark that is talked to: a command in, a line of JSON out."""

import json
import os
import queue
import signal
import subprocess
import threading

TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """A measurement that did not do what it had to; ends the run."""


class Program:
    """A child that reads commands and answers in lines of JSON; ends with stdin."""

    def __init__(self, command: list, environment: dict):
        self.name = os.path.basename(str(command[0]))
        self.cpu_s = 0.0
        self.child = subprocess.Popen(
            [str(word) for word in command], env=environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.put(line)
        self.lines.put(None)

    @property
    def pid(self) -> int:
        return self.child.pid

    def answer(self, timeout: float = 600) -> dict:
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            raise Failure(f"{self.name} said nothing for {timeout:.0f} s") from None
        if line is None:
            raise Failure(f"{self.name} ended without an answer")
        return json.loads(line)

    def ask(self, command: str, timeout: float = 600) -> dict:
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()
        return self.answer(timeout)

    def finish(self, timeout: float = 60) -> None:
        """Ends stdin, waits, and notes the processor time; a bad status is a failure."""
        self.child.stdin.close()
        status = self._wait(timeout)
        if status != 0:
            raise Failure(f"{self.name} ended with status {status}")

    def _wait(self, timeout: float) -> int:
        timer = threading.Timer(timeout, os.kill, (self.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(self.child.pid, 0)
        timer.cancel()
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_s = usage.ru_utime + usage.ru_stime
        return self.child.returncode

    def kill(self) -> None:
        if self.child.returncode is None:
            self.child.kill()
            self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def cpu_seconds(pid: int, with_ended_children: bool = False) -> float:
    """Processor time of a process; 0 for one that has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    ticks = fields[11:15] if with_ended_children else fields[11:13]
    return sum(map(int, ticks)) * TICKS_S


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0
