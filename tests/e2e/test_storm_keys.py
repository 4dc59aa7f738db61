"""Pushers against workers on shared unique keys, with all maintenance beside them (4.4).

Guards against deadlocks between calls that take and free the same keys (report 004),
lock timeouts that hide them, two live jobs of one key, and a key that is left behind.
Identities, not counts: every end of a job is written down by a trigger of the test's,
because retention takes jobs away while the storm blows.  PAWL_SEED repeats a storm;
PAWL_TORTURE=1 runs it for a
minute.
"""

import os
import random
from collections import Counter, defaultdict

import pytest
from harness.narrow import NAIVE_EMPTY, narrow
from harness.storm import Canceller, GroupWorker, Steward, Worker
from harness.storm_keys import (
    KeyFencer,
    KeyPusher,
    KeyRetrier,
    KeyStorm,
    KeyWatcher,
    LoopPusher,
    LoopWorker,
    Retainer,
)

TORTURE = bool(os.environ.get("PAWL_TORTURE"))
STEPS = 2  # of each actor, at the least
SEED = int(os.environ.get("PAWL_SEED", random.SystemRandom().randrange(10**9)))
WIDTH = 500
FLEET = [
    (KeyPusher, 4),
    (LoopPusher, 4),
    (Worker, 4),
    (KeyFencer, 2),
    (LoopWorker, 2),
    (GroupWorker, 2),
    (Canceller, 1),
    (KeyRetrier, 1),
    (Steward, 1),
    (Retainer, 1),
    (KeyWatcher, 1),
]

# seconds in `make check`, in `make torture`, and how the storm differs
STORMS = {
    "shared": (10, 60, {}),
    "fresh": (3, 20, {"fresh": True}),
    "no-hash-join": (3, 20, {"plans": ("hashjoin",)}),
    "no-merge-join": (3, 20, {"plans": ("mergejoin",)}),
}

NOTE_ENDS = """
CREATE TABLE public.ended (job_id bigint, finished_at timestamptz, state text);
GRANT ALL ON public.ended TO PUBLIC;
CREATE FUNCTION public.note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.ended VALUES (NEW.job_id, NEW.finished_at, NEW.state);
	RETURN NULL;
END
$$;
CREATE TRIGGER note_end AFTER INSERT ON pawl.outcome
	FOR EACH ROW EXECUTE FUNCTION public.note_end();
"""


@pytest.fixture(scope="module", params=STORMS)
def storm(cluster, request):
    """The storm that the tests of this module look at."""
    seconds, torture, options = STORMS[request.param]
    db = cluster.new_database()
    narrow(db, WIDTH)
    db.execute(NOTE_ENDS)
    print(f"seed {SEED}")
    blown = KeyStorm(db, SEED, **options)
    blown.name = request.param
    blown.run(torture if TORTURE else seconds, FLEET, STEPS)
    blown.drain()
    blown.left = {job for (job,) in db.execute("SELECT id FROM pawl.job")}
    blown.outcome = Counter(job for (job,) in db.execute("SELECT job_id FROM pawl.outcome"))
    blown.ends = Counter(
        job for (job,) in db.execute("SELECT job_id FROM (SELECT DISTINCT * FROM public.ended) e")
    )
    blown.rest = db.execute(
        "SELECT (SELECT count(*) FROM pawl.unique_key), (SELECT count(*) FROM pawl.ready), "
        "(SELECT count(*) FROM pawl.scheduled), (SELECT count(*) FROM pawl.waiting), "
        "(SELECT count(*) FROM pawl.running)"
    )
    print({name: count for name, count in sorted(blown.steps.items())})
    print(Counter(blown.record.steps), len(blown.record.answers), "answers")
    yield blown
    db.drop()


def test_something_happened(storm):
    """Every actor acted, keys met, and in the long one partitions were emptied."""
    record = storm.record
    assert min(storm.steps.values()) >= STEPS, storm.steps
    created = Counter(created for _, _, created in record.answers)
    assert created[True] > 300 and created[False] > 100, created
    assert record.completed and record.retried and record.cancels
    assert "emptied" in record.steps or storm.name != "shared", Counter(record.steps)


def test_answers_are_true(storm):
    """A job belongs to one key, was created once, and an answered job was created."""
    keys, created = defaultdict(set), Counter()
    for key, job, new in storm.record.answers:
        keys[job].add(key)
        created[job] += new is True
    assert all(len(names) == 1 for names in keys.values())
    assert max(created.values()) == 1
    told = {job for job, times in created.items() if not times}
    pushed_singly = {job for _, job, new in storm.record.answers if new is None}
    assert told <= pushed_singly


def test_each_job_has_ended_once(storm):
    """One end more than retries; its outcome is there, or was taken away with the job.

    A job that was lost while it lived has as many ends as retries.
    """
    pushed = {job for _, job, _ in storm.record.answers}
    retries = Counter(job for job, _ in storm.record.retried)
    assert storm.ends == Counter({job: 1 + retries[job] for job in pushed})
    assert set(storm.outcome) == storm.left <= pushed
    assert max(storm.outcome.values(), default=1) == 1


def test_what_is_unknown_was_taken_away(storm):
    """No cancel misses a job but one that retention has taken."""
    for job, answer, _, _ in storm.record.cancels:
        assert answer not in ("P0002", "unknown") or job not in storm.left, job


def test_no_key_is_left(storm):
    """At the end nothing is live, and nothing has a key."""
    assert storm.rest == [(0, 0, 0, 0, 0)]


def test_no_deadlock_and_no_lock_timeout(storm):
    """Neither in the log nor by the counter, with 100 ms and 10 s as the limits.

    An autovacuum that gives way to a lock says so in a LOG line: that is no error.
    """
    errors = [line for line in storm.log.splitlines() if " ERROR:  " in line]
    assert not [line for line in errors if " 40P01 " in line or " 55P03 " in line]
    assert storm.deadlocks == 0
    assert "deadlock detected" not in storm.log and "lock timeout" not in storm.log


# -- naive variants: the storm must be able to see them ---------------------------------

NAIVE_PUSH = """
CREATE FUNCTION public.naive_push(keys text[], rounds int) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	FOR round IN 1..rounds LOOP
		WITH added AS (
			INSERT INTO pawl.unique_key (job_id, until_start, key)
			SELECT nextval('pawl.job_id'), false, u.key
			FROM unnest(keys) WITH ORDINALITY u (key, o) ORDER BY u.o
			ON CONFLICT DO NOTHING RETURNING job_id, key
		), described AS (
			INSERT INTO pawl.job (id, pushed_at, priority, until_start, queue, kind, args,
				unique_key)
			SELECT job_id, clock_timestamp(), 5, false, 'default', 'k', '{}', key FROM added
		)
		INSERT INTO pawl.ready (job_id, priority, traits, queue, kind)
		SELECT job_id, 5, 1, 'default', 'k' FROM added;
		PERFORM pg_sleep(random() * 0.002);	-- as between two statements of a program
		keys := ARRAY(SELECT u.key FROM unnest(keys) WITH ORDINALITY u (key, o)
			WHERE NOT EXISTS (SELECT FROM pawl.unique_key k WHERE k.key = u.key) ORDER BY u.o);
		EXIT WHEN keys = '{}';
	END LOOP;
END
$$;
CREATE PROCEDURE public.naive_loop(seconds float8, names text[], rounds int, sorted boolean)
LANGUAGE plpgsql AS $$
DECLARE
	stop timestamptz := clock_timestamp() + make_interval(secs => seconds);
	keys text[];
BEGIN
	WHILE clock_timestamp() < stop LOOP
		keys := ARRAY(SELECT n FROM unnest(names) n ORDER BY random() LIMIT 1 + random() * 19);
		IF sorted THEN
			keys := ARRAY(SELECT n FROM unnest(keys) n ORDER BY n COLLATE "C");
		END IF;
		PERFORM public.naive_push(keys, rounds);
		PERFORM pg_sleep(random() * 0.002);
		COMMIT;
	END LOOP;
END
$$;
"""


class UnsortedPusher(LoopPusher):
    """One set-based statement, in the order of the call."""

    rounds, ordered = 1, False

    def act(self):
        self.connection.execute(
            "CALL public.naive_loop(0.2, %s, %s, %s)",
            [self.storm.names(), self.rounds, self.ordered],
        )


class SecondRoundPusher(UnsortedPusher):
    """Sorted; and what was neither inserted nor seen is taken in a second round."""

    rounds, ordered = 5, True


class KeyFirstCanceller(Canceller):
    """Frees the key, then takes the job's row: the order of the tables from top to bottom."""

    def act(self):
        next_ones = self.api.query(
            "SELECT r.job_id FROM pawl.ready r JOIN pawl.unique_key u USING (job_id) "
            "WHERE u.until_start ORDER BY r.pos LIMIT 10"
        )
        if not next_ones:
            return
        job = self.dice.choice(next_ones).job_id
        with self.connection.transaction():
            self.connection.execute("DELETE FROM pawl.unique_key WHERE job_id = %s", [job])
            self.over.wait(self.dice.random() * 0.005)
            self.connection.execute(
                "WITH gone AS (DELETE FROM pawl.ready WHERE job_id = %s RETURNING *) "
                "INSERT INTO pawl.outcome (job_id, finished_at, attempt, state) "
                "SELECT job_id, clock_timestamp(), 0, 'cancelled' FROM gone",
                [job],
            )


@pytest.mark.parametrize(
    "fleet",
    [
        [(UnsortedPusher, 4), (LoopWorker, 2)],
        [(SecondRoundPusher, 6), (LoopWorker, 4)],
        [(LoopPusher, 3), (LoopWorker, 3), (KeyFirstCanceller, 4)],
    ],
    ids=["unsorted", "second-round", "key-first"],
)
def test_naive_is_red(db, fleet):
    """A deadlock, 40P01, mostly within a second.

    If one of these turns green, the storm is too weak to show anything.
    """
    print(f"seed {SEED}")
    db.execute(NAIVE_PUSH)
    storm = KeyStorm(db, SEED)
    with pytest.raises(AssertionError, match="deadlock detected"):
        storm.run(60, [*fleet, (Steward, 1)])  # or snoozed jobs would keep their keys
    assert storm.deadlocks >= 1 and storm.log.count(" 40P01 ") >= 1


def test_naive_retention_is_red(db):
    """Survivors taken before the lock, which is waited for as long as it takes.

    A job lives on without its description, or somebody is chosen as a deadlock's victim.
    """
    print(f"seed {SEED}")
    narrow(db, WIDTH)
    db.execute(NAIVE_EMPTY)
    storm = KeyStorm(db, SEED)
    with pytest.raises(AssertionError, match="without description|in no table|deadlock detected"):
        storm.run(60, FLEET)
