"""The storm's actors for groups: pushers, runners that are killed, zombies, operators.

What happens to a claim is written down by triggers of the test's, numbered by a
sequence.  Whoever ends a claim has committed before the group's owner looks again, so of
two events of one group that must not overlap the numbers say which came first.
"""

import random
import time
import traceback

import psycopg

from .api import Api, json_array
from .storm import Actor, PLACES

GROUPS = 4  # of each pusher
LIVE_JOBS = 120
KINDS, SIZES = ["k", "m"], [1, 4]

EVENTS = """
CREATE TABLE public.event (n bigserial, what text, job bigint, fence bigint,
	at_xid xid8 DEFAULT pg_current_xact_id());
GRANT ALL ON public.event, public.event_n_seq TO PUBLIC;
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		INSERT INTO public.event (what, job, fence) VALUES ('left', OLD.job_id, OLD.fence);
	ELSE
		INSERT INTO public.event (what, job, fence)
		VALUES (CASE TG_TABLE_NAME WHEN 'running' THEN 'start' ELSE 'end' END,
			NEW.job_id, NEW.fence);
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT OR DELETE ON pawl.running
	FOR EACH ROW EXECUTE FUNCTION public.note();
CREATE TRIGGER note AFTER INSERT ON pawl.outcome
	FOR EACH ROW EXECUTE FUNCTION public.note();
"""


class GroupPusher(Actor):
    """Pushes into groups of its own, so that ids say in which order they were pushed."""

    def start(self):
        number = self.name.rpartition("-")[2]
        self.groups = [f"{self.dice.choice(['a', 'b', ''])}/{number}-{n}" for n in range(GROUPS)]
        self.storm.groups += self.groups
        self.run_key = 1
        super().start()

    def act(self):
        live = self.api.one("SELECT (SELECT count(*) FROM pawl.waiting)"
                            " + (SELECT count(*) FROM pawl.running)")
        if live > LIVE_JOBS:
            self.over.wait(0.01)
            return
        self.run_key += self.dice.random() < 0.03
        n = self.dice.choice([1, 2, 8])
        named = {"max_attempts": self.dice.choice([1, 3, None])}
        if self.dice.random() < 0.2:
            named["run_at"] = self.api.one("SELECT clock_timestamp() + interval '5 ms'")
        if self.dice.random() < 0.3:
            named["unique_keys"] = [f"u{self.dice.randrange(3)}" for _ in range(n)]
            named["unique_until"] = self.dice.choice(["end", "start"])
        runs = [self.dice.choice([None, self.run_key, self.run_key]) for _ in range(n)]
        rows = self.api.rows("push_many", kind=self.dice.choice(KINDS), args=json_array([{}] * n),
                             group_keys=[self.dice.choice(self.groups) for _ in range(n)],
                             run_keys=runs, **named)
        self.record.pushed.extend(row.job for row in rows if row.created)


class GroupRunner(Actor):
    """One runner: looks, takes, works through some jobs, gives back; or not.

    Its session may be terminated at any moment; then it goes on with a new one, and
    sometimes as a zombie, with what it held before.
    """

    worker = None

    def run(self):
        while not self.over.is_set():
            try:
                plan = f" -c enable_{self.dice.choice(self.storm.plans)}=off"
                with self.storm.db.connect(options=self.options + plan,
                                           application_name="storm-runner") as connection:
                    self.connection, self.api = connection, Api(connection)
                    while not self.over.is_set():
                        self.act()
                        self.steps += 1
            except psycopg.OperationalError as error:
                if error.sqlstate in ("57P01", None) or connection.broken:
                    self.storm.killed += 1
                    continue
                self.fault(traceback.format_exc())
            except Exception:
                self.fault(traceback.format_exc())

    def fault(self, text):
        self.record.errors.append(f"{self.name}: {text}")
        self.over.set()

    def act(self):
        if self.worker is None or self.dice.random() < 0.01:
            self.worker = self.api.worker_start(name=self.name, lease="1 hour")
        rows, state = self.refused({"PW002"}, self.api.rows, "group_candidates",
                                   worker=self.worker, n=5, steps=self.dice.choice([10, 50, 500]),
                                   last_tenant=self.dice.choice(["", "a", "b", None]))
        ready = [row.group_key for row in rows or () if row.ready]
        if state:
            self.worker = None
        if not ready:
            self.over.wait(0.002)
            return
        key = self.dice.choice(ready)
        token, state = self.refused({"PW002"}, self.api.value, "group_take", worker=self.worker,
                                    group_key=key)
        if token:
            self.own({"worker": self.worker, "group_key": key, "token": token})
        elif state:
            self.worker = None

    def own(self, owner):
        """A few jobs, one after the other; then the group is given back, or left to its lease."""
        rows = self.ask("group_dispatch", owner)
        for _ in range(self.dice.choice([1, 3, 10])):
            if rows is None or rows[0].answer not in ("job", "again"):
                break
            if rows[0].answer == "job" and self.dice.random() < 0.3:
                rows = self.proceed(owner, rows)
            elif rows[0].answer == "again" or self.settle(owner, rows):
                rows = self.ask("group_dispatch", owner)
            else:
                break
        if self.dice.random() < 0.9:
            self.api.value("group_give_back", **owner)

    def ask(self, function, owner, **named):
        """The rows of a dispatch; None: the group is not ours any more."""
        sizes = SIZES if self.dice.random() < 0.5 else [1, 1]
        rows, _ = self.refused({"PW002"}, self.api.rows, function, kinds=KINDS, sizes=sizes,
                               **owner, **named)
        return rows

    def proceed(self, owner, rows):
        """The end of these and the next dispatch in one; what was answered is kept."""
        pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
        answers = self.ask("group_proceed", owner, **pairs, more=self.dice.random() < 0.8)
        for row, answer in zip(rows, answers[0].settled if answers else ()):
            if answer == "won":
                self.record.completed.append((row.job, row.fence))
        return answers

    def settle(self, owner, rows):
        """In one transaction, whose claim is perhaps fenced before; False: leave the group."""
        verb = self.dice.choice(["complete", "complete", "fail", "fail", "snooze", "release", "leave"])
        if verb == "leave":
            self.storm.zombies.append((owner, rows))
            return False
        fenced = self.dice.random() < 0.2
        commit = self.dice.random() < 0.9
        _, state = self.refused({"PW001", "PW002", "55P03"}, self.transaction, owner, rows, verb,
                                fenced, commit)
        if verb == "complete" and commit and state is None:
            self.record.completed.extend((row.job, row.fence) for row in rows)
        return commit and state is None

    def transaction(self, owner, rows, verb, fenced, commit):
        with self.connection.transaction(force_rollback=not commit):
            if fenced:
                for row in rows:
                    self.api.fence(row.job, row.fence)
                self.over.wait(self.dice.random() * 0.02)
            self.api.value("group_hold", **owner)
            for row in rows:
                self.one(verb, row)

    def one(self, verb, row):
        if verb == "complete":
            self.api.complete(row.job, row.fence)
        elif verb == "fail":
            final = self.dice.random() < 0.3
            self.api.fail(row.job, row.fence, retry=not final, retry_in="2 ms")
        elif verb == "snooze":
            self.api.snooze(row.job, row.fence, delay="1 ms")
        else:
            self.api.release(row.job, row.fence)


class Zombie(GroupRunner):
    """Comes back with what a runner has left behind, and settles it if it may."""

    def act(self):
        if not self.storm.zombies:
            self.over.wait(0.01)
            return
        owner, rows = self.storm.zombies.pop(self.dice.randrange(len(self.storm.zombies)))
        self.over.wait(self.dice.random() * 0.02)
        verb = self.dice.choice(["settle", "dispatch", "give back", "renew"])
        if verb == "settle":
            self.settle(owner, rows)
        elif verb == "dispatch":
            self.refused({"PW002"}, self.own, owner)
        elif verb == "give back":
            self.api.value("group_give_back", **owner)
        else:
            self.refused({"PW002"}, self.api.rows, "group_renew", worker=owner["worker"],
                         group_keys=[owner["group_key"]], tokens=[owner["token"]])


class Fate(Actor):
    """Leases and workers come to their end; sessions are killed; the lost are recovered."""

    def act(self):
        self.over.wait(0.01)
        what = self.dice.choice(["lease", "lease", "lease", "lease", "lease", "kill", "recover",
                                 "recover", "worker", "stop"])
        if what == "lease":
            self.api.query(
                "UPDATE pawl.group_lease SET expires_at = clock_timestamp() WHERE group_key = "
                "(SELECT group_key FROM pawl.group_lease ORDER BY random() LIMIT 1) RETURNING 1")
        elif what == "recover":
            self.api.value("recover", n=100)
        elif what == "kill":
            self.api.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                "current_database() AND application_name = 'storm-runner' "
                "ORDER BY random() LIMIT 1")
        else:
            self.worker(what)

    def worker(self, what):
        workers = self.api.query("SELECT id FROM pawl.worker")
        if not workers or self.dice.random() < 0.7:
            return
        worker = self.dice.choice(workers).id
        if what == "stop":
            self.api.value("worker_stop", worker=worker)
        else:
            self.api.query("UPDATE pawl.worker SET expires_at = clock_timestamp() WHERE id = %s"
                           " RETURNING 1", [worker])


class GroupOperator(Actor):
    """Cancels, retries, releases, fails; and changes the policy."""

    def act(self):
        self.over.wait(0.01)
        job = self.target()
        if job is None:
            return
        verb = self.dice.choice(["cancel", "cancel_many", "retry", "retry", "release", "release",
                                 "fail", "policy", "show"])
        group = self.dice.choice(self.storm.groups)
        if verb == "cancel":
            self.refused({"P0002"}, self.api.cancel, job)
        elif verb == "cancel_many":
            jobs = list({job, *(self.target() for _ in range(4))})
            self.api.rows("cancel_many", jobs=jobs)
        elif verb == "retry":
            self.refused({"PW003", "PW004", "55P03"}, self.api.retry, job)
        elif verb == "release":
            self.api.value("group_release", group_key=group)
        elif verb == "fail" and self.dice.random() < 0.1:
            self.api.value("group_fail", group_key=group)
        elif verb == "show":
            self.api.rows("group_show", group_key=group)
        else:
            policy = self.dice.choice(["block", "block", "fail", "skip"])
            self.api.value("queue_set", queue="default",
                           settings=f'{{"on_group_failure": "{policy}"}}')


# What no snapshot may show: a job in no table or in two; a running job of a group that the
# lease of the group does not name, and so two owners; a live key without its job.
WRONG = {
    "in no table or in two":
        "SELECT j.id, array_agg(p.place) FROM pawl.job j "
        f"LEFT JOIN ({PLACES}) p ON p.job_id = j.id GROUP BY 1 HAVING count(p.place) <> 1",
    "runs without the lease of its group":
        "SELECT r.job_id, r.fence, l.jobs FROM pawl.running r JOIN pawl.job j ON j.id = r.job_id "
        "LEFT JOIN pawl.group_lease l ON l.group_key = j.group_key "
        "WHERE (r.fence = ANY (l.fences) AND r.worker = l.worker) IS NOT TRUE",
    "a key of no live job, or of two":
        "SELECT u.key FROM pawl.unique_key u WHERE u.job_id NOT IN (SELECT job_id FROM "
        "pawl.waiting UNION ALL SELECT job_id FROM pawl.running)",
    "a job whose key is gone":
        "SELECT w.job_id FROM pawl.waiting w JOIN pawl.job j ON j.id = w.job_id AND "
        "NOT j.until_start LEFT JOIN pawl.unique_key u ON u.job_id = w.job_id "
        "WHERE u.job_id IS NULL",
}


class GroupWatcher(Actor):
    """Looks from outside, each time at another thing."""

    def act(self):
        self.over.wait(0.01)
        name = list(WRONG)[self.steps % len(WRONG)]
        rows = self.api.query(WRONG[name])
        if rows:
            raise AssertionError(f"{name}: {rows[:5]}")


FLEET = [(GroupPusher, 3), (GroupRunner, 5), (Zombie, 1), (Fate, 1), (GroupOperator, 2),
         (GroupWatcher, 1)]


def drain(db, seconds=60):
    """The faults have ended: every group is gone on with until nothing waits."""
    end = time.monotonic() + seconds
    with db.connect() as connection:
        api, dice = Api(connection), random.Random(1)
        connection.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
        connection.execute("UPDATE pawl.waiting SET due = clock_timestamp()")
        while api.value("recover", n=1000):
            pass
        worker = api.worker_start(lease="1 hour")
        while time.monotonic() < end:
            ready = [row.group_key for row in api.rows("group_candidates", worker=worker)
                     if row.ready]
            for (key,) in connection.execute("SELECT DISTINCT group_key FROM pawl.group_stop"):
                api.value("group_release", group_key=key)
            if not ready and not api.one("SELECT count(*) FROM pawl.waiting"):
                return
            dice.shuffle(ready)
            for key in ready:
                finish(api, worker, key)
    raise AssertionError(f"not drained: {api.query('SELECT * FROM pawl.groups LIMIT 5')}")


def finish(api, worker, key):
    token = api.value("group_take", worker=worker, group_key=key)
    owner = {"worker": worker, "group_key": key, "token": token}
    while token:
        rows = api.rows("group_dispatch", **owner)
        if rows[0].answer == "job":
            api.complete(rows[0].job, rows[0].fence)
        elif rows[0].answer != "again":
            api.value("group_give_back", **owner)
            return
