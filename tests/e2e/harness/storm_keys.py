"""More actors of a storm: those that push unique keys, and the maintenance beside them.

200 keys that everybody pushes, or keys that nobody has pushed before; each call names
them in an order of its own, some of them twice, with jobs without a key in between.

Some actors loop inside the server: without a round trip between two calls they meet far
more often.
"""

import json
import time

from .api import json_array
from .storm import GROUPS, PLACES, PLANS, Actor, Fencer, Retrier, Storm, Watcher, Worker

SHARED = [f"{'kK_ü'[n % 4]}{n}" for n in range(200)]  # locales do not agree on their order
LIVE_JOBS = 600


LOOPS = """
CREATE TABLE public.answers (key text, job bigint, created boolean);
CREATE PROCEDURE public.push_loop(seconds float8, names text[]) LANGUAGE plpgsql AS $$
DECLARE
	stop timestamptz := clock_timestamp() + make_interval(secs => seconds);
	keys text[];
	groups text[];
BEGIN
	WHILE clock_timestamp() < stop LOOP
		keys := ARRAY(SELECT n FROM unnest(names) n ORDER BY random() LIMIT 1 + random() * 19);
		groups := CASE WHEN random() < 0.2 THEN ARRAY(SELECT CASE WHEN random() < 0.5 THEN 'alone' END
			FROM unnest(keys)) END;
		INSERT INTO public.answers
		SELECT pawl.scoped_key(groups[p.ordinal], keys[p.ordinal]), p.job, p.created
		FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[cardinality(keys)]),
			unique_keys => keys, group_keys => groups,
			unique_until => CASE WHEN random() < 0.3 THEN 'start' ELSE 'end' END) p;
		PERFORM pg_sleep(random() * 0.002);
		COMMIT;
	END LOOP;
END
$$;
CREATE PROCEDURE public.settle_loop(seconds float8, wid uuid) LANGUAGE plpgsql AS $$
DECLARE
	stop timestamptz := clock_timestamp() + make_interval(secs => seconds);
	jobs bigint[];
	fences bigint[];
BEGIN
	WHILE clock_timestamp() < stop LOOP
		PERFORM FROM pawl.claim(wid, 1 + (random() * 15)::int);
		COMMIT;
		SELECT array_agg(r.job_id), array_agg(r.fence) INTO jobs, fences
		FROM (SELECT * FROM pawl.running WHERE worker = wid ORDER BY random()) r;
		IF jobs IS NULL THEN
			PERFORM pg_sleep(0.001);
		ELSIF random() < 0.6 THEN
			PERFORM pawl.complete_many(jobs, fences);
		ELSIF random() < 0.5 THEN
			PERFORM pawl.fail_many(jobs, fences, array_fill('e'::text, ARRAY[cardinality(jobs)]),
				retries => array_fill(false, ARRAY[cardinality(jobs)]));
		ELSIF random() < 0.5 THEN
			PERFORM pawl.release_many(jobs, fences);
		ELSE
			PERFORM pawl.snooze_many(jobs, fences,
				array_fill('1 ms'::interval, ARRAY[cardinality(jobs)]));
		END IF;
		COMMIT;
	END LOOP;
END
$$;
"""


class KeyStorm(Storm):
    """fresh: new keys only, the same ones for all who push within a moment."""

    def __init__(self, db, seed, plans=PLANS, fresh=False):
        super().__init__(db, seed, plans)
        self.fresh = fresh
        self.record.answers = []  # (key, job, created), committed
        self.record.steps = []  # of retention
        db.execute(LOOPS)

    def run(self, seconds, fleet, steps=1):
        super().run(seconds, fleet, steps)
        KeyPusher.keep(self, self.db.execute("SELECT key, job, created FROM public.answers"))

    def names(self):
        moment = int(time.monotonic() * 20)
        return [f"{name}-{moment}" for name in SHARED[:40]] if self.fresh else SHARED

    def keys(self, dice):
        """Some keys in any order; None is a job without one."""
        keys = dice.sample(self.names(), dice.choice([1, 2, 5, 20]))
        keys += dice.choices(keys, k=dice.randrange(3))
        dice.shuffle(keys)
        return [None if dice.random() < 0.05 else key for key in keys]


class KeyPusher(Actor):
    """One call a transaction: several cannot be sorted across each other."""

    def act(self):
        self.pause()
        if self.dice.random() < 0.6:
            return self.keep(self.push())
        self.connection.execute("BEGIN")
        answers = self.push()
        self.over.wait(self.dice.random() * 0.005)
        commit = self.dice.random() < 0.8
        self.connection.execute("COMMIT" if commit else "ROLLBACK")
        self.keep(answers if commit else [])

    def pause(self):
        """While there is more to do than the workers can."""
        live = ("SELECT (SELECT count(*) FROM pawl.ready) + (SELECT count(*) FROM pawl.scheduled)"
                " + (SELECT count(*) FROM pawl.waiting)")
        if self.steps % 16 == 0:
            while self.api.one(live) > LIVE_JOBS and not self.over.wait(0.05):
                pass

    def keep(self, answers):
        self.record.answers.extend(answers)
        self.record.pushed.extend(job for _, job, created in answers if created is not False)

    def push(self):
        """[(key, job, created)] in the order of the call; created is None: push tells not."""
        return push_keys(self.api, self.dice, self.storm.keys(self.dice))


def push_keys(api, dice, keys):
    """By one of the three verbs; a key of a group is told by both."""
    until = [dice.choice(["end", "end", "start"]) for _ in keys]
    groups = [dice.choice(GROUPS) if dice.random() < 0.2 else None for _ in keys]
    names = [f"{group}\x1f{key}" if group and key else key for group, key in zip(groups, keys)]
    if len(keys) == 1 and dice.random() < 0.5:
        job = api.push(unique_key=keys[0], unique_until=until[0], group_key=groups[0])
        return [(names[0], job, None)]
    if dice.random() < 0.5:
        rows = api.rows(
            "push_many",
            kind="k",
            args=json_array([{}] * len(keys)),
            unique_keys=keys,
            unique_until=until[0],
            group_keys=groups,
            max_attempts=dice.choice([1, 3]),
        )
    else:
        jobs = [
            {"kind": "k", "unique_until": u, "group_key": group,
             **({"unique_key": key} if key else {})}
            for key, u, group in zip(keys, until, groups, strict=True)
        ]
        rows = api.rows("push_many", jobs=json.dumps(jobs))
    assert [row.ordinal for row in rows] == list(range(1, len(keys) + 1))
    return [(name, row.job, row.created) for name, row in zip(names, rows, strict=True)]


class LoopPusher(KeyPusher):
    """Inside the server, a moment at a time."""

    def act(self):
        self.steps and self.pause()
        self.connection.execute(
            "CALL public.push_loop(%s, %s)", [0.03 if self.storm.fresh else 0.2, self.storm.names()]
        )


class LoopWorker(Worker):
    """Inside the server; what it leaves when its lease ends is recovered."""

    def act(self):
        if self.wid is None:
            self.wid = self.api.worker_start(name=self.name)
        _, state = self.refused({"PW002"}, self.connection.execute,
                                "CALL public.settle_loop(0.2, %s)", [self.wid])
        if state:
            self.wid = None


class KeyFencer(Fencer):
    """A handler that pushes and completes in its own transaction, in either order."""

    def act(self):
        super().act()
        rows = self.api.query("SELECT job_id, fence FROM pawl.running WHERE worker = %s", [self.wid])
        pairs = {"jobs": [row.job_id for row in rows], "fences": [row.fence for row in rows]}
        self.api.rows("release_many", **pairs)

    def fenced(self, job, fence):
        self.answers = []
        _, state = self.refused({"PW001"}, self.api.fence, job, fence)
        if state:
            return False
        completes, first = self.dice.random() < 0.8, self.dice.random() < 0.5
        if completes and first:
            self.api.complete(job, fence)
        self.answers = push_keys(self.api, self.dice, self.storm.keys(self.dice))
        if completes and not first:
            self.api.complete(job, fence)
        return completes

    def committed(self):
        KeyPusher.keep(self, self.answers)


class KeyRetrier(Retrier):
    refusals = {"PW003", "PW004", "P0002"}


class Retainer(Actor):
    """Takes away everything that has ended, and attaches what is needed ahead."""

    def act(self):
        self.api.value("extend_partitions", ahead=20)
        rows = self.api.rows("retain", jobs="0 s")
        self.record.steps.extend(row.step for row in rows)
        if not rows or rows[0].step == "busy":
            self.over.wait(0.02)


LOOK = """
WITH live AS MATERIALIZED (
	SELECT job_id, tries, traits, false AS runs FROM pawl.ready
	UNION ALL SELECT job_id, tries, traits, false FROM pawl.scheduled
	UNION ALL SELECT job_id, tries, traits, false FROM pawl.waiting
	UNION ALL SELECT job_id, tries, traits, true FROM pawl.running
), described AS MATERIALIZED (
	SELECT l.*, j.id, pawl.scoped_key(j.group_key, j.unique_key) AS key,
		NOT j.until_start OR (l.tries IS NULL AND NOT l.runs) AS holds,
		j.until_start
	FROM live l LEFT JOIN pawl.job j ON j.id = l.job_id
)
SELECT 'two live jobs' AS wrong, d.key, array_agg(d.job_id) FROM described d
WHERE d.key IS NOT NULL AND d.holds GROUP BY d.key HAVING count(*) > 1
UNION ALL
SELECT 'a key without its live job', u.key, ARRAY[u.job_id] FROM pawl.unique_key u
WHERE NOT EXISTS (SELECT FROM described d WHERE d.job_id = u.job_id AND d.key = u.key)
UNION ALL
SELECT 'a live job without its key', d.key, ARRAY[d.job_id] FROM described d
WHERE d.key IS NOT NULL AND d.holds AND NOT EXISTS (
	SELECT FROM pawl.unique_key u WHERE u.job_id = d.job_id AND u.key = d.key)
UNION ALL
SELECT 'a key that its start should have freed', d.key, ARRAY[d.job_id] FROM described d
WHERE d.runs AND d.until_start AND EXISTS (
	SELECT FROM pawl.unique_key u WHERE u.job_id = d.job_id)
UNION ALL
SELECT 'a live job without description', NULL, ARRAY[d.job_id] FROM described d
WHERE d.id IS NULL OR coalesce(d.traits & 1, 0) <> (d.key IS NOT NULL)::int
"""

SINGLE = (
    "SELECT 'in no table or in two' AS wrong, j.id FROM pawl.job j "
    f"LEFT JOIN ({PLACES}) p ON p.job_id = j.id GROUP BY j.id HAVING count(p.place) <> 1"
)


class KeyWatcher(Watcher):
    """Looks from outside, in one statement: keys and their live jobs belong together.

    Never in a REPEATABLE READ transaction: to that an emptied partition looks empty.
    """

    def act(self):
        wrong = self.api.query(LOOK if self.steps % 4 else SINGLE)
        if wrong:
            raise AssertionError(f"at one snapshot: {wrong[:10]}")
