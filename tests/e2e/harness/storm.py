"""The actors of a storm: every verb at once, at random, in sessions of their own.

Each actor is a thread with its own connection and its own random numbers, drawn from
the storm's seed.  What the functions answered is kept in a Record, which the test
compares with the tables afterwards: an answer that was not true shows there.
"""

import random
import threading
import time
import traceback

import psycopg

from .api import Api, json_array
from .grouped import drain_groups

LIVE_JOBS = 150  # so few that the actors meet all the time
RECENT = 300
GROUPS = [f"{tenant}/{n}" for tenant in "ab" for n in range(3)] + ["alone"]
PATIENCE_S = 60  # for steps that the seconds have not sufficed for


class Record:
    """Everything that was answered; lists only grow, so appending needs no lock."""

    def __init__(self):
        self.pushed = []
        self.claims = []  # (job, fence, attempt), committed
        self.completed = []  # job, answered won
        self.failed = []  # job, went to failed
        self.cancels = []  # (job, answer, from, until)
        self.retried = []  # (job, was)
        self.held = []  # (job, from, until): locked by an open transaction of ours
        self.errors = []


class Actor(threading.Thread):
    """Calls act() until the storm is over; an error that is not expected ends it."""

    options = "-c lock_timeout=10s"

    def __init__(self, storm, number):
        super().__init__(name=f"{type(self).__name__}-{number}", daemon=True)
        self.storm, self.record, self.over = storm, storm.record, storm.over
        self.dice = random.Random(f"{storm.seed}-{self.name}")
        self.steps = 0

    def run(self):
        try:
            plan = f" -c enable_{self.dice.choice(self.storm.plans)}=off"
            with self.storm.db.connect(options=self.options + plan) as connection:
                self.connection, self.api = connection, Api(connection)
                while not self.over.is_set():
                    self.act()
                    self.steps += 1
        except Exception:
            self.record.errors.append(f"{self.name}: {traceback.format_exc()}")
            self.over.set()

    def target(self):
        """A job that was pushed not long ago; None while there is none."""
        if not self.record.pushed:
            self.over.wait(0.01)
            return None
        return self.dice.choice(self.record.pushed[-RECENT:])

    def refused(self, allowed, call, *args, **named):
        """(answer, None), or (None, SQLSTATE) when it is one of those allowed."""
        try:
            return call(*args, **named), None
        except psycopg.Error as error:
            if error.sqlstate not in allowed or "timeout" in str(error):
                raise
            return None, error.sqlstate


class Pusher(Actor):
    """Keeps some jobs alive; some delayed by a moment, some with few tries."""

    def act(self):
        live = self.api.one(
            "SELECT (SELECT count(*) FROM pawl.ready) + (SELECT count(*) FROM pawl.scheduled)"
            " + (SELECT count(*) FROM pawl.running) + (SELECT count(*) FROM pawl.waiting)"
        )
        if live > LIVE_JOBS:
            self.over.wait(0.01)
            return
        named = {"priority": self.dice.randrange(10), "max_attempts": self.dice.choice([1, 3, None])}
        if self.dice.random() < 0.3:
            named["run_at"] = self.api.one("SELECT clock_timestamp() + interval '5 ms'")
        rows = self.api.rows("push_many", kind="k", args=json_array([{}] * 20), **named,
                             **self.groups(20))
        self.record.pushed.extend(row.job for row in rows)


    def groups(self, _n):
        """Whatever groups the jobs are of."""
        return {}


class GroupPusher(Pusher):
    """Some of them are of a few groups that all meet in."""

    def groups(self, n):
        return {"group_keys": [self.dice.choice(GROUPS) if self.dice.random() < 0.3 else None
                               for _ in range(n)]}


class Worker(Actor):
    """Claims and settles in every way; now and then it is lost with what it holds."""

    wid = None

    def act(self):
        if self.wid is None:
            self.wid = self.api.worker_start(name=self.name)
        if self.dice.random() < 0.03:
            return self.end()
        rows, state = self.refused({"PW002"}, self.claim, self.dice.choice([1, 1, 3, 8]))
        if state:
            self.wid = None
        elif rows:
            self.settle(rows)

    def end(self):
        """Lost, or stopped in good order; what was held is left to others."""
        wid, self.wid = self.wid, None
        if self.dice.random() < 0.4:
            return self.api.value("worker_stop", worker=wid)
        self.api.query(
            "UPDATE pawl.worker SET expires_at = clock_timestamp() WHERE id = %s RETURNING 1",
            [wid],
        )

    def claim(self, n):
        """By itself, or in a transaction that stays open a little, or is rolled back."""
        if self.dice.random() < 0.6:
            return self.keep(self.api.claim(self.wid, n))
        since = time.monotonic()
        self.connection.execute("BEGIN")
        try:
            rows = self.api.claim(self.wid, n)
            commit = self.dice.random() < 0.7
            self.connection.execute("COMMIT" if commit else "ROLLBACK")
        except psycopg.Error:
            self.connection.execute("ROLLBACK")
            raise
        until = time.monotonic()
        self.record.held.extend((row.job, since, until) for row in rows)
        return self.keep(rows) if commit else []

    def keep(self, rows):
        self.record.claims.extend((row.job, row.fence, row.attempt) for row in rows)
        return rows

    def settle(self, rows):
        self.dice.shuffle(rows)  # the order of the caller is not the order of the locks
        pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
        verb = self.dice.choice(["complete", "fail", "fail", "snooze", "release", "leave"])
        if verb != "leave":
            getattr(self, verb)(pairs, len(rows))

    def complete(self, pairs, n):
        rows = self.api.rows("complete_many", **pairs)
        self.record.completed.extend(row.job for row in rows if row.answer == "won")

    def fail(self, pairs, n):
        retries = [self.dice.random() < 0.6 for _ in range(n)]
        delays = ["2 ms"] * n
        rows = self.api.rows(
            "fail_many", errors=["e"] * n, retries=retries, retry_ins=delays, **pairs
        )
        self.record.failed.extend(row.job for row in rows if row.state == "failed")

    def snooze(self, pairs, n):
        self.api.rows("snooze_many", delays=["1 ms"] * n, **pairs)

    def release(self, pairs, n):
        self.api.rows("release_many", **pairs)


class GroupWorker(Worker):
    """Takes a group and works through some of it in every way; now and then it is lost
    with it, or lifts what stops it."""

    def act(self):
        if self.wid is None:
            self.wid = self.api.worker_start(name=self.name)
        if self.dice.random() < 0.03:
            return self.end()
        mine = {"worker": self.wid, "group_key": self.dice.choice(GROUPS)}
        token, lost = self.refused({"PW002"}, self.api.value, "group_take", **mine)
        if token is None:
            self.wid = None if lost else self.wid
            return self.over.wait(0.002)
        mine["token"] = token
        for _ in range(self.dice.choice([1, 3, 10])):
            if not self.step(mine):
                break
        self.api.value("group_give_back", **mine)

    def step(self, mine):
        """One job; whether there may be another."""
        rows, lost = self.refused({"PW002"}, self.api.rows, "group_dispatch", **mine)
        if lost:
            return False
        if rows[0].answer == "blocked" and self.dice.random() < 0.5:
            self.api.value("group_release", group_key=mine["group_key"])
        if rows[0].answer != "job":
            return rows[0].answer == "again"
        self.keep(rows)
        _, lost = self.refused({"PW002"}, self.held, mine, rows)
        return not lost

    def held(self, mine, rows):
        """Settle as a runner does, or as a handler that is not one of ours."""
        if self.dice.random() < 0.3:
            return self.settle(rows)
        with self.connection.transaction():
            self.api.value("group_hold", **mine)
            self.settle(rows)


class Fencer(Worker):
    """A handler with a transaction of its own: fence, complete, commit or not."""

    def settle(self, rows):
        for row in rows:
            since = time.monotonic()
            self.connection.execute("BEGIN")
            completed = self.fenced(row.job, row.fence)
            commit = self.dice.random() < 0.7
            self.connection.execute("COMMIT" if commit else "ROLLBACK")
            self.record.held.append((row.job, since, time.monotonic()))
            if commit:
                self.committed()
            if completed and commit:
                self.record.completed.append(row.job)

    def committed(self):
        """For those that do more in their transaction."""

    def fenced(self, job, fence):
        """Whether the job was completed in the open transaction."""
        _, state = self.refused({"PW001"}, self.api.fence, job, fence)
        if state is None:  # the user's own writes: short, or longer than a cancel looks
            self.over.wait(1.5 if self.dice.random() < 0.02 else self.dice.random() * 0.01)
        if state is None and self.dice.random() < 0.7:
            self.api.complete(job, fence)  # never refused: the fence holds
            return True
        return False


class Canceller(Actor):
    def act(self):
        if self.dice.random() < 0.2:
            return self.many()
        job = self.target()
        if job is None:
            return
        since = time.monotonic()
        answer, state = self.refused({"P0002"}, self.api.cancel, job)
        self.record.cancels.append((job, answer or state, since, time.monotonic()))

    def many(self):
        jobs = sorted({self.target() for _ in range(5)} - {None})
        self.dice.shuffle(jobs)
        since = time.monotonic()
        rows = self.api.rows("cancel_many", jobs=jobs)
        until = time.monotonic()
        self.record.cancels.extend((row.job, row.was, since, until) for row in rows)


class Retrier(Actor):
    refusals = {"PW004"}

    def act(self):
        job = self.target()
        if job is None:
            return
        if self.dice.random() < 0.8:
            was, _ = self.refused(self.refusals, self.api.retry, job)
            return self.keep([(job, was)] if was else [])
        jobs = list({job, *(self.target() for _ in range(4))})
        rows = self.api.rows("retry_many", jobs=jobs)
        return self.keep([(row.job, row.was) for row in rows if row.done])

    def keep(self, pairs):
        self.record.retried.extend(pairs)


class Steward(Actor):
    def act(self):
        self.api.value(self.dice.choice(["recover", "promote"]), n=self.dice.choice([1, 5, 1000]))


PLACES = " UNION ALL ".join(
    f"SELECT job_id, '{table}' AS place FROM pawl.{table}"
    for table in ("ready", "scheduled", "waiting", "running", "outcome")
)


TWO_OF_A_GROUP = (
    "SELECT j.group_key, array_agg(j.id) FROM pawl.running r JOIN pawl.job j ON j.id = r.job_id"
    " WHERE j.group_key IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
)


class Watcher(Actor):
    """Looks from outside: in no snapshot is a job in no table or in two.

    One statement, and one statement a table in a REPEATABLE READ transaction, in turn.
    """

    def act(self):
        if self.steps % 2:
            wrong = self.api.query(
                "SELECT j.id, array_agg(p.place) FROM pawl.job j "
                f"LEFT JOIN ({PLACES}) p ON p.job_id = j.id GROUP BY 1 HAVING count(p.place) <> 1"
            )
        else:
            wrong = self.by_table()
        if wrong:
            raise AssertionError(f"in no table or in two: {wrong[:10]}")
        wrong = self.api.query(TWO_OF_A_GROUP)
        if wrong:
            raise AssertionError(f"two of a group run at once: {wrong}")

    def by_table(self):
        self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        seen = {row.id: 0 for row in self.api.query("SELECT id FROM pawl.job")}
        for table in ("outcome", "running", "waiting", "scheduled", "ready"):
            for row in self.api.query(f"SELECT job_id FROM pawl.{table}"):
                seen[row.job_id] = seen.get(row.job_id, 10) + 1
        self.connection.execute("COMMIT")
        return [item for item in seen.items() if item[1] != 1]


PLANS = ("hashjoin", "mergejoin", "nestloop", "sort", "indexscan", "bitmapscan")


class Storm:
    """Runs the actors for a while.  fleet: (class, how many) of each.

    plans: what the planner may not use, one at random for each actor: whatever the plan,
    the locks keep their order.
    """

    def __init__(self, db, seed, plans=PLANS):
        self.db, self.seed, self.plans = db, seed, plans
        self.record = Record()
        self.over = threading.Event()

    def run(self, seconds, fleet, steps=1, enough=lambda: True):
        """So many seconds, and longer on a busy machine: until each actor has made so
        many steps, and there is enough of what the tests look at.  Then log and deadlocks
        are those of the storm alone."""
        offset, deadlocks = self.db.cluster.log_size(), self.db.deadlocks()
        actors = [kind(self, n) for kind, count in fleet for n in range(count)]
        for actor in actors:
            actor.start()
        self.over.wait(seconds)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and (
                min(actor.steps for actor in actors) < steps or not enough()):
            if self.over.wait(0.1):
                break
        self.over.set()
        for actor in actors:
            actor.join(60)
            assert not actor.is_alive(), f"{actor.name} has not ended"
        self.steps = {actor.name: actor.steps for actor in actors}
        self.log = self.db.cluster.log_text(offset)
        self.deadlocks = self.db.deadlocks() - deadlocks
        assert not self.record.errors, "\n".join(self.record.errors)

    def drain(self):
        """The faults have ended: everything that is alive is brought to its end."""
        with self.db.connect() as connection:
            api = Api(connection)
            connection.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
            connection.execute("UPDATE pawl.scheduled SET due = clock_timestamp()")
            connection.execute("UPDATE pawl.waiting SET due = clock_timestamp()")
            while api.value("recover", n=100) or api.value("promote", n=100):
                pass
            drain_groups(api)
            wid = api.worker_start()
            while rows := api.claim(wid, 1000) or api.claim(wid, 1):
                pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
                api.rows("complete_many", **pairs)
