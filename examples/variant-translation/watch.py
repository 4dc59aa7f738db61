"""Looks every 10 ms whether a session of Pawl's is idle in a transaction."""

import threading

INTERVAL_S = 0.01
LOOK = """SELECT extract(epoch FROM clock_timestamp() - state_change) * 1000
    FROM pg_stat_activity WHERE application_name LIKE 'pawl %'
    AND state LIKE 'idle in transaction%'"""


class Watch:
    """A thread with a connection of its own, while its block lasts."""

    def __init__(self, connection):
        self.connection = connection
        self.looks = 0
        self.found = 0       # looks that saw such a session
        self.longest_ms = 0  # that one was seen so
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.end.wait(INTERVAL_S):
            spans = [float(ms) for (ms,) in self.connection.execute(LOOK)]
            self.looks += 1
            self.found += bool(spans)
            self.longest_ms = max([self.longest_ms, *spans])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()
        self.connection.close()
