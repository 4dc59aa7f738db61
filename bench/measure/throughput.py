"""Bulk push, and drain of what was pushed by one worker process.

The push is timed in the pusher, from its first statement to the return of its last
COMMIT; the drain in the worker, from its start until every result is stored. Both with
a CHECKPOINT before. WAL is that of the system's statements (pg_stat_statements), CPU
that of all processes of the server.
"""

from .process import Failure
from .turn import Bench, Meter, Turn, metered


def sum_to(n: int) -> int:
    """0 + 1 + … + (n - 1)"""
    return n * (n - 1) // 2


def push_and_drain(bench: Bench, systems: list, size: int, suffix: str = "") -> None:
    for repetition, system in bench.turns(systems):
        with bench.turn(system, counted=True) as turn:
            push(bench, turn, size, repetition, "push" + suffix)
            drain(bench, turn, size, repetition, "drain" + suffix)


def push_keyed(bench: Bench, systems: list, size: int) -> None:
    """Each job with a unique key of its own, that no live job has."""
    for repetition, system in bench.turns(systems):
        with bench.turn(system, counted=True) as turn:
            push(bench, turn, size, repetition, "push, unique keys", "push_keyed")
            with turn.connect() as db:
                _, left = db.execute(system.count).fetchone()
            if left != size:
                raise Failure(f"{system.name} has {left} jobs of {size} pushed")


def push(bench, turn: Turn, size, repetition, name, command="push") -> None:
    bench.cluster.checkpoint()
    with turn.pusher() as pusher, metered(turn) as meter:
        answer = pusher.ask(f"{command} {size} 0")
        pusher.finish()
    add(bench, turn, size, repetition, name, answer, meter, pusher.cpu_s)


def drain(bench, turn: Turn, size, repetition, name) -> None:
    bench.cluster.checkpoint()
    with metered(turn) as meter, turn.drainer(size) as worker:
        answer = worker.answer()
        worker.finish()
    turn.check(answer, size, sum_to(size))
    add(bench, turn, size, repetition, name, answer, meter, worker.cpu_s,
        **batches(turn, meter))
    bench.add(f"{name}: peak memory", turn.system.name, size, repetition,
              answer["peak_kib"] / 1024, "MiB")


def add(bench, turn, size, repetition, name, answer, meter: Meter, client_cpu_s,
        **context) -> None:
    system = turn.system.name
    bench.add(name, system, size, repetition, size / answer["seconds"], "jobs/s",
              seconds=answer["seconds"], **context)
    bench.add(f"{name}: WAL", system, size, repetition, meter.wal_bytes / size, "bytes/job",
              of_the_whole_server=round(meter.wal_bytes_all / size))
    bench.add(f"{name}: CPU", system, size, repetition, meter.cpu_s / size * 1e6, "us/job",
              of_the_client=round(client_cpu_s / size * 1e6, 3))


def batches(turn: Turn, meter: Meter) -> dict:
    """Pawl's statements: how many claims, settles and others the drain took."""
    if turn.system.name != "pawl":
        return {}
    claims, settles = meter.calls("pawl.claim("), meter.calls("pawl.complete_many(")
    control = sum(calls for calls, _, _, text in meter.statements
                  if text.split()[0].upper() in CONTROL)
    total = sum(row[0] for row in meter.statements)
    return {"claims": claims, "settles": settles,
            "others": total - claims - settles - control, "busiest": meter.busiest()}


CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SET", "START")
