"""What it costs to count a result: into one batch, from 1, 8 and 64 sessions.

Each result completes a job that runs, one a transaction, and counts it: by Pawl's batch;
not at all; by a statement that raises a counter in one row; and by SELECT ... FOR UPDATE
and an UPDATE, with the client between them. A bare one-row INSERT shows what so many
sessions cost PostgreSQL itself here. Sessions are pgbench's; each has done a few when the
measurement begins, for the first in a session loads the catalog and the functions, as long
as twenty others take, and a session lasts.
"""

import subprocess
import tempfile
import threading
import time

from .names import FLOOR
from .paths import PG_BIN
from .process import Failure
from .systems import ONE_ROW, System
from .turn import Bench, Turn

SESSIONS = (1, 8, 64)
LARGEST_CLAIM = 10_000
FOLD_S = 0.5  # as often as the fleet's upkeep does
WARM = 6      # by then each statement has the plan that it keeps
GATE = 1      # an advisory lock

NEXT = "SELECT pawl.complete(j.id, j.id - {offset}) FROM nextval('taken') j (id);"
RAISE = "WITH counted AS (UPDATE counter SET n = n + 1) "
SCRIPTS = {
    "a batch": NEXT,
    "no counter": NEXT,
    "one row, one statement": RAISE + NEXT,
    "one row, FOR UPDATE": "BEGIN;\nSELECT n FROM counter FOR UPDATE \\gset\n" + NEXT
                           + "\nUPDATE counter SET n = :n + 1;\nCOMMIT;",
    FLOOR: ONE_ROW.single + ";",
}
# The first runs of each session, and then the gate.
WARMING = f"""
\\set runs :runs + 1
\\if :runs = {WARM}
SELECT pg_advisory_lock_shared({GATE});
\\endif
"""


def results(bench: Bench, pawl: System, n: int) -> None:
    turns = [(way, sessions) for way in SCRIPTS for sessions in SESSIONS]
    for repetition, (way, sessions) in bench.turns(turns, len(SESSIONS)):
        floor = way == FLOOR
        with bench.turn(ONE_ROW if floor else pawl) as turn:
            jobs = n if sessions > 1 else n // 4
            total = jobs + WARM * sessions
            batch, offset = (None, None) if floor else prepare(turn, way, total)
            bench.cluster.checkpoint()
            with Folding(turn, batch):
                rate, cpu_s = run(turn, script(way, offset), sessions, jobs)
            check(turn, way, batch, total)
        bench.add("results of a batch", way, sessions, repetition, rate, "results/s")
        bench.add("results of a batch: CPU", way, sessions, repetition, 1e6 * cpu_s / jobs,
                  "us/result")


def script(way: str, offset) -> str:
    text = SCRIPTS[way]
    return text if way == FLOOR else text.format(offset=offset)


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


def run(turn: Turn, script: str, sessions: int, n: int) -> tuple:
    """(results a second, the server's processor time), from when all sessions are warm."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file, turn.connect() as db:
        file.write(script + WARMING)
        file.flush()
        db.execute("SELECT pg_advisory_lock(%s)", [GATE])
        with subprocess.Popen(
                [PG_BIN / "pgbench", "-n", "-M", "prepared", "-D", "runs=0", "-t",
                 str(WARM + n // sessions), "-c", str(sessions), "-j", str(min(2, sessions)),
                 "-f", file.name],
                env=turn.environment, stdout=subprocess.DEVNULL) as child:
            wait_at_gate(db, sessions, child)
            began, cpu_s = time.monotonic(), turn.cluster.cpu_s()
            db.execute("SELECT pg_advisory_unlock(%s)", [GATE])
            status = child.wait(600)
            seconds = time.monotonic() - began
    if status != 0:
        raise Failure(f"pgbench ended with status {status}")
    return n / seconds, turn.cluster.cpu_s() - cpu_s


def wait_at_gate(db, sessions: int, child: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while db.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                     " AND NOT granted").fetchone()[0] < sessions:
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            raise Failure(f"{sessions} sessions of pgbench did not get warm")
        time.sleep(0.02)


def check(turn: Turn, way: str, batch, n: int) -> None:
    """Exact, each way: nothing that is faster because it loses some."""
    count = "SELECT n FROM counter"
    if way == FLOOR:
        count = "SELECT count(*) FROM bare"
    elif batch is not None:
        count = "SELECT succeeded FROM pawl.batches"
    with turn.connect() as db:
        (counted,) = db.execute(count).fetchone()
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
