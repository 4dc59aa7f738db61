"""What it costs to count a result: into one batch, from 1, 8 and 64 sessions.

Each result completes a job that runs, one a transaction, and counts it: by Pawl's batch;
not at all, which is the floor; by a statement that raises a counter in one row; and by
SELECT ... FOR UPDATE and an UPDATE, with the client between them. Sessions are pgbench's.
"""

import re
import subprocess
import tempfile
import threading

from .paths import PG_BIN
from .process import Failure
from .systems import System
from .turn import Bench, Turn, metered

SESSIONS = (1, 8, 64)
LARGEST_CLAIM = 10_000
FOLD_S = 0.5  # as often as the fleet's upkeep does

NEXT = "SELECT pawl.complete(j.id, j.id - {offset}) FROM nextval('taken') j (id);"
RAISE = "WITH counted AS (UPDATE counter SET n = n + 1) "
SCRIPTS = {
    "a batch": NEXT,
    "no counter": NEXT,
    "one row, one statement": RAISE + NEXT,
    "one row, FOR UPDATE": "BEGIN;\nSELECT n FROM counter FOR UPDATE \\gset\n" + NEXT
                           + "\nUPDATE counter SET n = :n + 1;\nCOMMIT;",
}


def results(bench: Bench, pawl: System, n: int) -> None:
    for sessions in SESSIONS:
        for repetition, way in bench.turns(list(SCRIPTS)):
            with bench.turn(pawl) as turn:
                batch, offset = prepare(turn, way, n)
                bench.cluster.checkpoint()
                with metered(turn) as meter, Folding(turn, batch):
                    rate = run(turn, SCRIPTS[way].format(offset=offset), sessions, n)
                check(turn, way, batch, n)
                bench.add("results of a batch", way, sessions, repetition, rate, "results/s")
                bench.add("results of a batch: CPU", way, sessions, repetition,
                          1e6 * meter.cpu_s / n, "us/result")


def prepare(turn: Turn, way: str, n: int) -> tuple:
    """n jobs that run; (the batch or None, what a job's id is greater by than its fence)."""
    with turn.connect() as db:
        db.execute("CREATE TABLE counter (n bigint)")
        db.execute("INSERT INTO counter VALUES (0)")
        batch = None
        if way == "a batch":
            (batch,) = db.execute("SELECT pawl.batch_open('bench')").fetchone()
        db.execute("SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb,"
                   " ARRAY[%s]), batch => %s)", [n, batch])
        (worker,) = db.execute("SELECT pawl.worker_start(lease => '1 hour')").fetchone()
        for _ in range(-(-n // LARGEST_CLAIM)):
            db.execute("SELECT count(*) FROM pawl.claim(%s, %s)", [worker, LARGEST_CLAIM])
        first, offsets, offset, running = db.execute(
            "SELECT min(job_id), count(DISTINCT job_id - fence), min(job_id - fence),"
            " count(*) FROM pawl.running").fetchone()
        if (offsets, running) != (1, n):
            raise Failure(f"{running} of {n} jobs run, with {offsets} differences to fences")
        db.execute(f"CREATE SEQUENCE taken START {first}")
    return batch, offset


def run(turn: Turn, script: str, sessions: int, n: int) -> float:
    """Results a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script + "\n")
        file.flush()
        done = subprocess.run(
            [PG_BIN / "pgbench", "-n", "-M", "prepared", "-t", str(n // sessions), "-c",
             str(sessions), "-j", str(min(2, sessions)), "-f", file.name],
            env=turn.environment, check=True, text=True, capture_output=True)
    return float(re.search(r"tps = ([\d.]+) \(without", done.stdout)[1])


def check(turn: Turn, way: str, batch, n: int) -> None:
    """Exact, each way: nothing that is faster because it loses some."""
    with turn.connect() as db:
        if batch is None:
            counted = db.execute("SELECT n FROM counter").fetchone()[0]
        else:
            counted = db.execute("SELECT succeeded FROM pawl.batches").fetchone()[0]
    if counted != (0 if way == "no counter" else n):
        raise Failure(f"{way} has counted {counted} of {n} results")


class Folding:
    """Folds the batch again and again, as the fleet's upkeep does."""

    def __init__(self, turn: Turn, batch):
        self.turn, self.batch = turn, batch
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.fold, daemon=True)

    def fold(self) -> None:
        with self.turn.connect() as db:
            while not self.over.wait(FOLD_S):
                db.execute("SELECT pawl.fold(%s)", [self.batch])

    def __enter__(self):
        if self.batch is not None:
            self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        if self.batch is not None:
            self.thread.join()
