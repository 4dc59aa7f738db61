"""One job a transaction, from 1 and from 4 connections.

SQL functions and, as the floor, a bare INSERT of one row into a table with a primary key
are driven by pgbench; the Node peers, and Pawl from Node, by their own libraries; libpawl
by bench/pusher.c.
"""

import re
import subprocess
import tempfile

from .paths import PG_BIN
from .process import Failure
from .systems import ONE_ROW, NODE_SYSTEMS
from .turn import Bench, Turn

CONNECTIONS = (1, 4)


def push_single(bench: Bench, systems: list, seconds: int) -> None:
    drivers = [(ONE_ROW, pgbench)] + [(system, pgbench) for system in systems if system.single]
    drivers += [(system, library) for system in systems
                if system.name == "pawl" or system.name in NODE_SYSTEMS]
    for connections in CONNECTIONS:
        for repetition, (system, driver) in bench.turns(drivers):
            with bench.turn(system) as turn:
                bench.cluster.checkpoint()
                jobs, took = driver(turn, connections, seconds)
                check(turn, jobs)
                by_sql = driver is pgbench and system is not ONE_ROW
                bench.add("single push", label(system.name, by_sql), connections,
                          repetition, jobs / took, "jobs/s")


def label(name: str, by_sql: bool) -> str:
    if by_sql and name in ("pawl", *NODE_SYSTEMS):
        return f"{name}, SQL function"
    return "pawl, libpawl" if name == "pawl" else name


def check(turn: Turn, jobs: int) -> None:
    """Each push that was acknowledged is there. (PgQ counts up to its last tick.)"""
    count = "SELECT NULL, count(*) FROM bare" if turn.system is ONE_ROW else turn.system.count
    if turn.system.name == "PgQ":
        return
    with turn.connect() as db:
        _, left = db.execute(count).fetchone()
    if left != jobs:
        raise Failure(f"{turn.system.name} pushed {jobs} jobs, and {left} are there")


def pgbench(turn: Turn, connections: int, seconds: int) -> tuple:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(turn.system.single + ";\n")
        script.flush()
        done = subprocess.run(
            [PG_BIN / "pgbench", "-n", "-M", "prepared", "-T", str(seconds), "-c",
             str(connections), "-j", str(connections), "-f", script.name],
            env=turn.environment, check=True, text=True, capture_output=True)
    jobs = int(re.search(r"actually processed: (\d+)", done.stdout)[1])
    rate = float(re.search(r"tps = ([\d.]+) \(without", done.stdout)[1])
    return jobs, jobs / rate


def library(turn: Turn, connections: int, seconds: int) -> tuple:
    with turn.pusher() as pusher:
        answer = pusher.ask(f"single {seconds} {connections}")
        pusher.finish()
    return answer["jobs"], answer["seconds"]
