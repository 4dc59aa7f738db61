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
            with turn.pusher() as pusher:
                pusher.ask(f"push_keyed {min(size, 1000)} 0")  # they are all there
                pusher.finish()
            with turn.connect() as db:
                _, left = db.execute(system.count).fetchone()
            if left != size:
                raise Failure(f"{system.name} has {left} jobs of {size} keys")


def push(bench, turn: Turn, size, repetition, name, command="push") -> None:
    bench.cluster.checkpoint()
    with turn.pusher() as pusher, metered(turn) as meter:
        answer = pusher.ask(f"{command} {size} 0")
        pusher.finish()
    add(bench, turn, size, repetition, name, answer, meter, pusher.cpu_s)


def drain(bench, turn: Turn, size, repetition, name) -> None:
    bench.cluster.checkpoint()
    with metered(turn) as meter, turn.worker(turn.system.once(size)) as worker:
        answer = worker.answer()
        worker.finish()
    turn.check(answer, size, sum_to(size))
    statements = batches(turn, meter)
    add(bench, turn, size, repetition, name, answer, meter, worker.cpu_s, **statements)
    for verb in ("claim", "settle"):
        if statements.get(verb + "s"):
            bench.add(f"{name}: jobs a {verb}", turn.system.name, size, repetition,
                      size / statements[verb + "s"], "jobs")
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
    claims, settles = meter.calls("pawl.claim"), meter.calls("pawl.complete_many")
    total = sum(calls for calls, _, _, text in meter.statements if not is_control(text))
    return {"claims": claims, "settles": settles, "others": total - claims - settles,
            "busiest": meter.busiest()}


def is_control(text: str) -> bool:
    """Whether a statement only begins, bounds or ends a transaction (or is ours)."""
    return text.split()[0].upper() in CONTROL or any(word in text for word in HELPERS)


CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SET", "START", "RESET")
HELPERS = ("set_config(", "pg_current_xact_id_if_assigned(", "pg_stat_statements")
