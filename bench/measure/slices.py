"""Push and drain in slices by one long-lived worker, whatever else is open.

The worker runs all the time; a slice ends when its last handler has begun, and the next
is then pushed. The same is done undisturbed, while a REPEATABLE READ reader of the
system's tables stays open from the first to the last slice (its backend_xmin is looked
at at both ends), and while a transaction that has written stays open, after some slices
without it.
"""

import time
from contextlib import contextmanager

import psycopg

from .machine import processor_s
from .names import SLICES_HELD, WRITER_OPEN, WRITER_OVER, WRITER_TO_COME
from .process import Failure, Program
from .throughput import sum_to
from .turn import Bench, Turn

OPEN_PUSH = """SELECT pawl.push('noop', '{"n": 0, "pad": ""}')"""


def slices(bench: Bench, turns: list, size: int) -> None:
    """turns: [(SLICES or SLICES_HELD, system, how many)], a system's two together"""
    for repetition, (name, system, count) in bench.turns(turns, 2):
        with bench.turn(system) as turn:
            bench.cluster.checkpoint()
            with held_snapshot(turn) if name == SLICES_HELD else undisturbed() as context:
                done, answer = run(turn, size, lambda done: done < count)
            turn.check(answer, size * count, sum_to(size * count))
        for number, slice_done in enumerate(done, 1):
            add(bench, name, system, size, repetition, slice_done, slice=number,
                slices=count, **context)


def slices_beside_writer(bench: Bench, system, size: int, before: int, seconds: int) -> None:
    """A transaction that has pushed a job, and does not commit for so many seconds."""
    for repetition in range(1, bench.repetitions + 1):
        with bench.turn(system) as turn:
            bench.cluster.checkpoint()
            writer = Writer(turn, before, seconds)
            done, answer = run(turn, size, writer.look)
            jobs = size * len(done)
            turn.check(answer, jobs + 1, sum_to(jobs))
        for number, slice_done in enumerate(done, 1):
            add(bench, writer.name(number), system, size, repetition, slice_done,
                slice=number, slices=len(done))


def add(bench: Bench, name: str, system, size: int, repetition: int, slice_done: tuple,
        **context) -> None:
    rate, cpu_us, stolen = slice_done
    bench.add(name, system.name, size, repetition, rate, "jobs/s", **context)
    bench.add(f"{name}: CPU", system.name, size, repetition, cpu_us, "us/job", **context)
    bench.add(f"{name}: stolen", system.name, size, repetition, stolen, "%", **context)


def run(turn: Turn, size: int, going) -> tuple:
    """([(jobs/s, the server's us of CPU a job, percent of the processors' time that the
    host gave to others) of each slice], the worker's last answer); going(slices done) says
    whether there is another."""
    slices_done = []
    with turn.worker(turn.system.steady(size)) as worker, turn.pusher() as pusher:
        while going(len(slices_done)):
            began, cpu_s = time.monotonic(), turn.cluster.cpu_s()
            before = processor_s()
            pusher.ask(f"push {size} {size * len(slices_done)}")
            wait_for(worker, size * (len(slices_done) + 1))
            in_all, stolen = (now - then for now, then in zip(processor_s(), before))
            slices_done.append((size / (time.monotonic() - began),
                                1e6 * (turn.cluster.cpu_s() - cpu_s) / size,
                                100 * stolen / max(in_all, 0.01)))
        pusher.finish()
        if turn.system.name == "pawl":
            turn.wait_until_empty()        # the writer's job may be the last
        answer = last_answer(worker)
    return slices_done, answer


def last_answer(worker: Program) -> dict:
    """Ends a steady worker."""
    worker.child.stdin.close()
    answer = worker.answer()
    while "sum" not in answer:
        answer = worker.answer()
    worker.finish()
    return answer


def wait_for(worker: Program, handled: int) -> None:
    while worker.answer()["handled"] < handled:
        pass


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
    """Holds a transaction that has pushed open for a while; so many slices run before it
    begins, and two after it has ended."""

    AFTER = 2

    def __init__(self, turn: Turn, before: int, seconds: int):
        self.connection = turn.connect()
        self.connection.autocommit = False
        self.before = before
        self.seconds = seconds
        self.until = None
        self.ended_at = None  # so many slices had run

    def name(self, number: int) -> str:
        """Of the measurement of this slice, from 1."""
        if number <= self.before:
            return WRITER_TO_COME
        return WRITER_OPEN if number <= self.ended_at else WRITER_OVER

    def look(self, done: int) -> bool:
        if done < self.before:
            return True
        if self.until is None:
            self.connection.execute(OPEN_PUSH)
            self.until = time.monotonic() + self.seconds
        elif self.ended_at is None and time.monotonic() > self.until:
            self.connection.commit()
            self.connection.close()
            self.ended_at = done
        return self.ended_at is None or done < self.ended_at + self.AFTER
