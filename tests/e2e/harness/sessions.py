"""Sessions with names, some of which wait: what the watch and `pawl locks` look at."""

import threading
import uuid

import psycopg

from .wait import wait_until

WAITING = """SELECT count(*) FROM pg_stat_activity
    WHERE pid = %s AND wait_event_type = 'Lock'"""

# Of one that was ended while it waited: by the watch, by its own lock_timeout.
WAITED = ("canceling statement due to user request", "canceling statement due to lock timeout")


def worker_name(worker=None, job=None):
    """The name of a session of a process that claims by SQL."""
    words = ["pawl worker", str(worker or uuid.uuid4()), str(job or "")]
    return " ".join(words).strip()


class Session:
    """One connection in a transaction; a statement that waits runs on a thread."""

    def __init__(self, db, name, user="postgres"):
        self.db, self.name = db, name
        self.connection = db.connect(user, autocommit=False, application_name=name)
        self.pid = self.connection.info.backend_pid
        self.thread = None
        self.error = None

    def run(self, statement):
        self.connection.execute(statement)
        return self

    def wait(self, statement):
        """Begin a statement, and return when the server says that it waits for a lock; or
        when it has been cancelled, for that is done to one that has waited."""
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(statement,))
        self.thread.start()
        wait_until(lambda: self.waits() or not self.thread.is_alive(), 30, "a wait")
        waited = self.thread.is_alive() or self.error and self.error.diag.message_primary in WAITED
        assert waited, f"{self.name} did not wait: {self.error}"
        return self

    def _run(self, statement):
        try:
            self.connection.execute(statement)
        except psycopg.Error as error:
            self.error = error

    def waits(self):
        return self.db.value(WAITING, [self.pid]) == 1

    def answer(self, deadline=30):
        """Of the statement that waited: None when it was done, else its SQLSTATE."""
        self.thread.join(deadline)
        assert not self.thread.is_alive(), f"{self.name} still waits"
        return self.error.sqlstate if self.error else None

    def rollback(self):
        self.connection.rollback()

    def end(self):
        self.db.execute("SELECT pg_terminate_backend(%s)", [self.pid])
        if self.thread is not None:
            self.thread.join()
        self.connection.close()


class Sessions:
    """A context manager: whatever still waits is ended with it."""

    def __init__(self, db):
        self.db = db
        self.made = []

    def __call__(self, name, user="postgres"):
        self.made.append(Session(self.db, name, user))
        return self.made[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for session in self.made:
            session.end()
