"""Push and drain in slices by one long-lived worker, whatever else is open.

The worker runs all the time; a slice ends when its last handler has begun, and the next
is then pushed. The same is done undisturbed, while a REPEATABLE READ reader of the
system's tables stays open from the first to the last slice (its backend_xmin is looked
at at both ends), and while a transaction that has written stays open.
"""

import time
from contextlib import contextmanager

import psycopg

from .process import Failure, Program
from .throughput import sum_to
from .turn import Bench, Turn

OPEN_PUSH = """SELECT pawl.push('noop', '{"n": 0, "pad": ""}')"""


def slices(bench: Bench, systems: list, size: int, count: int, held: bool) -> None:
    name = "slices, snapshot held" if held else "slices"
    for repetition, system in bench.turns(systems):
        with bench.turn(system) as turn:
            bench.cluster.checkpoint()
            with held_snapshot(turn) if held else undisturbed() as context:
                done, answer = run(turn, size, lambda done, _: done < count)
            turn.check(answer, size * count, sum_to(size * count))
        for number, (rate, cpu_us) in enumerate(done, 1):
            where = {"slice": number, "slices": count, **context}
            bench.add(name, system.name, size, repetition, rate, "jobs/s", **where)
            bench.add(f"{name}: CPU", system.name, size, repetition, cpu_us, "us/job",
                      **where)


def slices_beside_writer(bench: Bench, system, size: int, seconds: int) -> None:
    """A transaction that has pushed a job, and does not commit for so many seconds."""
    for repetition in range(1, bench.repetitions + 1):
        with bench.turn(system) as turn:
            bench.cluster.checkpoint()
            writer = Writer(turn, seconds)
            done, answer = run(turn, size, writer.look)
            jobs = size * len(done)
            turn.check(answer, jobs + 1, sum_to(jobs))
        for number, (rate, cpu_us) in enumerate(done, 1):
            where = {"slice": number, "slices": len(done),
                     "open": number <= writer.open_slices}
            bench.add("slices, writer open", system.name, size, repetition, rate, "jobs/s",
                      **where)
            bench.add("slices, writer open: CPU", system.name, size, repetition, cpu_us,
                      "us/job", **where)


def run(turn: Turn, size: int, going) -> tuple:
    """([(jobs/s, the server's us of CPU a job) of each slice], the worker's last answer);
    going(slices done, handled so far) says whether there is another."""
    slices_done = []
    with turn.worker(turn.system.steady(size)) as worker, turn.pusher() as pusher:
        handled = 0
        while going(len(slices_done), handled):
            began, cpu_s = time.monotonic(), turn.cluster.cpu_s()
            pusher.ask(f"push {size} {size * len(slices_done)}")
            handled = wait_for(worker, size * (len(slices_done) + 1))
            slices_done.append((size / (time.monotonic() - began),
                                1e6 * (turn.cluster.cpu_s() - cpu_s) / size))
        pusher.finish()
        if turn.system.name == "pawl":
            turn.wait_until_empty()        # the writer's job may be the last
        worker.child.stdin.close()
        answer = worker.answer()
        while "sum" not in answer:
            answer = worker.answer()
        worker.finish()
    return slices_done, answer


def wait_for(worker: Program, handled: int) -> int:
    while True:
        answer = worker.answer()
        if answer["handled"] >= handled:
            return answer["handled"]


@contextmanager
def undisturbed():
    yield {}


@contextmanager
def held_snapshot(turn: Turn):
    """Fills the context that it yields when it ends."""
    context = {}
    with turn.connect() as watch, turn.connect() as reader:
        reader.autocommit = False
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute(f"SELECT count(*) FROM (SELECT FROM {turn.system.table} LIMIT 1) t")
        first = backend_xmin(watch, reader)
        yield context
        last = backend_xmin(watch, reader)
        if first is None or first != last:
            raise Failure(f"the snapshot was not held: {first} became {last}")
        context["backend_xmin"] = first


def backend_xmin(watch, connection):
    return watch.execute("SELECT backend_xmin::text FROM pg_stat_activity WHERE pid = %s",
                         [connection.info.backend_pid]).fetchone()[0]


class Writer:
    """Holds a transaction that has pushed open for a while, from before the first slice;
    two slices run after it has ended."""

    AFTER = 2

    def __init__(self, turn: Turn, seconds: int):
        self.connection = turn.connect()
        self.connection.autocommit = False
        self.seconds = seconds
        self.until = None
        self.ended_at = None

    @property
    def open_slices(self) -> int:
        return self.ended_at

    def look(self, done: int, _handled: int) -> bool:
        if self.until is None:
            self.connection.execute(OPEN_PUSH)
            self.until = time.monotonic() + self.seconds
        elif self.ended_at is None and time.monotonic() > self.until:
            self.connection.commit()
            self.connection.close()
            self.ended_at = done
        return self.ended_at is None or done < self.ended_at + self.AFTER
