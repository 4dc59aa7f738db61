"""What it costs to find work among very many groups, and to do it, by one connection.

Each group has one job. Fifty of them are busy and stand in front; a look goes on where
the last one ended, as a worker's do.
"""

import statistics
import time

from .process import Failure
from .systems import System
from .turn import Bench, Turn, metered

BUSY = 50
LOOKS = 200
DONE = 2_000        # groups that are worked through, at most
FILL = """SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[%(n)s]),
    group_keys => (SELECT array_agg('g/' || to_char(i, 'FM0000000'))
        FROM generate_series(1, %(n)s) i), run_at => %(at)s)"""
LOOK = "SELECT tenant, group_key, ready FROM pawl.group_candidates(%s, %s, %s)"


def groups(bench: Bench, pawl: System, n: int) -> None:
    for repetition, _ in bench.turns([pawl]):
        with bench.turn(pawl) as turn:
            worker = prepare(turn, n, None)
            bench.cluster.checkpoint()
            bench.add("groups: finding 50", "pawl", n, repetition, look(turn, worker, 50), "ms")
            done = min(DONE, n - BUSY)
            with metered(turn) as meter:
                rate = work(turn, worker, done)
            bench.add("groups: taken, run and given back", "pawl", n, repetition, rate, "1/s")
            bench.add("groups: CPU", "pawl", n, repetition, 1e6 * meter.cpu_s / done,
                      "us/group")
        with bench.turn(pawl) as turn:
            worker = prepare(turn, n, "infinity")
            bench.add("groups: 500 looks in vain", "pawl", n, repetition,
                      look(turn, worker, 0), "ms")


def prepare(turn: Turn, n: int, at) -> str:
    """n groups, of which the first are busy; a worker that looks for others."""
    with turn.connect() as db:
        db.execute(FILL, {"n": n, "at": at})
        db.execute("ANALYZE")
        one, other = (db.execute("SELECT pawl.worker_start(lease => '1 hour')").fetchone()[0]
                      for _ in range(2))
        db.execute("SELECT pawl.group_take(%s, g.group_key) FROM (SELECT group_key"
                   " FROM pawl.waiting ORDER BY group_key LIMIT %s) g", [one, BUSY])
    return other


def look(turn: Turn, worker: str, found: int) -> float:
    """The median look, in ms; each begins with the group where the last one ended."""
    times, after = [], ""
    with turn.connect() as db:
        for _ in range(LOOKS):
            began = time.perf_counter()
            rows = db.execute(LOOK, [worker, ["g"], [after]]).fetchall()
            times.append(1000 * (time.perf_counter() - began))
            if sum(ready for _, _, ready in rows) != found:
                raise Failure(f"{len(rows)} groups were found instead of {found}")
            after = rows[-1][1]
    return statistics.median(times)


def work(turn: Turn, worker: str, n: int) -> float:
    """Groups a second: found, taken, their job run, and given back."""
    done, after = 0, ""
    began = time.perf_counter()
    with turn.connect() as db:
        while done < n:
            rows = db.execute(LOOK, [worker, ["g"], [after]]).fetchall()
            for _, key, _ in rows[:n - done]:
                run(db, worker, key)
                done += 1
                after = key
        took = time.perf_counter() - began
        (ended,) = db.execute("SELECT count(*) FROM pawl.outcome").fetchone()
    if ended != n:
        raise Failure(f"{ended} of {n} jobs have ended")
    return n / took


def run(db, worker: str, key: str) -> None:
    (token,) = db.execute("SELECT pawl.group_take(%s, %s)", [worker, key]).fetchone()
    owner = [worker, key, token]
    job, fence = db.execute("SELECT job, fence FROM pawl.group_dispatch(%s, %s, %s)",
                            owner).fetchone()
    with db.transaction():
        db.execute("SELECT pawl.group_hold(%s, %s, %s)", owner)
        db.execute("SELECT pawl.complete(%s, %s)", [job, fence])
    (answer,) = db.execute("SELECT answer FROM pawl.group_dispatch(%s, %s, %s)",
                           owner).fetchone()
    if answer != "none":
        raise Failure(f"group {key} has more to do: {answer}")
    db.execute("SELECT pawl.group_give_back(%s, %s, %s)", owner)
