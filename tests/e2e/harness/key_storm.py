"""Actors of a storm over few unique keys that all share; see storm.py."""

from psycopg.types.json import Jsonb

from .api import json_array
from .storm import Actor, Retrier

KEYS = [f"key {n}" for n in range(200)]
LIVE_JOBS = 400

LIVE = """(SELECT job_id FROM pawl.ready UNION ALL SELECT job_id FROM pawl.scheduled
    UNION ALL SELECT job_id FROM pawl.running)"""
WRONG = f"""
SELECT 'two live jobs of key ' || j.unique_key FROM pawl.job j JOIN {LIVE} l ON l.job_id = j.id
WHERE NOT j.until_start GROUP BY j.unique_key HAVING count(*) > 1
UNION ALL
SELECT 'a key without a live job: ' || u.key FROM pawl.unique_key u
WHERE NOT EXISTS (SELECT FROM {LIVE} l WHERE l.job_id = u.job_id)
UNION ALL
SELECT 'a live job without its key: ' || j.id FROM pawl.job j JOIN {LIVE} l ON l.job_id = j.id
WHERE NOT j.until_start AND NOT EXISTS (SELECT FROM pawl.unique_key u
    WHERE u.job_id = j.id AND u.key = j.unique_key)
UNION ALL
SELECT 'another job''s key: ' || u.key FROM pawl.unique_key u JOIN pawl.job j ON j.id = u.job_id
WHERE j.unique_key IS DISTINCT FROM u.key"""


class KeyPusher(Actor):
    """Pushes shuffled lists of keys, some of them twice; answers go to record.keyed."""

    until = ("end", "start")
    keys = KEYS

    def act(self):
        live = self.api.one("SELECT (SELECT count(*) FROM pawl.ready) "
                            "+ (SELECT count(*) FROM pawl.scheduled)")
        if live > LIVE_JOBS:
            return self.over.wait(0.01)
        self.push(self.dice.choices(self.keys, k=self.dice.randrange(1, 60)))

    def push(self, keys):
        until, n = self.dice.choice(self.until), len(keys)
        if n == 1:
            job = self.api.push(unique_key=keys[0], unique_until=until)
            self.record.keyed.append((keys[0], job, None))
            return
        if n % 2:
            specs = [{"kind": "k", "unique_key": key, "unique_until": until} for key in keys]
            rows = self.api.rows("push_many", jobs=Jsonb(specs))
        else:
            rows = self.api.rows("push_many", kind="k", args=json_array([{}] * n),
                                 unique_keys=keys, unique_until=until)
        self.record.keyed.extend((key, row.job, row.created) for key, row in zip(keys, rows))
        self.record.pushed.extend(row.job for row in rows if row.created)


class KeyRetrier(Retrier):
    """An operator: a key that has another live job is refused."""

    def refused(self, allowed, call, *args, **named):
        return super().refused(allowed | {"PW003"}, call, *args, **named)


class KeyWatcher(Actor):
    """In every snapshot a key has at most one live job, and a live job its key."""

    def act(self):
        wrong = self.api.query(WRONG)
        assert not wrong, wrong[:10]
