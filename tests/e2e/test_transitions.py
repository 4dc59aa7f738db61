"""The table of outcomes, INTERFACE section 2: every pair of a state and a verb.

ALLOWED holds each transition that the table lists, and nothing else.  Every other pair
is derived, and must be refused with the verb's own refusal and change not one row of
the job (3.1: what is not listed does not happen).  All of it with a job that has no
unique key, with one that has its key until its end, with one whose key is free from the
first claim on, with one in a batch, and with one in a group, where after each transition
the group goes on as the table's last column says; then every pair of a batch's state and
a verb.
"""

import pytest
from harness.api import Api, sqlstate
from harness.batches import COUNTERS, Batch
from harness.grouped import Runner, stops
from psycopg.types.json import Jsonb

STATES = ("ready", "scheduled", "running", "fenced", "succeeded", "failed", "cancelled")

# verb -> what it answers when the transition is not listed: an SQLSTATE, or a value
REFUSAL = {
    "claim": [],
    "complete": "PW001",
    "fail with tries left": "PW001",
    "fail, last try": "PW001",
    "fail, retry => false": "PW001",
    "snooze": "PW001",
    "release": "PW001",
    "fence": "PW001",
    "cancel": None,  # answers the state; see refusal()
    "retry": "PW004",
    "recover": 0,
    "promote": 0,
    "worker_stop": 0,
}

# What another transaction has fenced is busy, not stale; and never waited for.
BUSY = {verb: "55P03" for verb in ("complete", "snooze", "release", "fence")}
BUSY |= {verb: "55P03" for verb in REFUSAL if verb.startswith("fail")}
BUSY |= {"cancel": "busy"}

# (state, verb) -> (state afterwards, failures + , crashes + , category of the attempt row,
# the unique key).  None: an outcome does not count; claim gives attempt + 1.
ALLOWED = {
    ("ready", "claim"): ("running", 0, 0, None, "kept"),
    ("running", "complete"): ("succeeded", None, None, None, "freed"),
    ("running", "fail with tries left"): ("scheduled", 1, 0, "error", "kept"),
    ("running", "fail, last try"): ("failed", None, None, "error", "freed"),
    ("running", "fail, retry => false"): ("failed", None, None, "error", "freed"),
    ("running", "snooze"): ("scheduled", 0, 0, None, "kept"),
    ("running", "release"): ("ready", 0, 0, None, "kept"),
    ("running", "fence"): ("running", 0, 0, None, "kept"),
    ("running", "recover"): ("ready", 0, 1, "crash", "kept"),
    ("running", "worker_stop"): ("ready", 0, 0, None, "kept"),
    ("ready", "cancel"): ("cancelled", None, None, None, "freed"),
    ("scheduled", "cancel"): ("cancelled", None, None, None, "freed"),
    ("running", "cancel"): ("cancelled", None, None, "cancelled", "freed"),
    ("scheduled", "promote"): ("ready", 0, 0, None, "kept"),
    ("failed", "retry"): ("ready", 0, 0, "operator", "taken anew"),
    ("cancelled", "retry"): ("ready", 0, 0, "operator", "taken anew"),
}

# What each transition adds to the counters of the job's batch; all others add nothing.
COUNTED = {"complete": "succeeded", "fail, last try": "failed", "fail, retry => false": "failed",
           "cancel": "cancelled"}

# The same for a grouped job: waiting stands for ready and scheduled, and a dispatch for a
# claim, which never has it.
IN_GROUP = {"ready": "waiting", "scheduled": "waiting"}
GROUPED = {(IN_GROUP.get(state, state), verb): (IN_GROUP.get(what[0], what[0]), *what[1:])
           for (state, verb), what in ALLOWED.items() if verb not in ("claim", "promote")}
GROUP_STATES = ("waiting", "running", "fenced", "succeeded", "failed", "cancelled")

# What its group then does: head: the job is dispatched again, at once; head holds: it is
# not due, and nobody passes it; next: the job behind it; policy: by default it waits.
GROUP = {
    "complete": "next",
    "fail with tries left": "head holds",
    "fail, last try": "policy",
    "fail, retry => false": "policy",
    "snooze": "head holds",
    "release": "head",
    "fence": "busy",
    "recover": "head",
    "worker_stop": "head",
    "cancel": "next",
    "retry": "head",
}
ANSWERS = {"head holds": "later", "policy": "blocked"}

TABLES = ("ready", "scheduled", "waiting", "running", "outcome", "attempt", "unique_key",
          "group_stop")
KEYS = ("end", "start")
UNTIL = (None, "end", "start", "batch")


class Case:
    """One job in one state, with the fence of its last claim."""

    def __init__(self, db, api, state, max_attempts, until):
        self.db, self.api, self.state = db, api, state
        key = {"unique_key": "k", "unique_until": until} if until in KEYS else {}
        self.batch = Batch(api, on_complete=None) if until == "batch" else None
        if self.batch:
            key["batch"] = self.batch.id
        self.group = Runner(api) if until == "group" else None
        if self.group:
            key["group_key"] = self.group.group
        self.job = api.push(max_attempts=max_attempts, **key)
        self.worker = self.group.worker if self.group else api.worker_start()
        if self.group:
            self.behind = api.push(group_key=self.group.group)
            self.fence = self.group.dispatch().fence
        else:
            self.fence = api.claim_one(self.worker).fence
        self.holder = None
        getattr(self, f"make_{state}")()

    def make_ready(self):
        self.api.release(self.job, self.fence)

    def make_waiting(self):
        self.api.release(self.job, self.fence)

    def make_scheduled(self):
        self.api.snooze(self.job, self.fence, delay="-1 s")

    def make_running(self):
        pass

    def make_fenced(self):
        self.holder = self.db.connect(autocommit=False)
        Api(self.holder).fence(self.job, self.fence)

    def make_succeeded(self):
        self.api.complete(self.job, self.fence)

    def make_failed(self):
        self.api.fail(self.job, self.fence, retry=False)

    def make_cancelled(self):
        self.api.cancel(self.job)

    def end(self):
        if self.holder is not None:
            self.holder.close()

    # -- the verbs: each answers what the function answered --------------------

    def claim(self):
        return [row.job for row in self.api.claim(self.api.worker_start(), 1)]

    def complete(self):
        return self.api.complete(self.job, self.fence)

    def fail(self, **named):
        return self.api.fail(self.job, self.fence, **named)

    def snooze(self):
        return self.api.snooze(self.job, self.fence)

    def release(self):
        return self.api.release(self.job, self.fence)

    def take_fence(self):
        return self.api.fence(self.job, self.fence)

    def cancel(self):
        return self.api.cancel(self.job)

    def retry(self):
        return self.api.retry(self.job)

    def recover(self):
        self.api.query(
            "UPDATE pawl.worker SET expires_at = clock_timestamp() WHERE id = %s RETURNING 1",
            [self.worker],
        )
        return self.api.value("recover")

    def promote(self):
        return self.api.value("promote")

    def worker_stop(self):
        return self.api.value("worker_stop", worker=self.worker)

    def do(self, verb):
        """Run the verb; its answer, or the SQLSTATE that it failed with."""
        calls = {
            "fail with tries left": self.fail,
            "fail, last try": self.fail,
            "fail, retry => false": lambda: self.fail(retry=False),
            "fence": self.take_fence,
        }
        answer = []
        state = sqlstate(lambda: answer.append(calls.get(verb, getattr(self, verb, None))()))
        return state or answer[0]

    # -- what is there ------------------------------------------------------------

    def group_goes_on(self):
        """What a dispatch says now, by whoever can own the group."""
        if sqlstate(self.api.rows, "heartbeat", worker=self.worker):
            self.group = Runner(self.api)
        row = self.group.ask()[0]
        return {self.job: "head", self.behind: "next"}.get(row.job, row.answer)

    def rows(self):
        """Every row of every table that tells of the job."""
        found = {}
        for table in TABLES:
            statement = f"SELECT xmin::text, t.* FROM pawl.{table} t WHERE job_id = %s"
            found[table] = self.api.query(statement, [self.job])
        return found


def refusal(verb, state):
    if state == "fenced" and verb in BUSY:
        return BUSY[verb]
    return state if verb == "cancel" else REFUSAL[verb]


@pytest.fixture(scope="module")
def module_api(module_db):
    with module_db.connect() as connection:
        connection.execute("SET lock_timeout = '20 s'")
        yield Api(connection)


@pytest.fixture
def case(request, module_db, module_api):
    state, verb, until = request.param
    made = Case(module_db, module_api, state, 1 if verb == "fail, last try" else 20, until)
    yield made, state, verb, until
    made.end()
    for table in (*TABLES, "group_lease"):  # the next case starts with no job that can move
        module_api.query(f"DELETE FROM pawl.{table} RETURNING 1")
    module_api.query("DELETE FROM pawl.batch_delta RETURNING 1")
    module_api.query("DELETE FROM pawl.batch RETURNING 1")
    module_api.query("DELETE FROM pawl.worker RETURNING 1")


def key_after(until, before, what):
    """The jobs of its key afterwards; before: those that had it."""
    if until not in KEYS or what == "freed":
        return []
    return {"kept": before, "taken anew": [1]}[what]


def counted(case):
    """(succeeded, failed, cancelled) of the job's batch; None without one."""
    return dict(zip(COUNTERS, case.batch.counters())) if case.batch else None


def expected_counts(state, verb, before):
    """The counters after a transition that is listed."""
    if before is None:
        return None
    after = dict(before)
    if verb in COUNTED:
        after[COUNTED[verb]] += 1
    if verb == "retry":
        after[state] -= 1
    return after


PAIRS = [(state, verb) for state in STATES for verb in REFUSAL]
CASES = [(*pair, until) for until in UNTIL for pair in PAIRS]
CASES += [(state, verb, "group") for state in GROUP_STATES for verb in REFUSAL]


@pytest.mark.parametrize("case", CASES, indirect=True, ids=lambda p: f"{p[0]}-{p[1]}-{p[2]}")
def test_every_pair(case):
    """Listed: exactly this happens.  Not listed: refused, and not one row is changed."""
    made, state, verb, until = case
    allowed = GROUPED if made.group else ALLOWED
    before, now, counts = made.api.job(made.job), made.rows(), counted(made)
    answer = made.do(verb)
    if (state, verb) not in allowed:
        assert answer == refusal(verb, state)
        assert made.rows() == now and counted(made) == counts
        return
    wanted, failures, crashes, category, key = allowed[state, verb]
    after = made.api.job(made.job)
    assert after.state == wanted and len(made.api.places(made.job)) == 1
    assert after.attempt == before.attempt + (verb == "claim")
    if failures is not None:
        assert after.failures == (before.failures or 0) + failures
        assert after.crashes == (before.crashes or 0) + crashes
    new = made.api.attempts(made.job)[len(now["attempt"]) :]
    assert new == ([category] if category else [])
    assert counted(made) == expected_counts(state, verb, counts)
    had = [1] if now["unique_key"] else []
    assert bool(had) == (until == "end" and state not in ("succeeded", "failed", "cancelled"))
    assert [1 for _ in made.rows()["unique_key"]] == key_after(until, had, key)
    if made.group:
        assert made.group_goes_on() == ANSWERS.get(GROUP[verb], GROUP[verb])


@pytest.mark.parametrize("state, goes_on", [
    ("waiting", "head"), ("running", "busy"), ("fenced", "busy"), ("succeeded", "next"),
    ("failed", "blocked"), ("cancelled", "next")])
def test_a_group_goes_on_from_every_state(db, api, state, goes_on):
    """Of its head; and a dispatch changes nothing of a job that does not wait."""
    case = Case(db, api, state, 20, "group")
    before = case.rows()
    assert case.group_goes_on() == goes_on
    assert (case.rows() == before) == (state != "waiting")
    case.end()


@pytest.mark.parametrize("policy, goes_on, behind", [
    (None, "blocked", "waiting"), ("block", "blocked", "waiting"), ("fail", "none", "failed"),
    ("skip", "next", "running")])
def test_the_policy_of_a_queue(db, api, policy, goes_on, behind):
    """What a head that failed for good does to its group, and to the job behind it."""
    settings = Jsonb({"on_group_failure": policy})
    api.value("queue_set", queue="default", settings=settings)
    case = Case(db, api, "running", 20, "group")
    case.fail(retry=False)
    assert bool(stops(api)) == (policy != "skip")
    answer = case.group_goes_on()
    while answer == "again":
        answer = case.group_goes_on()
    assert (answer, api.state(case.behind)) == (goes_on, behind)
    assert bool(stops(api)) == (goes_on == "blocked")


def test_the_first_claim_frees_a_key_until_start(api):
    """The one transition that the cases above do not begin with: they have been claimed."""
    api.push(unique_key="k", unique_until="start")
    assert api.one("SELECT count(*) FROM pawl.unique_key") == 1
    api.claim_one(api.worker_start())
    assert api.one("SELECT count(*) FROM pawl.unique_key") == 0


def test_the_table_is_whole():
    """Each verb has a transition, each transition a state and a verb that exist."""
    assert {verb for _, verb in ALLOWED} == set(REFUSAL)
    assert {verb for _, verb in GROUPED} == set(GROUP) == set(REFUSAL) - {"claim", "promote"}
    assert {state for state, _ in GROUPED} <= set(GROUP_STATES)
    assert {state for state, _ in ALLOWED} <= set(STATES)
    assert len(PAIRS) == len(STATES) * len(REFUSAL)


def test_nothing_is_deleted_from_outcome_but_by_retry(db):
    """No function but retry's names a deletion from outcome: there is no way back.

    Read from the catalogue, so that a function added later is seen.
    """
    rows = db.execute(
        "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = 'pawl' AND p.prosrc ~* '(delete\\s+from|update|truncate)\\s+(pawl\\.)?outcome'"
    )
    assert {row[0] for row in rows} == {"retry_round"}


# -- a batch's own states ------------------------------------------------------------------

BATCH_STATES = ("open", "sealed", "cancelling", "succeeded", "failed", "cancelled")
DONE = ("succeeded", "failed", "cancelled")

# (state, verb) -> the state that it answers; what is not here is refused with PW004
BATCH_ALLOWED = {
    **{(state, "seal"): state for state in BATCH_STATES[1:]},
    **{(state, "cancel"): state for state in BATCH_STATES[2:]},
    **{(state, "fold"): state for state in BATCH_STATES},
    ("open", "seal"): "sealed",
    ("open", "cancel"): "cancelling",
    ("sealed", "cancel"): "cancelling",
    ("open", "push"): "open",
    ("open", "child"): "open",
    ("sealed", "child"): "sealed",
    ("open", "retry"): "open",
    ("sealed", "retry"): "sealed",
    **{(state, "rerun"): "sealed" for state in DONE},
}
BATCH_VERBS = ("seal", "cancel", "fold", "push", "child", "retry", "rerun")


def make_batch(api, state):
    """A batch with one failed job, and, unless it is done, one that runs (a fenced one
    that a cancel cannot end); (batch, the running job's claim, the failed job)."""
    batch = Batch(api, threshold=1 if state == "succeeded" else 0)
    batch.push(2)
    failed, runs = api.claim(api.worker_start(lease="1 hour"), 2)
    api.fail(failed.job, failed.fence, retry=False)
    if state in ("succeeded", "failed"):
        api.complete(runs.job, runs.fence)
    if state in ("sealed", "succeeded", "failed"):
        batch.seal()
    if state == "cancelled":
        batch.cancel()
    return batch, runs, failed.job


@pytest.mark.parametrize("verb", BATCH_VERBS)
@pytest.mark.parametrize("state", BATCH_STATES)
def test_every_state_and_verb_of_a_batch(db, api, state, verb):
    """Listed: exactly this state follows.  Not listed: PW004, and nothing has changed."""
    batch, runs, failed = make_batch(api, state)
    holder = db.connect(autocommit=False)
    if state not in DONE:
        Api(holder).fence(runs.job, runs.fence)
    if state == "cancelling":
        batch.cancel()
    assert batch.state() == state
    child = {"batch": batch.id, "parent": runs.job, "parent_fence": runs.fence}
    calls = {"push": lambda: batch.push(1), "child": lambda: Api(holder).push(**child),
             "retry": lambda: api.retry(failed)}
    before = (batch.row(), batch.completions())
    refused = sqlstate(calls.get(verb, getattr(batch, verb, None)))
    holder.commit()
    holder.close()
    if (state, verb) in BATCH_ALLOWED:
        assert refused is None and batch.state() == BATCH_ALLOWED[state, verb]
    else:  # the claim of a job that has ended is stale before its batch is looked at
        assert refused == ("PW001" if verb == "child" and state in DONE else "PW004")
        assert (batch.row(), batch.completions()) == before
