"""Claims from a mark: nothing is passed over, and dead rows are not walked again.

The bug: a job whose transaction drew its position early and committed late lies behind
the mark, and no claim ever looks there again.  The naive variants, a mark that does not
know which transactions were in progress, and a position that was drawn before the
transaction had an xid, lose jobs here on every run.  Seeds are printed; PAWL_SEED
repeats them.
"""

import threading

from harness.api import Api
from harness.fleet import Fleet
from harness.lanes import SECONDS, SEED, EarlyPosition, Short, Writer, start_claimer
from harness.wait import wait_until

TRIES = 5  # of a naive variant: it takes luck to lose a job when all else is busy


def left_over(database, writers, seconds, *variant):
    """What lies in ready when writers have ended and claimers find nothing any more."""
    print(f"seed {SEED}")
    stop = threading.Event()
    running = [made(database, SEED + i, stop) for i, made in enumerate(writers)]
    for writer in running:
        writer.start()
    claimers = [start_claimer(database, ["k"], SEED + i, *variant) for i in range(2)]
    stop.wait(seconds / 2)
    claimers.append(start_claimer(database, ["k"], SEED + 9, *variant))  # joins in the middle
    stop.wait(seconds / 2)
    stop.set()
    for writer in running:
        writer.join(30)
        assert not writer.is_alive()
    claimed = 0
    for claimer in claimers:
        out, _ = claimer.communicate(timeout=60)
        assert claimer.returncode == 0
        claimed += int(out)
    assert claimed > 100
    return database.value("SELECT count(*) FROM pawl.ready")


def slow_writer(database, seed, stop):
    return Writer(database, seed, stop, slow=True)


def test_no_job_is_missed(db):
    """I11: late, slow, rolled-back and savepoint writers, three claimers, no sweep."""
    assert left_over(db, [Writer] * 5 + [slow_writer] * 2, SECONDS) == 0


def test_naive_mark_misses_jobs(db):
    """Red: the mark does not know which transactions were in progress."""
    assert any(left_over(db, [Writer] * 5 + [slow_writer] * 2, 3, "forgetful") > 0
               for _ in range(TRIES))


def test_naive_position_is_missed(db):
    """Red: positions drawn before the transaction has an xid."""
    assert any(left_over(db, [Short] * 2 + [EarlyPosition] * 4, 3) > 0 for _ in range(TRIES))


def test_row_that_was_passed_over_is_found(db):
    """A job that was locked when the claims passed it, by a session that then rolled
    back: no mark knows of it, the sweep finds it."""
    api = Api(db.connect())
    with Fleet(db, 1, "-j", "2", "--poll", "200ms", handlers={"k": "true"}) as fleet:
        api.push_some(5, kind="k")
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome") == 5, 20)
        with db.connect(autocommit=False) as holder:
            locked = api.push("k", run_at="infinity")
            db.execute("UPDATE pawl.scheduled SET due = now()")
            api.query("SELECT pawl.queue_pause('default')")
            wait_until(lambda: api.one("SELECT count(*) FROM pawl.ready") == 1, 20)
            holder.execute("SELECT FROM pawl.ready WHERE job_id = %s FOR UPDATE", [locked])
            api.query("SELECT pawl.queue_resume('default')")
            later = api.push("k")
            wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome WHERE job_id = %s",
                                       [later]) == 1, 20)
            holder.rollback()
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome WHERE job_id = %s",
                                   [locked]) == 1, 20, fleet.logs)


def claim_pages(api, worker):
    """Pages of a claim that finds one job at the end of the lane."""
    api.push("k")
    plan = api.one("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM"
                   " pawl.claim(%s, 1, kinds => '{k}', suspects => false)", [worker])
    assert plan[0]["Plan"]["Actual Rows"] == 1
    return plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]


def test_new_claimer_begins_at_the_floor(db, api):
    """Dead rows that a held snapshot keeps in the index: a claim without a mark of its
    own reads no more with a hundred thousand of them than with none."""
    with db.connect(autocommit=False) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM pawl.ready")
        worker = api.worker_start()
        api.query("SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, '{120000}'))")
        before = claim_pages(api, worker)
        for _ in range(12):
            api.query("SELECT count(*) FROM pawl.claim(%s, 10000, kinds => '{k}')", [worker])
        from_zero = claim_pages(api, worker)
        mark = api.one("SELECT last_value FROM pawl.job_id")
        api.query("SELECT pawl.raise_floor('default', 5, '{k}', %s, 'another')", [mark])
        assert api.query("SELECT FROM pawl.lane") == []
        api.query("SELECT pawl.raise_floor('default', 5, '{k}', %s,"
                  " substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))", [mark])
        from_floor = claim_pages(api, worker)
        print(f"pages read: {before} first, {from_zero} from zero, {from_floor} from the floor")
        assert from_floor < 200 < from_zero


def test_positions_that_are_drawn_anew(db, api):
    """A failover that lost the newest transactions: floors and the sequence are those of
    before, and a living worker's mark is above what is pushed now."""
    def ended():
        return api.one("SELECT count(*) FROM pawl.outcome")

    with Fleet(db, 1, "-j", "2", "--poll", "100ms", handlers={"k": "true"}) as fleet:
        db.execute("SELECT setval('pawl.job_id', 1000000)")
        api.push_some(5, kind="k")
        wait_until(lambda: ended() == 5, 20, fleet.logs)
        wait_until(lambda: api.query("SELECT FROM pawl.lane WHERE floor > 999999") != [], 20,
                   "the sweep to raise the floor")
        db.execute("DELETE FROM pawl.lane")
        db.execute("SELECT setval('pawl.job_id', 1000)")
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE application_name LIKE 'pawl claim %'")
        api.push_some(5, kind="k")
        wait_until(lambda: ended() == 10, 20, fleet.logs)
