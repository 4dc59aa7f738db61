"""A job that pushes hold unclaimed, and a worker whose mark goes past it.

The bug: a claimer skips a job that is held, walks on, and never looks back. Two
transactions hold it, one after the other, so that the end of the first tells nothing.
"""

from harness.api import Api
from harness.wait import wait_until


def outcomes(api, n):
    """n jobs have ended."""
    wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome") == n, 30, f"{n} outcomes")


def test_a_held_job_is_claimed_when_its_holders_have_ended(db, api, worker):
    worker("-H", "k=true", "--poll", "1s")
    api.push_some(5)
    outcomes(api, 5)
    api.query("SELECT pawl.queue_pause('default')")
    job = api.push(unique_key="k", unique_until="start")
    with db.connect(autocommit=False) as first, db.connect(autocommit=False) as second:
        assert Api(first).push(unique_key="k") == job
        api.query("SELECT pawl.queue_resume('default')")
        for done in (20, 40):
            api.push_some(20)
            outcomes(api, 5 + done)
        assert Api(second).push(unique_key="k") == job
        for connection in (first, second):
            api.push_some(20)
            outcomes(api, 65 if connection is first else 85)
            assert api.state(job) == "ready"
            connection.commit()
    outcomes(api, 86)
    assert api.state(job) == "succeeded"
