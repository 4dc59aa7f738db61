"""Drain with very many jobs ready, and beside many that are scheduled or paused."""

from .systems import PAD
from .throughput import sum_to
from .turn import Bench, Turn

PUSH = f"""SELECT count(*) FROM pawl.push_many('noop',
	ARRAY(SELECT jsonb_build_object('n', 0, 'pad', '{PAD}') FROM generate_series(1, %s)),
	queue => %s, run_at => now() + %s::interval)"""
CHUNK = 10000
PAUSED = "paused"


def drain_of_many(bench: Bench, system, ready: int, size: int) -> None:
    """So many drains of `size` jobs each, at least `ready` being there at each's start."""
    total = ready + bench.repetitions * size
    with bench.turn(system) as turn:
        bench.cluster.checkpoint()
        with turn.pusher() as pusher:
            answer = pusher.ask(f"push {total} 0", timeout=1200)
            pusher.finish()
        bench.add("push of very many", system.name, total, 1, total / answer["seconds"],
                  "jobs/s")
        done = 0
        for repetition in range(1, bench.repetitions + 1):
            bench.cluster.checkpoint()
            with turn.worker(system.until(size)) as worker:
                answer = worker.answer()
                worker.finish()
            handled = answer["handled"]
            turn.check(answer, handled, answer["sum"], total - done - handled, done)
            bench.add("drain of very many", system.name, ready, repetition,
                      handled / answer["seconds"], "jobs/s", handled=handled,
                      ready_at_the_start=total - done)
            done += handled


def drain_beside(bench: Bench, system, others: int, size: int) -> None:
    """`size` jobs, beside so many scheduled ones and so many in a paused queue that the
    worker names too; and, in turns with it, the same in a database without them."""
    with bench.turn(system) as full, bench.turn(system) as empty:
        load(full, others)
        turns = [("drain beside others", full, others, ["default", PAUSED]),
                 ("drain without others", empty, 0, [])]
        for repetition, (name, turn, left, queues) in bench.turns(turns):
            with turn.pusher() as pusher:
                pusher.ask(f"push {size} 0")
                pusher.finish()
            bench.cluster.checkpoint()
            cpu_s = bench.cluster.cpu_s()
            with turn.worker([*system.once(size), *queues]) as worker:
                answer = worker.answer()
                worker.finish()
            cpu_s = bench.cluster.cpu_s() - cpu_s
            turn.check(answer, size, sum_to(size), left, size * (repetition - 1))
            bench.add(name, system.name, size, repetition, size / answer["seconds"],
                      "jobs/s", scheduled=left, paused=left)
            bench.add(f"{name}: CPU", system.name, size, repetition, 1e6 * cpu_s / size,
                      "us/job")


def load(turn: Turn, others: int) -> None:
    """Scheduled and paused jobs that have been there for a while: what autovacuum would do
    within a minute of two million inserts is done, and does not run beside a drain."""
    with turn.connect() as db:
        for queue, delay in (("default", "1 day"), (PAUSED, "0 s")):
            for _ in range(0, others, CHUNK):
                db.execute(PUSH, [min(others, CHUNK), queue, delay])
        db.execute("SELECT pawl.queue_pause(%s)", [PAUSED])
        db.execute("VACUUM (ANALYZE)")
