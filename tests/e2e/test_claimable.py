"""What a claim may hand out is one thing, in whichever of the three statements that claim.

The bug: a claim of few, a claim of many and the dispatch of a group each have an idea of
their own: of a queue that is paused, of a batch that is being cancelled, of what is not due.
Then what a worker runs depends on how busy it is (3.7).
"""

import contextlib

import pytest
from harness.api import Api
from harness.batches import Batch
from harness.grouped import Runner
from harness.paths import REPO

QUEUES, KINDS = ["open", "paused"], ["mine"]  # of who claims

# name -> (whether it is handed out, where it is when all claims have been made)
JOBS = {
    "ended": (False, "succeeded"),
    "cancelled": (False, "cancelled"),
    "failed for good": (False, "failed"),
    "runs": (False, "running"),
    "backs off": (False, "unclaimed"),
    "plain": (True, "running"),
    "has a key": (True, "running"),
    "has a key until its start": (True, "running"),
    "of a batch": (True, "running"),
    "of a batch that is being cancelled": (False, "cancelled"),
    "of a paused queue": (False, "unclaimed"),
    "of another queue": (False, "unclaimed"),
    "of another kind": (False, "unclaimed"),
    "not due": (False, "unclaimed"),
    "has crashed a worker": (True, "running"),
    "locked": (False, "unclaimed"),
}
SUSPECT = "has crashed a worker"  # is handed out alone, by whatever claims
UNCLAIMED = ("ready", "scheduled", "waiting")


class World:
    """All of them; grouped: each is the head of a group of its own."""

    def __init__(self, api, holder, grouped):
        self.api, self.grouped, self.jobs = api, grouped, {}
        self.push("ended", api.complete)
        self.push("cancelled", lambda job, _: api.cancel(job))
        self.push("failed for good", lambda job, fence: api.fail(job, fence, retry=False))
        self.push("runs", lambda *_: None)
        self.push("backs off", lambda job, fence: api.fail(job, fence, retry_in="1 hour"))
        self.push("plain")
        self.push("has a key", unique_key="k")
        self.push("has a key until its start", unique_key="s", unique_until="start")
        self.push("of a batch", batch=Batch(api).id)
        doomed = Batch(api).id
        self.push("of a batch that is being cancelled", batch=doomed)
        api.query("UPDATE pawl.batch SET cancelled_at = now(), sealed_at = now()"
                  " WHERE id = %s RETURNING 1", [doomed])
        self.push("of a paused queue", queue="paused")
        api.value("queue_pause", queue="paused")
        self.push("of another queue", queue="another")
        self.push("of another kind", kind="other")
        self.push("not due", run_at="infinity")
        self.push(SUSPECT)
        crash = "tries = (1, 0, 1)" if grouped else "tries = (1, 0, 1), priority = priority + 10"
        table = "waiting" if grouped else "ready"
        api.query(f"UPDATE pawl.{table} SET {crash} WHERE job_id = %s RETURNING 1",
                  [self.jobs[SUSPECT]])
        if grouped:  # could go with it
            api.push("mine", queue="open", group_key=SUSPECT)
        self.push("locked")
        holder.execute(f"SELECT FROM pawl.{table} WHERE job_id = %s FOR UPDATE",
                       [self.jobs["locked"]])
        assert list(self.jobs) == list(JOBS)

    def push(self, name, settle=None, kind="mine", queue="open", **named):
        """settle: what is done to it when it has been claimed."""
        if self.grouped:
            named["group_key"] = name
        self.jobs[name] = self.api.push(kind, queue=queue, **named)
        if settle is not None and self.grouped:
            runner = Runner(self.api, name)
            settle(self.jobs[name], runner.dispatch().fence)
            if name != "runs":
                self.api.value("group_give_back", worker=runner.worker, group_key=name,
                               token=runner.token)
        elif settle is not None:
            worker = self.api.worker_start(lease="1 hour")
            settle(self.jobs[name], self.api.claim_one(worker, queues=[queue]).fence)

    def name(self, job):
        return {job: name for name, job in self.jobs.items()}[job]

    def states(self):
        """{name: the state it is in}; unclaimed is wherever it waits to be claimed."""
        found = {name: self.api.state(job) for name, job in self.jobs.items()}
        return {name: "unclaimed" if state in UNCLAIMED else state
                for name, state in found.items()}


# -- who claims: each answers a list of jobs for each claim --------------------------------


def of_many(world, n=10, **named):
    """Again and again: one that has met what is being cancelled may bring fewer."""
    worker = world.api.worker_start(lease="1 hour")
    return [[row.job for row in world.api.claim(worker, n, queues=QUEUES, kinds=KINDS, **named)]
            for _ in range(len(JOBS))]


def by_claim(world):
    """Suspects are for a claim of their own."""
    return of_many(world) + of_many(world, suspects=True)


def by_claim_few(world):
    """Suspects are for a claim of one."""
    return of_many(world, 3) + of_many(world, 1)


def by_group_dispatch(world):
    """Each group is asked for ten jobs at once, as often as it answers that there is more."""
    found = []
    for group in JOBS:
        runner = Runner(world.api, group, queues=QUEUES, kinds=KINDS)
        while runner.token or runner.take():
            rows = runner.ask(kinds=KINDS, sizes=[10])
            found.append([row.job for row in rows if row.answer == "job"])
            if rows[0].answer != "again":
                break
    return found


CLAIMS = {"claim": (by_claim, False), "claim_few": (by_claim_few, False),
          "group_dispatch": (by_group_dispatch, True)}


@pytest.fixture
def worlds(db):
    """Makes one, in a database of its own."""
    with contextlib.ExitStack() as opened:
        connection = opened.enter_context(db.connect())
        holder = opened.enter_context(db.connect(autocommit=False))
        yield lambda grouped: World(Api(connection), holder, grouped)


def handed_out(world, claims):
    """({name: (whether it was handed out, where it is then)}, how many each claim brought
    that brought a suspect); undone."""
    with world.api.connection.transaction(force_rollback=True):
        found = [[world.name(job) for job in jobs] for jobs in claims(world)]
        states = world.states()
    names = [name for claim in found for name in claim]
    assert len(names) == len(set(names)), "handed out twice"
    beside = [len(claim) for claim in found if SUSPECT in claim]
    return {name: (name in names, states[name]) for name in JOBS}, beside


@pytest.mark.parametrize("function", CLAIMS)
def test_each_claim_hands_out_the_same(worlds, function):
    """And leaves the rest where it is; but what is being cancelled has ended then."""
    claims, grouped = CLAIMS[function]
    assert handed_out(worlds(grouped), claims) == (JOBS, [1])


# The condition that each statement forgets, in turn.
NAIVE = {
    "claim": [("s.name = q.name AND s.paused", "false", "of a paused queue"),
              ("AND (kinds IS NULL OR r.kind = ANY (kinds))", "", "of another kind"),
              ("pawl.end_cancelled(ids, fences)", "fences",
               "of a batch that is being cancelled")],
    "claim_few": [("queues[l.o / 20 + 1] <> ALL (p.names)", "true", "of a paused queue"),
                  ("AND (kinds IS NULL OR r.kind = ANY (kinds))", "", "of another kind"),
                  ("IF batched THEN", "IF false THEN", "of a batch that is being cancelled")],
    "group_dispatch": [("q.name = head.queue AND q.paused", "false", "of a paused queue"),
                       ("head.kind <> ALL (kinds) OR ", "", "of another kind"),
                       ("pawl.end_cancelled(taken.jobs, taken.fences)", "taken.fences",
                        "of a batch that is being cancelled"),
                       ("head.due > clock_timestamp()", "false", "backs off")],
}


@pytest.mark.parametrize("function", CLAIMS)
def test_one_that_forgets_a_condition_is_seen(worlds, function):
    """Red: each of them, without one of its conditions, hands out just that job more."""
    claims, grouped = CLAIMS[function]
    world = worlds(grouped)
    text = (REPO / f"sql/functions/{function}.sql").read_text(encoding="utf-8")
    for condition, instead, name in NAIVE[function]:
        assert text.count(condition) == 1, condition
        with world.api.connection.transaction(force_rollback=True):
            world.api.connection.execute(text.replace(condition, instead))
            found, _ = handed_out(world, claims)
        assert {n for n in JOBS if found[n][0] != JOBS[n][0]} == {name}
