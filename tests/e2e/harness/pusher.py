"""Pushing while faults happen, knowing what was acknowledged.

Each push carries a number of its own in its args, so that a job in the database can be
told from every other, also when the answer to its push was lost.
"""

import threading

import psycopg

PAUSE_S = 0.01  # between two pushes, and two attempts to connect


class Pusher:
    """A thread that pushes one job after the other until it is stopped."""

    def __init__(self, database, kind="work"):
        self.database = database
        self.kind = kind
        self.acknowledged = {}  # number -> job
        self.unknown = set()  # numbers whose COMMIT had no answer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        number = 0
        connection = None
        while not self._stop.wait(PAUSE_S):
            try:
                connection = connection or self.database.connect(connect_timeout=2)
                number += 1
                cursor = connection.execute(
                    "SELECT pawl.push(%s, jsonb_build_object('n', %s::int))",
                    [self.kind, number])
                self.acknowledged[number] = cursor.fetchone()[0]
            except psycopg.OperationalError:
                if connection is not None:
                    self.unknown.add(number)
                    connection.close()
                connection = None

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "the pusher has not ended"

    def check(self):
        """Nothing acknowledged is lost, nothing is there that was not pushed, nothing
        is there twice; answers the jobs of the database."""
        rows = self.database.execute("SELECT id, (args->>'n')::int FROM pawl.job")
        found = {number: job for job, number in rows}
        assert len(found) == len(rows), "a push that is there twice"
        missing = {n: job for n, job in self.acknowledged.items() if found.get(n) != job}
        assert not missing, f"acknowledged and lost: {missing}"
        extra = set(found) - set(self.acknowledged) - self.unknown
        assert not extra, f"never pushed: {extra}"
        return sorted(found.values())
