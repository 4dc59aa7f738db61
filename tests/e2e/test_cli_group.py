"""`pawl group`: list, show, release, fail; jobs by their group.

Groups are worked on by SQL here, as a worker does it: take, dispatch, settle.
"""

import json

import pytest
from harness.api import json_array
from harness.program import run_pawl

FAR = "2999-01-01T00:00:00Z"


def call(db, *args, check=0, **options):
    return run_pawl(db, "group", *args, check=check, **options)


def groups(db, *args):
    return {g["group"]: g for g in json.loads(call(db, "list", *args, "-o", "json").stdout)}


def shown(db, key):
    return json.loads(call(db, "show", key, "-o", "json").stdout)


@pytest.fixture
def wid(api):
    return api.worker_start(name="w1", queues=["default"], kinds=["k"])


def run_head(api, wid, key, token=None):
    """Take the group (or go on with it), and dispatch its head: (token, the row)."""
    token = token or api.value("group_take", worker=wid, group_key=key)
    (row,) = api.rows("group_dispatch", worker=wid, group_key=key, token=token)
    assert row.answer == "job"
    return token, row


def block(api, wid, key):
    """A job that has failed for good blocks its group, and nobody holds it."""
    token, row = run_head(api, wid, key)
    api.fail(row.job, row.fence, retry=False)
    assert api.value("group_give_back", worker=wid, group_key=key, token=token)
    return row.job


def test_who_holds_what(db, api, wid):
    """The bug: a group stands still, and nobody can see whose it is, since when, and what
    waits behind it."""
    jobs = [api.push(group_key="acme/orders") for _ in range(3)]
    api.push(group_key="acme/later", run_at=FAR)
    old = api.push(group_key="zeta")
    db.execute("UPDATE pawl.job SET pushed_at = pushed_at - interval '2 hours' WHERE id = %s", [old])
    run_head(api, wid, "acme/orders")
    found = groups(db)
    assert {key: group["state"] for key, group in found.items()} == {
        "zeta": "ready", "acme/orders": "running", "acme/later": "later"}
    held = found["acme/orders"]
    assert (held["worker"], held["worker_id"], held["waiting"]) == ("w1", str(wid), 2)
    assert held["head"] == jobs[1] and 0 < held["lease_left_s"] <= 30 and held["held_s"] < 60
    assert found["zeta"]["age"] == "2h 0min" and found["zeta"]["worker"] is None
    assert found["acme/later"]["head_due"] == "2999-01-01T00:00:00.000Z"
    assert list(groups(db, "--tenant", "acme")) == ["acme/later", "acme/orders"]
    assert list(groups(db, "--state", "ready")) == ["zeta"]
    lines = call(db, "list").stdout.splitlines()
    assert lines[0].startswith("oldest runnable job: ") and 'group "zeta"' in lines[0]
    assert lines[1].split()[:3] == ["group", "state", "worker"]
    assert shown(db, "acme/orders")["worker"] == "w1"
    assert "held_for" in call(db, "show", "acme/orders").stdout


def test_what_waits_is_counted_up_to_a_bound(db, api):
    """The bug: a group of a million jobs is counted, each time that somebody looks."""
    api.rows("push_many", kind="k", args=json_array([{}] * 1001), group_keys=["long"] * 1001)
    assert groups(db)["long"]["waiting"] is None
    assert ">1000" in call(db, "list").stdout
    assert ">1000" in call(db, "show", "long").stdout


def test_pages(db, api):
    for key in ("a/1", "a/2", "b", "c/1"):
        api.push(group_key=key)
    page = call(db, "list", "-n", 2, "-o", "jsonl")
    first = [json.loads(line)["group"] for line in page.stdout.splitlines()]
    assert f"--after '{first[-1]}'" in page.stderr
    rest = list(groups(db, "--after", first[-1]))
    assert sorted(first + rest) == ["a/1", "a/2", "b", "c/1"]
    assert "--after" not in call(db, "list").stderr


def test_release_lets_a_blocked_group_go_on(db, api, wid):
    """The bug: a group is blocked by a failed job, and nothing says which, or frees it."""
    api.push(group_key="g")
    second = api.push(group_key="g")
    failed = block(api, wid, "g")
    assert (shown(db, "g")["state"], shown(db, "g")["blocked_by"]) == ("blocked", failed)
    note = json.loads(run_pawl(db, "job", "show", second, "-o", "json").stdout)["note"]
    assert note == f"its group is blocked by job {failed}, which failed"
    assert json.loads(call(db, "release", "g", "-o", "jsonl").stdout) == {
        "group": "g", "answer": "unblocked"}
    assert shown(db, "g")["state"] == "ready"
    assert "nothing to release" in call(db, "release", "g", check=5).stdout
    assert run_head(api, wid, "g")[1].job == second


def test_release_takes_a_group_from_its_owner(db, api, wid):
    """The bug: a handler that hangs keeps its group, and nobody can take it."""
    job = api.push(group_key="g")
    token, row = run_head(api, wid, "g")
    assert "lease ended" in call(db, "release", "g").stdout
    other = api.worker_start(name="w2", queues=["default"], kinds=["k"])
    run_head(api, other, "g")
    assert shown(db, "g")["worker"] == "w2"
    assert api.attempts(job) == ["crash"]


def test_fail_ends_what_waits(db, api, wid):
    """The bug: only the first thousand are ended."""
    api.rows("push_many", kind="k", args=json_array([{}] * 1002), group_keys=["g"] * 1002)
    token, row = run_head(api, wid, "g")
    answer = call(db, "fail", "g", "--reason", "the file is bad", "-o", "jsonl").stdout
    assert json.loads(answer) == {"group": "g", "failed": 1001}
    assert api.query("SELECT state::text, error, count(*) FROM pawl.outcome GROUP BY 1, 2") == [
        ("failed", "the file is bad", 1001)]
    assert shown(db, "g")["state"] == "running"
    call(db, "fail", "g", check=5)
    api.complete(row.job, row.fence)


def test_an_unknown_group_is_exit_3(db):
    """The bug: an empty answer for a group that does not exist."""
    for command in ("show", "release", "fail"):
        assert '"nobody"' in call(db, command, "nobody", check=3).stderr


def test_jobs_of_a_group(db, api, wid):
    """The bug: what waits in a group can be counted and not be looked at."""
    jobs = [api.push(group_key="acme/orders", run_key=7) for _ in range(3)]
    api.push(group_key="acme/other")
    run_head(api, wid, "acme/orders")

    def listed(*args):
        out = run_pawl(db, "job", "list", "--group", "acme/orders", *args, "-o", "jsonl").stdout
        return [(job["id"], job["state"]) for job in map(json.loads, out.splitlines())]

    assert listed() == [(jobs[2], "waiting"), (jobs[1], "waiting"), (jobs[0], "running")]
    assert listed("--state", "running") == [(jobs[0], "running")]
    assert listed("-n", "1", "--after", jobs[2]) == [(jobs[1], "waiting")]
    run_pawl(db, "job", "list", "--group", "x", "--state", "failed", check=2)
    job = json.loads(run_pawl(db, "job", "show", jobs[2], "-o", "json").stdout)
    assert (job["group_key"], job["run_key"]) == ("acme/orders", 7)
    assert job["note"] == f"job {jobs[1]} of its group comes before it"
    job = json.loads(run_pawl(db, "job", "show", jobs[1], "-o", "json").stdout)
    assert job["note"] == 'worker "w1" holds its group'


def test_roles(db, api):
    """The bug: a command needs a privilege that its role does not have."""
    for _ in range(2):
        api.push(group_key="g")
    for role in ("producer", "reader"):
        db.execute(f"CREATE ROLE group_{role} LOGIN IN ROLE pawl_{role}")
    try:
        for role, args in (("reader", ("list",)), ("reader", ("show", "g")), ("producer", ("fail", "g"))):
            call(db, *args, env={"PGUSER": f"group_{role}"})
            other = "reader" if role == "producer" else "producer"
            call(db, *args, env={"PGUSER": f"group_{other}"}, check=1)
    finally:
        for role in ("producer", "reader"):
            db.execute(f"DROP ROLE group_{role}")
