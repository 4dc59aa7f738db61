"""From the return of the pusher's COMMIT to the handler's first instruction.

Pusher and worker are two processes that read one clock. 100 jobs a second, each at its
own time within its hundredth of a second, so that no poll falls into step with them. A
handler may begin before the pusher's COMMIT has returned: the figure is then negative.
"""

import tempfile
from pathlib import Path

from .process import Failure
from .throughput import sum_to
from .turn import Bench, Turn

RATE = 100
PERCENTILES = (50, 95, 99)


def latency(bench: Bench, systems: list, seconds: int) -> None:
    jobs = RATE * seconds
    for repetition, system in bench.turns(systems):
        with bench.turn(system) as turn:
            bench.cluster.checkpoint()
            milliseconds = measure(turn, jobs, seconds)
        for percentile in PERCENTILES:
            bench.add(f"latency p{percentile}", system.name, jobs, repetition,
                      at_percentile(milliseconds, percentile), "ms", jobs_per_s=RATE,
                      largest=round(milliseconds[-1], 3))


def measure(turn: Turn, jobs: int, seconds: int) -> list:
    """Milliseconds of each job, sorted."""
    with tempfile.TemporaryDirectory(prefix="pawl-bench-") as directory:
        pushed, started = Path(directory, "pushed"), Path(directory, "started")
        with turn.worker(turn.system.steady(jobs, started)) as worker, turn.pusher() as pusher:
            pusher.ask(f"pace {RATE} {seconds} {pushed}")
            pusher.finish()
            worker.answer()                # all of them were handled
            worker.child.stdin.close()
            answer = worker.answer()
            worker.finish()
        turn.check(answer, jobs, sum_to(jobs))
        return differences(stamps(pushed), stamps(started))


def stamps(path: Path) -> dict:
    """{number of the job: nanoseconds}"""
    return {int(n): int(time_ns) for n, time_ns in map(str.split, path.open())}


def differences(pushed: dict, started: dict) -> list:
    if pushed.keys() != started.keys():
        raise Failure(f"{len(pushed)} jobs were pushed, {len(started)} were started")
    return sorted((started[n] - pushed[n]) / 1e6 for n in pushed)


def at_percentile(values: list, percentile: int) -> float:
    """The smallest value that so many percent do not exceed; values are sorted."""
    return values[max(0, -(-len(values) * percentile // 100) - 1)]
