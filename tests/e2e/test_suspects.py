"""Jobs that have crashed a worker, beside a backlog of others.

The bug: each of them waits until the backlog is done, or for a pause of its own, so that
what a lost worker held comes back one job every few seconds.
"""

from harness.program import Worker
from harness.wait import wait_until

BACKLOG = 400
SUSPECTS = 6
BUSY = "/usr/bin/python3 -c pass"


def make_suspects(db, api):
    jobs = api.push_some(SUSPECTS)
    db.execute("UPDATE pawl.ready SET tries = (1, 0, 1), priority = priority + 10 WHERE job_id = ANY (%s)", [jobs])
    return jobs


def test_suspects_run_alone_and_soon_beside_a_backlog(db, api):
    """One pause of a busy worker serves all of them, a lease after they have appeared:
    none waits for the end of the backlog, and nothing runs beside one.

    Red on: a pause for each, which is over five seconds apart from the last.
    """
    api.push_some(BACKLOG)
    suspects = make_suspects(db, api)
    with Worker(db, "-j", "4", "--lease", "1s", handlers={"k": BUSY}) as worker:
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome WHERE state ="
                                   " 'succeeded'") == BACKLOG + SUSPECTS, 120,
                   lambda: f"all jobs to succeed\n{worker.log()}")
    last_suspect, last_other = [
        api.one(f"SELECT max(started_at) FROM pawl.jobs WHERE (id = ANY (%s)) IS {which}",
                [suspects]) for which in ("true", "false")]
    assert last_suspect < last_other
    overlaps = api.query(
        "SELECT s.id, o.id AS other FROM pawl.jobs s, pawl.jobs o"
        " WHERE s.id = ANY (%s) AND o.id <> s.id"
        " AND o.started_at < s.finished_at AND s.started_at < o.finished_at", [suspects])
    assert overlaps == []
