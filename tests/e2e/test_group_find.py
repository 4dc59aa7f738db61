"""Which groups a worker finds, in which order, and what that costs (ACCEPTANCE 2.10).

The bugs: fifty groups that somebody else owns fill the answer, and the fifty-first is
never found; a tenant with ten thousand groups starves one with a single group; groups
whose head is not due hide those behind them, because each look begins at the beginning;
a look that walks over all jobs.
"""

import itertools

import pytest
from harness.api import Api, json_array, sqlstate
from harness.cost import blocks
from harness.grouped import Runner

HOUR = "SELECT now() + interval '1 hour'"


class Scout:
    """What the claimer of a worker does with the answers: cursors, and whose turn it is."""

    def __init__(self, api, marks=True, **named):
        self.api, self.marks = api, marks
        self.worker = api.worker_start(lease="1 hour", **named)
        self.cursors, self.last = {}, None

    def look(self, **named):
        """Tenant and key of what may be taken now."""
        rows = self.api.rows("group_candidates", worker=self.worker,
                             tenants=list(self.cursors), afters=list(self.cursors.values()),
                             last_tenant=self.last, **named)
        ready = [row for row in rows if row.ready]
        assert rows[:len(ready)] == ready, "what is not ready comes last"
        for row in rows if self.marks else ready:
            self.cursors[row.tenant] = row.group_key
            if row.ready or not ready:
                self.last = row.tenant
        return [row.group_key for row in ready]


def push_groups(api, keys, **named):
    rows = api.rows("push_many", kind="k", args=json_array([{}] * len(keys)),
                    group_keys=list(keys), **named)
    return [row.job for row in rows]


def own(api, keys):
    """A worker that is busy with all of these."""
    worker = api.worker_start(lease="1 hour")
    api.query("SELECT pawl.group_take(%s, k) FROM unnest(%s::text[]) k", [worker, list(keys)])


NAIVE_LOOK = """SELECT group_key FROM (SELECT group_key, min(job_id) AS head FROM pawl.waiting
    WHERE due <= now() GROUP BY 1 ORDER BY 2 LIMIT 50) f WHERE NOT EXISTS
    (SELECT FROM pawl.group_lease l WHERE l.group_key = f.group_key)"""


def test_the_fifty_first_is_found_behind_fifty_busy_ones(api):
    """The bug: the limit is filled with what is owned elsewhere.  Red on: the oldest fifty."""
    keys = [f"g{n:02}" for n in range(51)]
    push_groups(api, keys)
    own(api, keys[:50])
    scout = Scout(api)
    assert scout.look() == ["g50"] and scout.look() == ["g50"]
    assert api.query(NAIVE_LOOK) == []


def test_fenced_leases_do_not_fill_the_answer(db, api):
    """Leases that are over are half of the answer at the most, and take turns."""
    keys = [f"g{n:02}" for n in range(12)]
    push_groups(api, [*keys, "z"])
    own(api, keys)
    api.query("UPDATE pawl.group_lease SET expires_at = '-infinity' RETURNING 1")
    scout = Scout(api)
    first = scout.look(n=8)
    assert first == [*keys[:4], *keys[4:8]]
    scout.cursors = {"": "g03"}
    assert scout.look(n=8)[:4] == keys[4:8]
    scout.cursors = {}
    assert scout.look(n=13, leases=False) == [*keys, "z"]
    own(api, ["z"])
    scout.cursors = {}
    seen = set(itertools.chain(*(scout.look(n=4) for _ in range(6))))
    assert seen == set(keys)


def test_tenants_take_turns(api):
    """Interleaved, beginning after whoever was last; groups without a tenant are one."""
    push_groups(api, ["a/1", "a/2", "a/3", "b/1", "c/1", "c/2", "z"])
    scout = Scout(api)
    assert scout.look() == ["z", "a/1", "b/1", "c/1", "a/2", "c/2", "a/3"]
    scout.last, scout.cursors = "a", {}
    assert scout.look(n=3) == ["b/1", "c/1", "z"]
    assert scout.look(n=3) == ["a/1", "b/1", "c/2"]
    assert scout.look(n=3) == ["z", "a/2", "b/1"]


def test_ten_thousand_groups_beside_one(api):
    """The bug: a tenant with ten thousand groups starves one with a single group.  It is
    in every answer, however small, for the other's turn comes second.  Red on: by age."""
    push_groups(api, [f"big/{n:05}" for n in range(10_000)])
    push_groups(api, ["small/1"])
    scout = Scout(api)
    for _ in range(5):
        assert "small/1" in scout.look(n=2)
    assert len(scout.look()) == 50
    assert not any(row.group_key == "small/1" for row in api.query(NAIVE_LOOK))


def test_what_is_not_due_hides_nothing(api):
    """The bug: each look begins at the beginning, and ends before it comes to the one
    group that is due.  The answers say how far the walk has come.  Red on: without that."""
    late = api.one(HOUR)
    push_groups(api, [f"g{n:04}" for n in range(1200)], run_at=late)
    push_groups(api, ["h/1"], run_at=late)
    push_groups(api, ["g1200"])
    scout, naive = Scout(api), Scout(api, marks=False)
    looks = [scout.look() for _ in range(4)]
    assert ["g1200"] in looks
    assert [naive.look() for _ in range(10)] == [[]] * 10, "the naive scout gets on"


def test_tenants_that_are_not_due_hide_none(api):
    """The same across tenants: a thousand of them, and one behind them."""
    late = api.one(HOUR)
    push_groups(api, [f"t{n:04}/x" for n in range(1000)], run_at=late)
    push_groups(api, ["u/x"])
    scout, naive = Scout(api), Scout(api, marks=False)
    assert ["u/x"] in [scout.look() for _ in range(8)]
    assert [naive.look() for _ in range(10)] == [[]] * 10, "the naive scout gets on"
    small = Scout(api)
    assert ["u/x"] in [small.look(steps=10) for _ in range(300)]


# -- each candidate can be gone on with, and each group that can is a candidate ------------


STATES = {
    "due": lambda api, g: api.push(group_key=g),
    "late": lambda api, g: api.push(group_key=g, run_at=api.one(HOUR)),
    "foreign kind": lambda api, g: api.push("other", group_key=g),
    "foreign queue": lambda api, g: api.push(group_key=g, queue="other"),
    "paused": lambda api, g: api.push(group_key=g, queue="paused"),
    "failed head": lambda api, g: fail_head(api, g, "default"),
    "failed run": lambda api, g: fail_head(api, g, "failing"),
    "skipped": lambda api, g: fail_head(api, g, "skipping"),
    "owned": lambda api, g: Runner(api, g).take(),
    "running": lambda api, g: (api.push(group_key=g), take(api, g)),
    "over": lambda api, g: (Runner(api, g).take(), api.query(
        "UPDATE pawl.group_lease SET expires_at = '-infinity' WHERE group_key = %s RETURNING 1",
        [g])),
    "old run": lambda api, g: api.push(group_key=g, run_key=1, run_at=api.one(HOUR)),
    "new run": lambda api, g: api.push(group_key=g, run_key=2, run_at=api.one(HOUR)),
}


def take(api, group):
    runner = Runner(api, group)
    return runner.ask() if runner.take() else None


def fail_head(api, group, queue):
    api.push(group_key=group, queue=queue, run_key=1)
    runner = Runner(api, group)
    if runner.take() is None:
        return
    row = runner.ask()[0]
    if row.answer == "job":
        api.fail(row.job, row.fence, retry=False)
    api.value("group_give_back", worker=runner.worker, group_key=group, token=runner.token)


def test_candidates_are_what_can_be_gone_on_with(api):
    """Every pair of states in one group: what is found can be taken, and its dispatch
    gives a job or ends something; what is not found does neither.  Else a worker would
    spin on it, or leave it."""
    for queue, policy in (("failing", "fail"), ("skipping", "skip")):
        api.value("queue_set", queue=queue, settings=f'{{"on_group_failure": "{policy}"}}')
    pairs = list(itertools.product(STATES, STATES))
    for n, (one, other) in enumerate(pairs):
        STATES[one](api, f"g{n:03}")
        STATES[other](api, f"g{n:03}")
    api.value("queue_pause", queue="paused")
    scout = Scout(api, queues=["default", "paused", "failing", "skipping"], kinds=["k"])
    found = set(scout.look(n=1000, steps=10_000))
    left = "SELECT (SELECT count(*) FROM pawl.waiting) + (SELECT count(*) FROM pawl.group_stop)"
    wrong = {}
    for n, pair in enumerate(pairs):
        group = f"g{n:03}"
        before, answer = api.one(left), None
        token = api.value("group_take", worker=scout.worker, group_key=group)
        if token:
            owner = {"worker": scout.worker, "group_key": group, "token": token}
            answer = api.rows("group_dispatch", **owner)[0].answer
        went_on = answer == "job" or api.one(left) < before or (token and "over" in pair)
        if (group in found and not went_on) or (answer == "job" and group not in found):
            wrong[pair] = (group in found, answer)
    assert not wrong and len(found) > 20


# -- what it costs (a hundred thousand groups) --------------------------------------------------

GROUPS = 100_000
BUSY = 50
FILL = """SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[%s]),
    group_keys => (SELECT array_agg('g/' || to_char(n, 'FM000000')) FROM generate_series(1, %s) n))"""
EACH = 7  # blocks of a look at one group: the walk, its page, the lease that is looked for


@pytest.fixture(scope="module")
def crowd(base_cluster):
    """A hundred thousand groups of one tenant with one job each, fifty of them busy."""
    server = base_cluster.copy(durable=False, settings={"autovacuum": "off"}).start()
    with server.new_database().connect() as connection:
        connection.execute(FILL, [GROUPS, GROUPS])
        yield Api(connection)
    server.remove()


@pytest.mark.parametrize("statistics", ["cold", "fresh"])
def test_a_hundred_thousand_groups_cost_what_is_looked_at(crowd, statistics):
    """Fifty groups past fifty busy ones, from anywhere in the ring: blocks follow the hundred
    groups that are looked at.  Red on: the oldest fifty by group."""
    if statistics == "fresh":
        crowd.connection.execute("ANALYZE")
    else:
        own(crowd, [f"g/{n:06}" for n in range(1, BUSY + 1)])
    worker = crowd.worker_start(lease="1 hour")
    for after in ("", "g/000050", f"g/{GROUPS - 10:06}"):
        call = f"pawl.group_candidates('{worker}', ARRAY['g'], ARRAY['{after}'])"
        rows, read = rows_read(crowd, f"SELECT * FROM {call}")
        cost = blocks(crowd, f"SELECT * FROM {call}")
        print(f"{statistics} after {after!r}: {read} rows of waiting, {cost} blocks")
        assert len(rows) == 50 and read <= 50 + BUSY + 2 and cost <= (50 + BUSY + 2) * EACH
    assert rows_read(crowd, NAIVE_LOOK)[1] >= GROUPS


def rows_read(api, statement):
    """What a statement answers, and how many rows of waiting it has read for that."""
    count = ("SELECT (seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables"
             " WHERE relname = 'waiting'")
    with api.connection.transaction():
        before = api.one(count)
        rows = api.query(statement)
        return rows, api.one(count) - before


def test_each_step_of_a_group_costs_little(crowd):
    """Take, dispatch, hold and complete, give back among a hundred thousand groups."""
    worker = crowd.worker_start(lease="1 hour")
    key = f"g/{GROUPS // 2:06}"
    found = {"take": blocks(crowd, f"SELECT pawl.group_take('{worker}', '{key}')")}
    token = crowd.value("group_take", worker=worker, group_key=key)
    owner = f"'{worker}', '{key}', {token}"
    found["dispatch"] = blocks(crowd, f"SELECT * FROM pawl.group_dispatch({owner})")
    (claim,) = crowd.rows("group_dispatch", worker=worker, group_key=key, token=token)
    found["hold"] = blocks(crowd, f"SELECT pawl.group_hold({owner})")
    crowd.complete(claim.job, claim.fence)
    found["none"] = blocks(crowd, f"SELECT * FROM pawl.group_dispatch({owner})")
    found["renew"] = blocks(crowd, f"SELECT pawl.group_renew('{worker}', '{{{key}}}', '{{{token}}}')")
    found["show"] = blocks(crowd, f"SELECT * FROM pawl.group_show('{key}')")
    found["list"] = blocks(crowd, "SELECT * FROM pawl.group_list(n => 10)")
    found["give back"] = blocks(crowd, f"SELECT pawl.group_give_back({owner})")
    crowd.query("SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, ARRAY[20000]),"
                " group_keys => array_fill('l/long'::text, ARRAY[20000]))")
    runner = Runner(crowd, "l/long")
    call = f"pawl.group_dispatch('{runner.worker}', 'l/long', {runner.take()})"
    found["dispatch of a long group"] = blocks(crowd, f"SELECT * FROM {call}")
    runner.dispatch()
    print(found)
    assert {name: n for name, n in found.items() if n > 300} == {}
    assert blocks(crowd, "SELECT * FROM pawl.group_show('l/long')") < 1500, "it counts to 1,000"


def test_a_held_snapshot_does_not_lengthen_the_look_for_the_head(db, api):
    """The bug: what a group has done stays in the index while somebody's snapshot is held,
    and each dispatch walks over all of it.  Red on: a look from the beginning."""
    jobs = 600
    push_groups(api, ["g"] * (jobs + 1))
    runner = Runner(api)
    with db.connect(autocommit=False) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        for _ in range(jobs):
            claim = runner.dispatch()
            api.complete(claim.job, claim.fence)
        call = (f"SELECT * FROM pawl.group_dispatch('{runner.worker}', 'g', {runner.token})")
        forward = blocks(api, call)
        api.query("UPDATE pawl.group_lease SET floor = NULL RETURNING 1")
        print(forward, blocks(api, call))
        assert blocks(api, call) >= forward + 5


def test_refused(api):
    """n, steps and cursors out of their range; an unknown worker."""
    worker = api.worker_start()
    for wrong in ({"n": 0}, {"n": 1001}, {"steps": 9}, {"n": None}, {"tenants": ["a"]},
                  {"steps": 10_001}):
        assert sqlstate(api.rows, "group_candidates", worker=worker, **wrong) == "22023"
    assert sqlstate(api.rows, "group_candidates", worker=None) == "PW002"
