"""A turn: one system doing one piece of work in a fresh database.

`Bench.turns` says whose turn it is: each repetition begins with another system, so that
what the machine does meanwhile is spread over all of them.
"""

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

from .cluster import Cluster
from .process import Failure, Program
from .record import Recorder
from .systems import System, make_template


@dataclass
class Turn:
    cluster: Cluster
    system: System
    database: str

    def __post_init__(self):
        self.environment = self.cluster.environment(self.database)

    def pusher(self) -> Program:
        return Program(self.system.push, self.environment)

    def worker(self, command: list) -> Program:
        """A worker by one of the system's commands."""
        return Program(command, self.environment)

    def connect(self, **options):
        return self.cluster.connect(self.database, **options)

    def check(self, answer: dict, jobs: int, numbers: int, left: int = 0,
              before: int = 0) -> None:
        """Every job's outcome is counted: none lost, none doubled.

        numbers: the sum of the numbers of the jobs that had to be handled; left: jobs
        that had to be left alone; before: outcomes that were there already.
        """
        if answer["handled"] != jobs or answer["sum"] != numbers:
            raise Failure(f"{self.system.name} handled {answer['handled']} of {jobs} jobs;"
                          f" their numbers add up to {answer['sum']}, not {numbers}")
        with self.connect() as db:
            done, rest = db.execute(self.system.count).fetchone()
        if done not in (None, jobs + before) or rest != left:
            raise Failure(f"{self.system.name} has {done} outcomes of {jobs + before}"
                          f" jobs, and {rest} left, not {left}")

    def wait_until_empty(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        with self.connect() as db:
            while db.execute(self.system.count).fetchone()[1] != 0:
                if time.monotonic() > deadline:
                    raise Failure(f"{self.system.name} has left jobs for {seconds:.0f} s")
                time.sleep(0.05)


@dataclass
class Meter:
    """What the server used while something ran."""

    cpu_s: float = 0.0
    wal_bytes: int = 0           # of the statements, from pg_stat_statements
    wal_bytes_all: int = 0       # of the whole server
    statements: list = field(default_factory=list)

    def calls(self, pattern: str) -> int:
        return sum(calls for calls, _, _, text in self.statements if pattern in text)

    def busiest(self, n: int = 4) -> list:
        """The statements that were called most: [[calls, rows, WAL bytes, text]]"""
        most = sorted(self.statements, key=lambda row: -row[0])[:n]
        return [[calls, rows, wal, " ".join(text.split())[:120]]
                for calls, rows, wal, text in most]


@contextmanager
def metered(turn: Turn):
    cluster = turn.cluster
    meter = Meter()
    cluster.reset_statements()
    lsn, cpu_s = cluster.wal_lsn(), cluster.cpu_s()
    yield meter
    meter.cpu_s = cluster.cpu_s() - cpu_s
    meter.wal_bytes_all = cluster.wal_lsn() - lsn
    meter.statements = cluster.statements(turn.database)
    meter.wal_bytes = sum(row[2] for row in meter.statements)


class Bench:
    def __init__(self, cluster: Cluster, recorder: Recorder, repetitions: int):
        self.cluster = cluster
        self.recorder = recorder
        self.repetitions = repetitions
        self.began = time.monotonic()
        self._databases = 0

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        print(f"[{self.seconds():5.0f} s] {text}", file=sys.stderr, flush=True)

    def turns(self, systems: list, together: int = 1):
        """(repetition, system), the order rotated each time by as many as stay together."""
        for repetition in range(self.repetitions if systems else 0):
            first = repetition * together % len(systems)
            for system in systems[first:] + systems[:first]:
                yield repetition + 1, system

    @contextmanager
    def turn(self, system: System, counted: bool = False):
        make_template(system, self.cluster)
        self._databases += 1
        name = f"turn{self._databases}"
        self.cluster.create(name, system.template, counted)
        try:
            yield Turn(self.cluster, system, name)
        finally:
            self.cluster.drop(name)

    def add(self, name, system, size, repetition, value, unit, **context):
        made = self.recorder.add(name, system, size, repetition, value, unit, **context)
        self.say(f"{name:18} {system:26} {size:>9,} #{repetition} {made.value:>12,.6g} {unit}")
        return made
