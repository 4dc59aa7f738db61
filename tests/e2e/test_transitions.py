"""The table of outcomes, INTERFACE section 2: every pair of a state and a verb.

ALLOWED holds each transition that the table lists, and nothing else.  Every other pair
is derived, and must be refused with the verb's own refusal and change not one row of
the job (3.1: what is not listed does not happen).  All of it with a job that has no
unique key, with one that has its key until its end, with one whose key is free from the
first claim on, with one in a batch, and with one in a group, where after each transition
the group goes on as the table's last column says; then every pair of a batch's state and
a verb.  What workers call is the form of a verb for many rows: it does the same, and
answers of each row what the other form raises.
"""

import pytest
from harness.api import Api, sqlstate
from harness.batches import COUNTERS, Batch
from harness.case import KEYS, MANY, SETTLES, Case
from harness.grouped import stops
from psycopg.types.json import Jsonb

# running again: its fence is not that of the claim which now presents it
STATES = ("ready", "scheduled", "running", "running again", "fenced", "succeeded", "failed",
          "cancelled")

# verb -> what it answers when the transition is not listed: an SQLSTATE, or a value
REFUSAL = {
    "claim": [],
    **{verb: "PW001" for verb in SETTLES},
    "cancel": None,  # answers the state; see refusal()
    "retry": "PW004",
    "recover": 0,
    "recover, third crash": 0,
    "promote": 0,
    "worker_stop": 0,
}
IN_MANY = ("claim", *(verb for verb in SETTLES if verb != "fence"), "retry")
VERBS = (*REFUSAL, *(verb + MANY for verb in IN_MANY))

# Of a group: another worker becomes its owner; nothing becomes of a job that it left.
TAKE_OVER = ("take over", "take over, third crash")
REFUSAL |= {verb: "taken" for verb in TAKE_OVER}

# What another transaction has fenced is busy, not stale; and never waited for.
BUSY = {verb: "55P03" for verb in SETTLES}
BUSY |= {verb: "held" for verb in TAKE_OVER}
BUSY |= {"cancel": "busy"}

# What stands in the way of a retry: (state, whose jobs)
OCCUPIED = [("failed, its key taken", until) for until in KEYS]
OCCUPIED += [("cancelled, its key taken", until) for until in KEYS]
OCCUPIED += [(f"{state}, its batch done", "batch") for state in ("failed", "cancelled")]

# (state, verb) -> (state afterwards, failures + , crashes + , category of the attempt row,
# the unique key).  None: an outcome does not count; claim gives attempt + 1.
ALLOWED = {
    ("ready", "claim"): ("running", 0, 0, None, "kept"),
    ("running", "complete"): ("succeeded", None, None, None, "freed"),
    ("running", "fail with tries left"): ("scheduled", 1, 0, "error", "kept"),
    ("running", "fail, last try"): ("failed", None, None, "error", "freed"),
    ("running", "fail, retry => false"): ("failed", None, None, "error", "freed"),
    ("running", "timeout"): ("scheduled", 1, 0, "timeout", "kept"),
    ("running", "snooze"): ("scheduled", 0, 0, None, "kept"),
    ("running", "release"): ("ready", 0, 0, None, "kept"),
    ("running", "fence"): ("running", 0, 0, None, "kept"),
    ("running", "recover"): ("ready", 0, 1, "crash", "kept"),
    ("running", "recover, third crash"): ("failed", None, None, "crash", "freed"),
    ("running", "worker_stop"): ("ready", 0, 0, None, "kept"),
    ("ready", "cancel"): ("cancelled", None, None, None, "freed"),
    ("scheduled", "cancel"): ("cancelled", None, None, None, "freed"),
    ("running", "cancel"): ("cancelled", None, None, "cancelled", "freed"),
    ("scheduled", "promote"): ("ready", 0, 0, None, "kept"),
    ("failed", "retry"): ("ready", 0, 0, "operator", "taken anew"),
    ("cancelled", "retry"): ("ready", 0, 0, "operator", "taken anew"),
}
OF_WHOEVER_RUNS_IT = ("recover", "recover, third crash", "worker_stop", "cancel", *TAKE_OVER)

# What each transition adds to the counters of the job's batch; all others add nothing.
COUNTED = {"complete": "succeeded", "fail, last try": "failed", "fail, retry => false": "failed",
           "recover, third crash": "failed", "cancel": "cancelled"}

# The same for a grouped job: waiting stands for ready and scheduled, and a dispatch for a
# claim, which never has it.
IN_GROUP = {"ready": "waiting", "scheduled": "waiting"}
GROUPED = {(IN_GROUP.get(state, state), verb): (IN_GROUP.get(what[0], what[0]), *what[1:])
           for (state, verb), what in ALLOWED.items() if verb not in ("claim", "promote")}
GROUPED |= {
    ("running", "take over"): ("waiting", 0, 1, "crash", "kept"),
    ("running", "take over, third crash"): ("failed", None, None, "crash", "freed"),
}
GROUP_STATES = ("waiting", "running", "running again", "fenced", "succeeded", "failed",
                "cancelled")
for table in (ALLOWED, GROUPED):
    table |= {("running again", verb): table["running", verb]
              for verb in OF_WHOEVER_RUNS_IT if ("running", verb) in table}

# What its group then does: head: the job is dispatched again, at once; head holds: it is
# not due, and nobody passes it; next: the job behind it; policy: by default it waits.
GROUP = {
    "complete": "next",
    "fail with tries left": "head holds",
    "fail, last try": "policy",
    "fail, retry => false": "policy",
    "timeout": "head holds",
    "snooze": "head holds",
    "release": "head",
    "fence": "busy",
    "recover": "head",
    "recover, third crash": "policy",
    "worker_stop": "head",
    "take over": "head",
    "take over, third crash": "policy",
    "cancel": "next",
    "retry": "head",
}
ANSWERS = {"head holds": "later", "policy": "blocked"}

# What a job has behind it when the verb comes.
BEHIND = {"fail, last try": {"max_attempts": 1}, "recover, third crash": {"crashes": 2},
          "take over, third crash": {"crashes": 2}}

UNTIL = (None, "end", "start", "batch")


def refusal(verb, state):
    """What a transition that is not listed answers."""
    single = verb.removesuffix(MANY)
    was, _, then = state.partition(", ")
    was = "running" if was in ("running again", "fenced") else was
    if verb == "retry, many":
        return was, False
    if state == "fenced" and single in BUSY:
        return BUSY[verb] if verb == single else "busy"
    if verb == "cancel":
        return was
    if then == "its key taken" and verb == "retry":
        return "PW003"
    return "stale" if verb != single and single in SETTLES else REFUSAL[single]


@pytest.fixture(scope="module")
def module_api(module_db):
    with module_db.connect() as connection:
        connection.execute("SET lock_timeout = '20 s'")
        connection.execute(  # the one verb that waits for a fence does not wait for long here
            "ALTER FUNCTION pawl.fence(bigint, bigint) SET lock_timeout = '100 ms'")
        yield Api(connection)


@pytest.fixture
def case(request, module_db, module_api):
    state, verb, until = request.param
    made = Case(module_db, module_api, state, until, **BEHIND.get(verb.removesuffix(MANY), {}))
    yield made, state, verb, until
    made.end()


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


PAIRS = [(state, verb) for state in STATES for verb in VERBS]
CASES = [(*pair, until) for until in UNTIL for pair in PAIRS]
CASES += [(state, verb, until) for state, until in OCCUPIED for verb in VERBS]
CASES += [(state, verb, "group") for state in GROUP_STATES for verb in (*VERBS, *TAKE_OVER)]


@pytest.mark.parametrize("case", CASES, indirect=True, ids=lambda p: f"{p[0]}-{p[1]}-{p[2]}")
def test_every_pair(case):
    """Listed: exactly this happens.  Not listed: refused, and not one row is changed."""
    made, state, verb, until = case
    single = verb.removesuffix(MANY)
    allowed = GROUPED if made.group else ALLOWED
    before, now, counts = made.api.job(made.job), made.rows(), counted(made)
    answer = made.do(verb)
    if (state, single) not in allowed:
        assert answer == refusal(verb, state)
        assert made.rows() == now and counted(made) == counts
        return
    assert (answer == "won") == (verb != single and single in SETTLES)
    wanted, failures, crashes, category, key = allowed[state, single]
    after = made.api.job(made.job)
    assert after.state == wanted and len(made.api.places(made.job)) == 1
    assert after.attempt == before.attempt + (single == "claim")
    if failures is not None:
        assert after.failures == (before.failures or 0) + failures
        assert after.crashes == (before.crashes or 0) + crashes
    new = made.api.attempts(made.job)[len(now["attempt"]) :]
    assert new == ([category] if category else [])
    assert counted(made) == expected_counts(state, single, counts)
    had = [1] if now["unique_key"] else []
    assert bool(had) == (until == "end" and state not in ("succeeded", "failed", "cancelled"))
    assert [1 for _ in made.rows()["unique_key"]] == key_after(until, had, key)
    if made.group:
        assert made.group_goes_on() == ANSWERS.get(GROUP[single], GROUP[single])


@pytest.mark.parametrize("state, goes_on", [
    ("waiting", "head"), ("running", "busy"), ("running again", "busy"), ("fenced", "busy"),
    ("succeeded", "next"), ("failed", "blocked"), ("cancelled", "next")])
def test_a_group_goes_on_from_every_state(db, api, state, goes_on):
    """Of its head; and a dispatch changes nothing of a job that does not wait."""
    case = Case(db, api, state, "group")
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
    case = Case(db, api, "running", "group")
    case.do("fail, retry => false")
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
    assert {verb for _, verb in ALLOWED} == set(REFUSAL) - set(TAKE_OVER)
    assert {verb for _, verb in GROUPED} == set(GROUP) == set(REFUSAL) - {"claim", "promote"}
    assert {verb.removesuffix(MANY) for verb in VERBS} | set(TAKE_OVER) == set(REFUSAL)
    assert {state for state, _ in GROUPED} <= set(GROUP_STATES)
    assert {state for state, _ in ALLOWED} <= set(STATES)
    assert len(PAIRS) == len(STATES) * len(VERBS)


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
