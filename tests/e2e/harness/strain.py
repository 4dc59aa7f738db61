"""How long a busy machine keeps everybody waiting, beside what a test times.

A test that asserts a time adds what was seen while that time ran, and no more than MOST_S:
what took longer because no processor was free is no fault of what is tested.  What waits
for a lock or a lease is not seen here; a program that takes all processors itself is,
which is why there is a bound.
"""

import threading
import time

EVERY_S = 0.02
MOST_S = 2.0  # short beside what the bugs cost that such tests guard against


class Strain(threading.Thread):
    """A context manager: when a pause and the least of statements took longer."""

    def __init__(self, db):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.seen = []  # (began, ended), one after the other
        self.connection = db.connect()

    def run(self):
        while not self.over.is_set():
            began = time.time()
            self.over.wait(EVERY_S)
            self.connection.execute("SELECT 1")
            self.seen.append((began, time.time()))

    def during(self, began, ended):
        """Seconds: the sum of what was seen between two times of the epoch.  What has not
        ended is not seen yet: ask after the block."""
        parts = [min(end, ended) - max(begin, began) for begin, end in self.seen]
        return min(sum(max(part - EVERY_S, 0.0) for part in parts), MOST_S)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(30)
        self.connection.close()
