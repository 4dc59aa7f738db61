"""Drain with very many jobs ready, and beside many that are scheduled or paused."""

from .systems import PAD
from .throughput import sum_to
from .turn import Bench

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
    worker names too."""
    with bench.turn(system) as turn:
        with turn.connect() as db:
            for queue, delay in (("default", "1 day"), (PAUSED, "0 s")):
                for _ in range(0, others, CHUNK):
                    db.execute(PUSH, [min(others, CHUNK), queue, delay])
            db.execute("SELECT pawl.queue_pause(%s)", [PAUSED])
        for repetition in range(1, bench.repetitions + 1):
            with turn.pusher() as pusher:
                pusher.ask(f"push {size} 0")
                pusher.finish()
            bench.cluster.checkpoint()
            with turn.worker([*system.once(size), "default", PAUSED]) as worker:
                answer = worker.answer()
                worker.finish()
            turn.check(answer, size, sum_to(size), others, size * (repetition - 1))
            bench.add("drain beside others", system.name, size, repetition,
                      size / answer["seconds"], "jobs/s", scheduled=others, paused=others)
