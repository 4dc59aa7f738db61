"""Grouped jobs as their runner has them: take the group, dispatch its head.

Runner is one owner of one group; its worker's lease is long, so that only the test ends
it.
"""

class Runner:
    """One owner of one group."""

    def __init__(self, api, group="g", lease="1 hour", **named):
        self.api, self.group = api, group
        self.worker = api.worker_start(lease=lease, **named)
        self.token = None

    def take(self):
        self.token = self.api.value("group_take", worker=self.worker, group_key=self.group)
        return self.token

    def ask(self, **named):
        """All rows of one dispatch; the group is taken before the first."""
        if self.token is None:
            assert self.take() is not None
        return self.api.rows("group_dispatch", worker=self.worker, group_key=self.group,
                             token=self.token, **named)

    def answer(self, **named):
        """What one dispatch said: job, or why not."""
        return self.ask(**named)[0].answer

    def dispatch(self, **named):
        """The claim of the group's head."""
        (row,) = self.ask(**named)
        assert row.answer == "job", row
        return row


def make_due(api):
    """What waits is due."""
    api.query("UPDATE pawl.waiting SET due = clock_timestamp() RETURNING 1")


def stops(api):
    """{job: policy} of what stands in group_stop."""
    return dict(api.query("SELECT job_id, policy FROM pawl.group_stop"))


def waiting(api, group="g"):
    """The jobs of a group that wait, its head first."""
    rows = api.query(
        "SELECT job_id FROM pawl.waiting WHERE group_key = %s ORDER BY job_id", [group])
    return [row.job_id for row in rows]


def drain_groups(api):
    """Every group that can go on does, until nothing of it waits."""
    groups = {row.group_key for row in api.query("SELECT DISTINCT group_key FROM pawl.waiting")}
    for group in groups:
        api.value("group_release", group_key=group)
        runner = Runner(api, group)
        while (row := runner.ask()[0]).answer in ("job", "again"):
            if row.answer == "job":
                api.complete(row.job, row.fence)
        assert row.answer == "none", row
        api.value("group_give_back", worker=runner.worker, group_key=group, token=runner.token)
    return len(groups)
