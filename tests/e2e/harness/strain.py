"""How long a busy machine keeps everybody waiting, beside what a test times.

A test that asserts a time adds it: what took longer because no processor was free is no
fault of what is tested, and what waits for a lock or a lease is not seen here.
"""

import threading
import time

EVERY_S = 0.02


class Strain(threading.Thread):
    """A context manager: the longest time that a pause and the least of statements took."""

    def __init__(self, db):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.longest_s = 0.0
        self.connection = db.connect()

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            self.over.wait(EVERY_S)
            self.connection.execute("SELECT 1")
            self.longest_s = max(self.longest_s, time.monotonic() - began - EVERY_S)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(30)
        self.connection.close()
