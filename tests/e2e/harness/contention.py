"""Rows that somebody holds, and sessions that wait for them."""

import threading

from .wait import wait_until

WAITING = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND cardinality(pg_blocking_pids(pid)) > 0"""


def waiting(database):
    """How many sessions wait for a lock that another one holds."""
    return database.value(WAITING)


def wait_for_waiters(database, n=1, deadline=20):
    wait_until(lambda: waiting(database) >= n, deadline, f"{n} sessions that wait")


class Holder:
    """A transaction that has done something and stays open."""

    def __init__(self, database, statement, parameters=None, **options):
        self.connection = database.connect(autocommit=False, **options)
        self.connection.execute(statement, parameters)
        self.pid = self.connection.info.backend_pid

    def commit(self):
        self.connection.commit()

    def rollback(self):
        self.connection.rollback()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


class Running:
    """A call in a thread of its own; answer() waits for what it answers or raises."""

    def __init__(self, call, *args):
        self.call, self.args = call, args
        self.result = self.error = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            self.result = self.call(*self.args)
        except BaseException as error:
            self.error = error

    def done(self):
        return not self.thread.is_alive()

    def answer(self, deadline=60):
        self.thread.join(deadline)
        assert self.done(), "the call has not ended"
        if self.error is not None:
            raise self.error
        return self.result
