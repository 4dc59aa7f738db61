"""Programs as handlers: `pawl work` against a bare posix_spawn loop.

The same program, as many at a time. Pawl's time is from the start of the worker to its
end: it claims, spawns with pipes and an environment, settles, and stops.
"""

import json
import os
import resource
import subprocess
import time

from .paths import PAWL, WORK
from .turn import Bench

PROGRAM = "/bin/true"


def exec_handlers(bench: Bench, system, jobs: int) -> None:
    concurrency = os.cpu_count()
    for repetition in range(1, bench.repetitions + 1):
        for measure in (bare, pawl) if repetition % 2 else (pawl, bare):
            name, seconds, cpu_s = measure(bench, system, jobs, concurrency)
            bench.add("exec handlers", name, jobs, repetition, jobs / seconds, "jobs/s",
                      program=PROGRAM, concurrency=concurrency,
                      cpu_us=round(cpu_s / jobs * 1e6, 1))


def cpu_of_children() -> float:
    """Processor time of what has ended and was waited for, the programs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bare(_bench, _system, jobs: int, concurrency: int) -> tuple:
    before = cpu_of_children()
    done = subprocess.run([WORK / "spawn", str(jobs), str(concurrency), PROGRAM], check=True,
                          capture_output=True, text=True)
    return ("posix_spawn loop", json.loads(done.stdout)["seconds"],
            cpu_of_children() - before)


def pawl(bench: Bench, system, jobs: int, concurrency: int) -> tuple:
    with bench.turn(system) as turn:
        with turn.pusher() as pusher:
            pusher.ask(f"push {jobs} 0")
            pusher.finish()
        bench.cluster.checkpoint()
        before = cpu_of_children()
        began = time.monotonic()
        subprocess.run([PAWL, "work", "-H", f"noop={PROGRAM}", "-j", str(concurrency),
                        "--once", "--quiet"], env=turn.environment, check=True,
                       stdin=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        cpu_s = cpu_of_children() - before
        turn.check({"handled": jobs, "sum": 0}, jobs, 0)
        return "pawl", seconds, cpu_s
