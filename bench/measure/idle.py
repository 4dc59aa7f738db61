"""What a worker costs that has nothing to do."""

import time

from .process import cpu_seconds, resident_bytes
from .turn import Bench, Turn

MIB = 1 << 20
SETTLING_S = 11      # until it has started and that is told: what a session did may be
                     # told ten seconds later, when it is idle
STEP = 1_000_000     # no job comes, so it says nothing


def idle(bench: Bench, systems: list, seconds: int) -> None:
    for repetition, system in bench.turns(systems):
        with bench.turn(system) as turn, turn.worker(system.steady(STEP)) as worker:
            time.sleep(SETTLING_S)
            before = look(turn, worker.pid)
            began = time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - began
            after = look(turn, worker.pid)
            resident = resident_bytes(worker.pid)
            worker.child.stdin.close()
            worker.answer()
            worker.finish()
        transactions, server_s, client_s = (b - a for a, b in zip(before, after))
        bench.add("idle: transactions", system.name, 0, repetition, transactions / took,
                  "1/s", seconds=round(took, 1))
        bench.add("idle: CPU of the worker", system.name, 0, repetition,
                  client_s / took * 1000, "ms/s")
        bench.add("idle: CPU of the server", system.name, 0, repetition,
                  server_s / took * 1000, "ms/s")
        bench.add("idle: memory", system.name, 0, repetition, resident / MIB, "MiB")


def look(turn: Turn, pid: int) -> tuple:
    """(transactions in the turn's database, CPU of the server, CPU of the worker)"""
    with turn.cluster.connect("postgres") as db:
        transactions, = db.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s",
            [turn.database]).fetchone()
    return transactions, turn.cluster.cpu_s(), cpu_seconds(pid)
