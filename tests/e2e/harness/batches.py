"""What the tests of batches share: opening one, its counters, and ending its jobs."""

from psycopg.types.json import Jsonb

COUNTERS = ("total", "succeeded", "failed", "cancelled")


class Batch:
    """A batch over one Api.  on_complete: the kind of its completion job (None: none)."""

    def __init__(self, api, stages=("main",), on_complete="report", **named):
        self.api = api
        if on_complete is not None:
            named["on_complete"] = Jsonb({"kind": on_complete, "queue": "reports"})
        self.id = api.value("batch_open", name="images", stages=list(stages), **named)

    def push(self, n=1, **named):
        """n jobs by one call; their ids."""
        return self.api.push_some(n, batch=self.id, **named)

    def child(self, parent, **named):
        """One job that a running one pushes."""
        return self.api.push(batch=self.id, parent_fence=parent.fence, parent=parent.job, **named)

    def seal(self):
        return self.api.value("batch_seal", batch=self.id)

    def cancel(self, **named):
        return self.api.value("batch_cancel", batch=self.id, **named)

    def rerun(self, **named):
        return self.api.value("batch_rerun", batch=self.id, **named)

    def fold(self):
        return self.api.value("fold", batch=self.id)

    def row(self):
        (row,) = self.api.query("SELECT * FROM pawl.batches WHERE id = %s", [self.id])
        return row

    def state(self):
        return self.row().state

    def counters(self):
        """(total, succeeded, failed, cancelled) of all stages."""
        row = self.row()
        return tuple(getattr(row, name) for name in COUNTERS)

    def stages(self):
        """{stage: (total, succeeded, failed, cancelled)}"""
        rows = self.api.rows("batch_progress", batch=self.id)
        return {row.stage: tuple(getattr(row, name) for name in COUNTERS) for row in rows}

    def counts(self):
        return {row.stage: row.counts for row in self.api.rows("batch_progress", batch=self.id)}

    def completions(self):
        """The states of its completion jobs, of all epochs."""
        rows = self.api.query(
            "SELECT state FROM pawl.jobs WHERE batch = %s AND stage IS NULL ORDER BY id", [self.id]
        )
        return [row.state for row in rows]


def fold_some(api, **named):
    """fold_batches: after which batch it goes on (next), and whether there is more to do."""
    (row,) = api.rows("fold_batches", **named)
    return row


def without_upkeeps_fold(db):
    """The upkeep folds no batch: only who settles its jobs does."""
    db.execute("CREATE OR REPLACE FUNCTION pawl.fold_batches(after bigint DEFAULT 0,"
               " n int DEFAULT 100, OUT next bigint, OUT more boolean)"
               " LANGUAGE sql AS 'SELECT 0::bigint, false'")


RECOUNT = """SELECT j.batch, j.stage, count(*) AS total,
        count(*) FILTER (WHERE o.state = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE o.state = 'failed') AS failed,
        count(*) FILTER (WHERE o.state = 'cancelled') AS cancelled
    FROM pawl.job j
    JOIN pawl.batch b ON b.id = j.batch AND b.epoch = j.epoch
    LEFT JOIN pawl.outcome o ON o.job_id = j.id
    WHERE j.stage IS NOT NULL AND NOT EXISTS (SELECT FROM pawl.batch n
        WHERE n.id = b.id AND n.epoch > b.epoch)
    GROUP BY 1, 2"""


def wrong_counters(api):
    """Stages whose counters are not what a recount of their jobs says (I8); one snapshot."""
    return api.query(
        f"SELECT s.*, r.total AS really FROM pawl.batch_stages s LEFT JOIN ({RECOUNT}) r "
        "ON r.batch = s.batch AND r.stage = s.stage WHERE (s.total, s.succeeded, s.failed, s.cancelled) IS DISTINCT "
        "FROM (coalesce(r.total, 0), coalesce(r.succeeded, 0), coalesce(r.failed, 0), "
        "coalesce(r.cancelled, 0))"
    )
