"""Eight sessions push the same keys, shuffled, while their jobs are claimed and ended.

The bug: push_many takes its keys in the order of the caller, or takes in a second round
what it missed in the first; or a settle takes keys before rows.  Each of them deadlocks.
deadlock_timeout is 100 ms here and every lock_timeout is above, so a circle is 40P01, and
a wait that is none ends before.

The storm with all maintenance is in test_storm_keys.py; this one is about push_many: that
both of its ways are taken, at once and key after key, and that its answers are true.
"""

import os
import random

import psycopg
import pytest
from harness.api import Api
from harness.key_storm import KeyPusher, KeyRetrier, KeyWatcher
from harness.storm import Canceller, Fencer, Steward, Storm, Watcher, Worker
from harness.wait import wait_until
from harness.waiting import WAITS, Call

SECONDS = 60 if os.environ.get("PAWL_TORTURE") else 8
STEPS = 6  # of each actor, at the least
SEED = int(os.environ.get("PAWL_SEED", random.SystemRandom().randrange(10**9)))
FLEET = [(KeyPusher, 8), (Worker, 3), (Fencer, 1), (Canceller, 1), (KeyRetrier, 1),
         (Steward, 1), (KeyWatcher, 1), (Watcher, 1)]
CALLS = "SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname = %s"


@pytest.fixture(scope="module")
def storm(module_db):
    print(f"seed {SEED}")
    blown = Storm(module_db, SEED)
    blown.record.keyed = []
    KeyPusher.options = "-c lock_timeout=10s -c track_functions=all"
    blown.run(SECONDS, FLEET, STEPS)
    with module_db.connect() as connection:
        blown.jobs = dict(connection.execute("SELECT id, unique_key FROM pawl.job").fetchall())
    print({name: count for name, count in sorted(blown.steps.items())}, len(blown.jobs))
    return blown


def test_something_happened(storm, module_db):
    """Every actor acted, keys were shared, and some calls had to take them one by one."""
    assert min(storm.steps.values()) >= STEPS, storm.steps
    made = [created for _, _, created in storm.record.keyed]
    assert made.count(True) > 200 and made.count(False) > 200
    at_once = module_db.value(CALLS, ["take_at_once"])
    one_by_one = module_db.value(CALLS, ["take_key"])
    print(f"at once {at_once}, one by one {one_by_one}")
    assert at_once > 100 and one_by_one > 50


def test_no_deadlock_and_no_lock_timeout(storm):
    """Not in the server's log, not in its counter, not with anybody."""
    assert [line for line in storm.log.splitlines() if " 40P01 " in line] == []
    assert [line for line in storm.log.splitlines() if "lock timeout" in line] == []
    assert [line for line in storm.log.splitlines() if "could not get unique key" in line] == []
    assert storm.deadlocks == 0


def test_each_answer_is_a_job_of_that_key(storm):
    """And what was answered as made is all that there is, once."""
    assert storm.record.keyed
    for key, job, _ in storm.record.keyed:
        assert storm.jobs[job] == key
    many = [job for _, job, created in storm.record.keyed if created]
    assert len(many) == len(set(many))
    single = {job for _, job, created in storm.record.keyed if created is None}
    assert set(storm.jobs) == set(many) | single


# -- the naive forms -----------------------------------------------------------------------

TAKE = """INSERT INTO pawl.unique_key (job_id, until_start, key)
    SELECT nextval('pawl.job_id'), false, k FROM unnest(%s::text[]) k ORDER BY k COLLATE "C"
    ON CONFLICT DO NOTHING RETURNING key"""
SEEN = "SELECT key FROM pawl.unique_key WHERE key = ANY (%s)"


def naive_rounds(api, keys, between):
    """All keys in order and at once; what was neither taken nor seen in a second round."""
    taken = {row.key for row in api.query(TAKE, [keys])}
    between()
    taken |= {row.key for row in api.query(SEEN, [keys])}
    missing = [key for key in keys if key not in taken]
    assert missing, "the key was still there"
    return api.query(TAKE, [missing])


def test_a_second_round_deadlocks(db, api):
    """The naive form, step by step: the job of the first key ends between the rounds.

    By then the second key is held, and whoever has taken the first one meanwhile waits
    for it, in canonical order.
    """
    job = api.push(unique_key="a")
    with db.connect(autocommit=False) as naive, db.connect(autocommit=False) as user:
        naive.execute("SET deadlock_timeout = '100 ms'")
        user.execute("SET deadlock_timeout = '20 s'")

        def meanwhile():
            api.cancel(job)
            Api(user).push(unique_key="a")
            meanwhile.call = Call(db, lambda _: Api(user).push(unique_key="b"))
            wait_until(lambda: db.value(WAITS, [user.info.backend_pid]), message="the wait")

        with pytest.raises(psycopg.errors.DeadlockDetected):
            naive_rounds(Api(naive), ["a", "b"], meanwhile)
        naive.rollback()
        assert api.one("SELECT 1") == 1 and meanwhile.call.result()
        user.rollback()
