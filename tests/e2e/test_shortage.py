"""A server that is short of something: of temporary space here, as on a disk nearly full.

The bug: a batch of results that is too much for the server is tried again as it is, for
ever; small results, and every other job of the worker, wait behind it.
"""

from harness import processes
from harness.ledger import write_script
from harness.program import Worker
from harness.wait import wait_until

RESULT = 900_000
JOBS = 24


def test_a_batch_too_large_for_the_server_is_divided(db, api, tmp_path):
    """Twenty-four results of 0.9 MB at once; one of them needs less temporary space than
    the server gives, a batch of them more."""
    db.execute(f'ALTER DATABASE "{db.name}" SET temp_file_limit = \'16MB\'')
    db.execute(f'ALTER DATABASE "{db.name}" SET work_mem = \'64kB\'')
    go = tmp_path / "go"
    script = write_script(tmp_path, "large", f"""
import os, time
while not os.path.exists({str(go)!r}):
    time.sleep(0.01)
os.write(3, b'{{"result": "'); [os.write(3, b"x" * 1000) for _ in range({RESULT // 1000})]
os.write(3, b'"}}\\n')
""", "/usr/bin/python3")
    jobs = api.push_some(JOBS, kind="work")
    with Worker(db, "-j", JOBS, "--poll", "100ms", handlers={"work": script}) as worker:
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.running") == JOBS, 20, worker.log)
        # the first result is held up, so that the others come together
        with db.connect(autocommit=False) as holder:
            holder.execute("LOCK TABLE pawl.outcome IN ACCESS EXCLUSIVE MODE")
            go.touch()
            wait_until(lambda: [p.name for p in processes.children(worker.pid)] == ["pawl guard"],
                       20, "the handlers to end")
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome WHERE state = 'succeeded'")
                   == JOBS, 20, worker.log)
        assert "temp_file_limit" in worker.log(), "the batches were never too large"
        assert worker.drain() == 0, worker.log()
    assert sorted(row.id for row in api.query("SELECT id FROM pawl.jobs")) == jobs
