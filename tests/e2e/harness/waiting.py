"""A call in a session of its own that may wait for another transaction."""

import threading

import psycopg

from .api import Api
from .wait import wait_until

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"


class Call(threading.Thread):
    """Begins at once; result() is its answer, or raises its error."""

    def __init__(self, db, call, autocommit=True, **options):
        super().__init__(daemon=True)
        self.db, self.call = db, call
        self.answer, self.error = None, None
        self.connection = db.connect(autocommit=autocommit, **options)
        self.start()

    def run(self):
        try:
            with self.connection:
                self.answer = self.call(Api(self.connection))
        except psycopg.Error as error:
            self.error = error

    def waits(self):
        """Return when the server says that it waits for a lock; it must not have ended."""
        pid = self.connection.info.backend_pid
        wait_until(lambda: self.db.value(WAITS, [pid]) or not self.is_alive(), 20, "the wait")
        assert self.is_alive(), (self.answer, self.error)
        return self

    def result(self):
        self.join(60)
        assert not self.is_alive(), "the call has not ended"
        if self.error:
            raise self.error
        return self.answer
