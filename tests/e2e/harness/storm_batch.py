"""The storm's actors for batches: opened, filled, sealed, cancelled, rerun, folded."""

from psycopg.types.json import Jsonb

from .api import Api, json_array
from .batches import fold_some, wrong_counters
from .grouped import drain_groups
from .storm import GROUPS, Actor, Canceller, Fencer, GroupWorker, Retrier, Worker

STAGES = ["one", "two", "three"]
OPEN = 5  # batches that are filled at a time
KEYS = 12


def live_jobs(api):
    return api.one(
        "SELECT (SELECT count(*) FROM pawl.ready) + (SELECT count(*) FROM pawl.running)"
        " + (SELECT count(*) FROM pawl.scheduled WHERE due < 'infinity')"
        " + (SELECT count(*) FROM pawl.waiting)"
    )


class Filler(Actor):
    """Opens batches, pushes into them in every form, and seals the oldest."""

    def start(self):
        self.open = []
        super().start()

    def act(self):
        if live_jobs(self.api) > 150:
            self.over.wait(0.01)
            return
        if len(self.open) < OPEN:
            last = {"kind": "last"}
            batch = self.api.value("batch_open", name=self.name, stages=STAGES,
                                   on_complete=Jsonb(last), threshold=0)
            self.open.append(batch)
            self.storm.batches.append(batch)
        batch = self.dice.choice(self.open)
        jobs, state = self.refused({"PW004"}, self.fill, batch)
        if state:  # somebody has cancelled it
            self.open.remove(batch)
        else:
            self.record.pushed.extend(jobs)
        if self.dice.random() < 0.2:
            self.seal(self.open.pop(0) if self.open else batch)

    def fill(self, batch):
        named = {"batch": batch, "stage": self.dice.choice(STAGES)}
        keys = [f"k{self.dice.randrange(KEYS)}" for _ in range(4)]
        form = self.dice.randrange(4)
        group = self.dice.choice(GROUPS) if self.dice.random() < 0.3 else None
        if form == 0:
            return [self.api.push(**named, max_attempts=2, group_key=group)]
        if form == 1:
            return [self.api.push(**named, unique_key=keys[0], group_key=group)]
        if form == 2:
            rows = self.api.rows("push_many", kind="k", args=json_array([{}] * 4), **named,
                                 group_keys=[group, None] * 2,
                                 unique_keys=keys if self.dice.random() < 0.5 else None)
            return [row.job for row in rows]
        other = self.dice.choice(self.open)
        objects = [{"kind": "k", "batch": b, "stage": s} for b in (batch, other) for s in STAGES]
        self.dice.shuffle(objects)
        return [row.job for row in self.api.rows("push_many", jobs=Jsonb(objects))]

    def seal(self, batch):
        self.refused({"55P03"}, self.api.value, "batch_seal", batch=batch)


class Parent(Worker):
    """Settles in every way; before that some of its jobs push children."""

    def settle(self, rows):
        for row in rows:
            if row.stage is not None and self.dice.random() < 0.15:
                job, _ = self.refused({"PW001", "PW004"}, self.api.push, batch=row.batch,
                                      parent=row.job, parent_fence=row.fence,
                                      stage=self.dice.choice(STAGES))
                self.record.pushed.extend([job] if job else [])
        super().settle(rows)


class FencedParent(Fencer):
    """The children, and the end of their parent, in one transaction."""

    def fenced(self, job, fence):
        _, state = self.refused({"PW001"}, self.api.fence, job, fence)
        if state is None:
            batch, stage = self.api.one("SELECT batch, stage FROM pawl.job WHERE id = %s", [job])
            if stage is not None and self.dice.random() < 0.5:
                self.connection.execute("SAVEPOINT s")
                _, refused = self.refused({"PW004"}, self.api.push, batch=batch, parent=job,
                                          parent_fence=fence)
                self.connection.execute("ROLLBACK TO s" if refused else "RELEASE s")
            self.api.complete(job, fence)
        return state is None


class Operator(Actor):
    """Cancels batches, and does them again."""

    def act(self):
        self.over.wait(0.05)
        if not self.storm.batches:
            return
        batch = self.dice.choice(self.storm.batches[-20:])
        if self.dice.random() < 0.2:
            self.refused({"55P03"}, self.api.value, "batch_cancel", batch=batch)
        else:
            which = self.dice.choice(["failed", "all"])
            _, state = self.refused({"PW003", "PW004", "55P03"}, self.api.value,
                                    "batch_rerun", batch=batch, which=which)
            self.storm.reruns += state is None


class BatchRetrier(Retrier):
    refusals = {"PW004", "PW003", "55P03"}


class Folder(Actor):
    def act(self):
        verb = self.dice.choice(["recover", "promote", "fold_batches", "fold"])
        if verb != "fold":
            self.api.value(verb)
        elif self.storm.batches:
            self.api.value("fold", batch=self.dice.choice(self.storm.batches[-20:]))


class Counter(Actor):
    """In every snapshot the counters are what a recount says (I8)."""

    def act(self):
        wrong = wrong_counters(self.api)
        if wrong:
            raise AssertionError(f"counters and recount differ: {wrong[:5]}")
        self.over.wait(0.02)


FLEET = [(Filler, 2), (Parent, 3), (GroupWorker, 2), (FencedParent, 1), (Canceller, 1),
         (BatchRetrier, 1), (Operator, 1), (Folder, 2), (Counter, 1)]


def drain(db):
    """Everything comes to its end: seal, recover, promote, complete, fold."""
    with db.connect() as connection:
        api = Api(connection)
        connection.execute("UPDATE pawl.worker SET expires_at = clock_timestamp()")
        for (batch,) in connection.execute("SELECT id FROM pawl.batches").fetchall():
            api.value("batch_seal", batch=batch)
        wid = api.worker_start(lease="1 hour")
        while True:
            connection.execute("UPDATE pawl.scheduled SET due = clock_timestamp() "
                               "WHERE due < 'infinity'")
            connection.execute("UPDATE pawl.waiting SET due = clock_timestamp()")
            moved = api.value("recover") + api.value("promote") + drain_groups(api)
            rows = api.claim(wid, 1000) or api.claim(wid, 1)
            pairs = {"jobs": [row.job for row in rows], "fences": [row.fence for row in rows]}
            api.rows("complete_many", **pairs)
            folded = fold_some(api, n=10000)
            if not moved and not rows and not folded.more and not live_jobs(api):
                return
