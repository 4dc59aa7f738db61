"""The SQL functions of the schema, called from Python as a user would call them.

One method a function, named arguments as in the documentation; what is left out takes
the function's own default.  Nothing is translated on the way: errors are psycopg's.
"""

import psycopg
from psycopg.types.json import Jsonb

LIVE = ("ready", "scheduled", "waiting", "running")
TERMINAL = ("succeeded", "failed", "cancelled")
PLACES = ("ready", "scheduled", "waiting", "running", "outcome")


def sqlstate(call, *args, **named):
    """The SQLSTATE that the call fails with; None when it succeeds."""
    try:
        call(*args, **named)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def json_array(values):
    """A list for a jsonb[] parameter; None stays NULL."""
    return [None if value is None else Jsonb(value) for value in values]


class Api:
    """Functions of schema pawl over one connection, which the caller owns."""

    def __init__(self, connection):
        self.connection = connection

    # -- calling -------------------------------------------------------------

    def rows(self, function, /, **named):
        """All rows of one call, as named tuples."""
        arguments = ", ".join(f"{name} => %({name})s" for name in named)
        cursor = self.connection.cursor(row_factory=psycopg.rows.namedtuple_row)
        return cursor.execute(f"SELECT * FROM pawl.{function}({arguments})", named).fetchall()

    def value(self, function, /, **named):
        (row,) = self.rows(function, **named)
        return row[0]

    def query(self, statement, parameters=None):
        cursor = self.connection.cursor(row_factory=psycopg.rows.namedtuple_row)
        return cursor.execute(statement, parameters).fetchall()

    def one(self, statement, parameters=None):
        (row,) = self.query(statement, parameters)
        return row[0] if len(row) == 1 else row

    # -- pushing and claiming --------------------------------------------------

    def push(self, kind="k", **named):
        if isinstance(named.get("args"), (dict, list)):
            named["args"] = Jsonb(named["args"])
        return self.value("push", kind=kind, **named)

    def push_some(self, n, kind="k", **named):
        """n jobs by one call of push_many; their ids, ascending."""
        rows = self.rows("push_many", kind=kind, args=json_array([{}] * n), **named)
        return sorted(row.job for row in rows)

    def worker_start(self, **named):
        return self.value("worker_start", **named)

    def claim(self, worker, n=1, **named):
        return self.rows("claim", worker=worker, n=n, **named)

    def claim_one(self, worker, **named):
        """The (job, fence, …) of the one job that is there to be claimed."""
        (row,) = self.claim(worker, 1, **named)
        return row

    def end_lease(self, worker):
        """It is over now, however long the worker has asked for: a lease that is short
        from the start may be over before the test has done what it is needed for."""
        cursor = self.connection.execute(
            "UPDATE pawl.worker SET expires_at = clock_timestamp() WHERE id = %s", [worker])
        assert cursor.rowcount == 1, "its lease is gone"

    # -- settling ----------------------------------------------------------------

    def complete(self, job, fence, **named):
        return self.value("complete", job=job, fence=fence, **named)

    def fail(self, job, fence, error="it failed", **named):
        return self.value("fail", job=job, fence=fence, error=error, **named)

    def snooze(self, job, fence, delay="1 hour"):
        return self.value("snooze", job=job, fence=fence, delay=delay)

    def release(self, job, fence):
        return self.value("release", job=job, fence=fence)

    def fence(self, job, fence):
        return self.value("fence", job=job, fence=fence)

    # -- the operator --------------------------------------------------------------

    def cancel(self, job, **named):
        return self.value("cancel", job=job, **named)

    def retry(self, job, **named):
        return self.value("retry", job=job, **named)

    # -- looking ---------------------------------------------------------------------

    def job(self, job):
        """The job's row of the view pawl.jobs."""
        (row,) = self.query("SELECT * FROM pawl.jobs WHERE id = %s", [job])
        return row

    def state(self, job):
        return self.one("SELECT state FROM pawl.jobs WHERE id = %s", [job])

    def places(self, job):
        """The tables that have the job, in one snapshot; exactly one, always."""
        parts = [f"SELECT '{t}' FROM pawl.{t} WHERE job_id = %(job)s" for t in PLACES]
        return [row[0] for row in self.query(" UNION ALL ".join(parts), {"job": job})]

    def attempts(self, job):
        """The categories of the job's unsuccessful attempts, oldest first."""
        rows = self.query(
            "SELECT category FROM pawl.attempt WHERE job_id = %s ORDER BY attempt, id",
            [job],
        )
        return [row.category for row in rows]
