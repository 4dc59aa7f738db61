"""Batches in a storm of every verb: exact in every snapshot, ended exactly once.

The bugs it looks for: a counter that is not what a recount says, in any snapshot; a batch
that is done while a job of it lives, or never; a completion job that runs too early, or
twice; a deadlock between seal, rerun, retry, pushes of keys and fenced transactions.
PAWL_SEED repeats a run; PAWL_TORTURE=1 runs it for a minute.
"""

import os
import random

import pytest
from harness.storm import Storm
from harness.storm_batch import FLEET, drain

SECONDS = 60 if os.environ.get("PAWL_TORTURE") else 8
STEPS = 6  # of each actor, at the least
SEED = int(os.environ.get("PAWL_SEED", random.SystemRandom().randrange(10**9)))


@pytest.fixture(scope="module")
def storm(module_db):
    print(f"seed {SEED}")
    blown = Storm(module_db, SEED)
    blown.batches, blown.reruns = [], 0
    blown.run(SECONDS, FLEET, STEPS, lambda: blown.reruns > 0)
    drain(module_db)
    print(blown.steps, len(blown.batches), "batches", blown.reruns, "reruns")
    return blown


def test_something_happened(storm, module_db):
    assert min(storm.steps.values()) >= STEPS, storm.steps
    states = dict(module_db.execute("SELECT state::text, count(*) FROM pawl.batch GROUP BY 1"))
    assert set(states) == {"succeeded", "failed", "cancelled"}, states
    assert storm.reruns > 0


def test_every_epoch_is_done(module_db, storm):
    """No deltas are left, and what the rows say is what a recount of the jobs says."""
    assert module_db.value("SELECT count(*) FROM pawl.batch WHERE done_at IS NULL") == 0
    assert module_db.value("SELECT count(*) FROM pawl.batch_delta") == 0
    wrong = module_db.execute(
        "SELECT b.id, b.epoch, s.stage, b.total[s.i], r.* FROM pawl.batch b, "
        "unnest(b.stages) WITH ORDINALITY s (stage, i) "
        "LEFT JOIN LATERAL (SELECT count(*), count(*) FILTER (WHERE o.state = 'succeeded'), "
        "count(*) FILTER (WHERE o.state = 'failed'), "
        "count(*) FILTER (WHERE o.state = 'cancelled') FROM pawl.job j "
        "LEFT JOIN pawl.outcome o ON o.job_id = j.id WHERE j.batch = b.id AND "
        "j.epoch = b.epoch AND j.stage = s.stage) r (total, succeeded, failed, cancelled) "
        "ON true WHERE (b.total[s.i], b.succeeded[s.i], b.failed[s.i], b.cancelled[s.i]) "
        "<> (r.total, r.succeeded, r.failed, r.cancelled)")
    assert not wrong


def test_a_batch_is_done_when_all_has_ended(module_db, storm):
    """No job of it ends later, and none before is left out."""
    assert not module_db.execute(
        "SELECT j.id, j.batch FROM pawl.job j JOIN pawl.batch b ON b.id = j.batch AND "
        "b.epoch = j.epoch LEFT JOIN pawl.outcome o ON o.job_id = j.id "
        "WHERE j.stage IS NOT NULL AND (o.job_id IS NULL OR o.finished_at > b.done_at)")


def test_one_completion_job_an_epoch_and_after_its_end(module_db, storm):
    assert not module_db.execute(
        "SELECT b.id, b.epoch FROM pawl.batch b LEFT JOIN pawl.job j ON j.batch = b.id AND "
        "j.epoch = b.epoch AND j.stage IS NULL LEFT JOIN pawl.outcome o ON o.job_id = j.id "
        "GROUP BY b.id, b.epoch, b.done_at HAVING count(o.job_id) <> 1 OR "
        "bool_or(o.started_at < b.done_at)")


def test_no_deadlock_and_no_lock_timeout(storm):
    assert storm.deadlocks == 0
    lines = [line for line in storm.log.splitlines() if " 40P01 " in line]
    assert not lines
