"""Several workers of one database, and random faults that can be repeated.

A run's seed is printed; PAWL_TEST_SEED repeats it.
"""

import os
import random

from . import processes
from .program import Worker
from .wait import wait_until


def seeded(name):
    """A random generator of this test's own; its seed is in the output."""
    seed = int(os.environ.get("PAWL_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"{name}: seed {seed} (PAWL_TEST_SEED={seed} repeats it)")
    return random.Random(seed)


class Fleet:
    """A context manager: every worker is killed when the block ends."""

    def __init__(self, database, n, *args, handlers=None, env=None):
        self.make = lambda: Worker(database, *args, handlers=handlers, env=env)
        self.workers = []
        self.ended = []
        for _ in range(n):
            self.add()

    def add(self):
        worker = self.make()
        self.workers.append(worker)
        return worker

    def kill(self, worker):
        """SIGKILL one, and forget it."""
        worker.kill()
        self.workers.remove(worker)
        self.ended.append(worker)

    def busy(self):
        """Those with a handler: who has only just begun to start meets nothing when it is
        killed, and the others may finish without it.  Waits until there is one."""
        def find():
            return [w for w in self.workers if any(
                child.state not in "ZX" and child.name != "pawl guard"
                for child in processes.children(w.pid))]

        return wait_until(find, 30, "a worker with a handler")

    def drain(self):
        """SIGTERM to all; their exit codes."""
        for worker in self.workers:
            worker.signal(15)
        return [worker.wait() for worker in self.workers]

    def running(self):
        return all(worker.running() for worker in self.workers)

    def logs(self):
        return "\n".join(f"--- {w.pid}\n{w.log()}" for w in self.ended + self.workers)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for worker in self.ended + self.workers:
            worker.__exit__(kind, value, trace)
