"""Lines of logs: how many a second are stored, and what they cost a drain beside them.

A worker with one handler that logs at a given rate, lines of 80 bytes. Alone: faster
than the target; what counts are the lines in the table, not those that the worker could
not keep up with and dropped. Beside a drain: the drains take turns, one with a handler
that logs during all of it, one without.
"""

from .paths import WORK
from .process import Program
from .throughput import sum_to
from .turn import Bench, Turn, metered

ALONE = 120_000   # lines a second that are offered
BESIDE = 20_000
ENDLESS = 1_000_000_000


def start(turn: Turn, rate: int, lines: int) -> Program:
    with turn.connect() as db:
        db.execute("SELECT pawl.push('talk', queue => 'talk', timeout => '0 s')")
    return Program([WORK / "logger", rate, lines], turn.environment)


def stored(turn: Turn) -> int:
    with turn.connect() as db:
        return db.execute("SELECT count(*) FROM pawl.log").fetchone()[0]


def alone(bench: Bench, system, lines: int) -> None:
    for repetition in range(1, bench.repetitions + 1):
        with bench.turn(system, counted=True) as turn:
            bench.cluster.checkpoint()
            with metered(turn) as meter, start(turn, ALONE, lines) as logger:
                answer = logger.answer()
                logger.finish()
            there = stored(turn)
        bench.add("log lines", system.name, lines, repetition, there / answer["seconds"],
                  "lines/s", offered=ALONE, dropped=lines - there,
                  peak_kib=answer["peak_kib"])
        bench.add("log lines: WAL", system.name, lines, repetition,
                  meter.wal_bytes / there, "bytes/line")
        bench.add("log lines: CPU", system.name, lines, repetition,
                  meter.cpu_s / there * 1e6, "us/line",
                  of_the_client=round(logger.cpu_s / there * 1e6, 3))


def beside_drain(bench: Bench, system, jobs: int) -> None:
    for repetition in range(1, bench.repetitions + 1):
        for logging in (True, False) if repetition % 2 else (False, True):
            drain(bench, system, jobs, repetition, logging)


def drain(bench: Bench, system, jobs: int, repetition: int, logging: bool) -> None:
    with bench.turn(system) as turn:
        with turn.pusher() as pusher:
            pusher.ask(f"push {jobs} 0")
            pusher.finish()
        bench.cluster.checkpoint()
        logger = start(turn, BESIDE, ENDLESS) if logging else None
        with turn.worker(system.once(jobs)) as worker:
            answer = worker.answer()
            worker.finish()
        told = {}
        if logger is not None:
            with logger:
                logger.finish()
                told = logger.answer()
            told["lines_a_second"] = round(stored(turn) / told["seconds"])
        turn.check(answer, jobs, sum_to(jobs), before=int(logging))
    name = "drain beside log lines" if logging else "drain without log lines"
    bench.add(name, system.name, jobs, repetition, jobs / answer["seconds"], "jobs/s",
              **told)
