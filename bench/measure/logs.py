"""Lines of logs: how many a second are stored, and what they cost a drain beside them.

A worker with one handler that logs at a given rate, lines of 80 bytes. Alone: faster
than the target; what counts are the lines in the table, not those that the worker could
not keep up with and dropped. Beside a drain: by one worker, in parts of about a second, with
a handler that logs and silent in turns, for the machine is not as fast from one minute to
the next.
"""

import time

from .paths import WORK
from .process import Program
from .slices import last_answer, wait_for
from .throughput import sum_to
from .turn import Bench, Turn, metered

ALONE = 120_000   # lines a second that are offered
BESIDE = 20_000
ENDLESS = 1_000_000_000
PARTS = 12        # of a drain


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
    """jobs: of each part."""
    half = jobs * PARTS // 2
    for repetition in range(1, bench.repetitions + 1):
        with bench.turn(system) as turn:
            with turn.pusher() as pusher:
                pusher.ask(f"push {jobs * (PARTS + 1)} 0")
                pusher.finish()
            bench.cluster.checkpoint()
            seconds, told = drain(turn, jobs, repetition % 2)
            told["lines_a_second"] = round(stored(turn) / seconds[True])
        for logging, name in ((True, "drain beside log lines"),
                              (False, "drain without log lines")):
            bench.add(name, system.name, half, repetition, half / seconds[logging], "jobs/s",
                      parts=PARTS // 2, **(told if logging else {}))


def drain(turn: Turn, jobs: int, first: int) -> tuple:
    """{with lines: seconds}, what the logger says; one part before these is the worker's
    start."""
    seconds = {True: 0.0, False: 0.0}
    with start(turn, BESIDE, ENDLESS) as logger, \
            turn.worker(turn.system.steady(jobs)) as worker:
        heed(logger, False)
        wait_for(worker, jobs)
        for part in range(PARTS):
            logging = part % 2 == first
            began = time.monotonic()
            heed(logger, logging)
            wait_for(worker, jobs * (part + 2))
            seconds[logging] += time.monotonic() - began
        logger.finish()
        told = logger.answer()
        turn.wait_until_empty()
        answer = last_answer(worker)
    turn.check(answer, jobs * (PARTS + 1), sum_to(jobs * (PARTS + 1)), before=1)
    return seconds, told


def heed(logger: Program, logging: bool) -> None:
    logger.child.stdin.write("01"[logging])
    logger.child.stdin.flush()
