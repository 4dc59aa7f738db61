"""Grouped jobs in what is not about groups: push, settle, cancel, retry, keys, lists.

The bugs: a grouped job that is handed out beside its group, because it once lay in ready
or scheduled (a head that backs off lets its successors pass); a key that is one of the
whole database instead of one of its group; a job that failed for good and whose group
goes on, or stops, against its queue's policy.  What the group's owner does is in the
tests of group_take and group_dispatch.
"""

import datetime

import psycopg
import pytest
from harness.api import Api, json_array, sqlstate
from harness.batches import Batch
from harness.grouped import Runner, make_due, stops, waiting
from psycopg.types.json import Jsonb

HOUR = datetime.timedelta(hours=1)
KEYED, BATCHED = 1, 2  # bits of traits
TABLES = ("job", "ready", "scheduled", "waiting", "running", "outcome", "attempt", "unique_key",
          "group_lease", "group_stop", "batch", "batch_delta", "worker", "queue")


@pytest.fixture
def db(module_db):
    """One database for all of them; each begins with nothing in it."""
    yield module_db
    module_db.execute(";".join(f"DELETE FROM pawl.{table}" for table in TABLES))


def later(hours=1):
    return datetime.datetime.now(datetime.timezone.utc) + hours * HOUR


def row(api, job):
    """The job's row of waiting."""
    (found,) = api.query("SELECT w.*, (w.tries).* FROM pawl.waiting w WHERE job_id = %s", [job])
    return found


# -- pushing -----------------------------------------------------------------------


def test_a_grouped_job_waits(api):
    """In waiting from the push on, with what its dispatch needs; the view says so."""
    job = api.push("load", queue="q", group_key="acme/orders", run_key=7, unique_key="u")
    found = row(api, job)
    assert (found.tenant, found.group_key, found.run_key) == ("acme", "acme/orders", 7)
    assert (found.queue, found.kind, found.traits, found.tries) == ("q", "load", KEYED, None)
    shown = api.job(job)
    assert (shown.state, shown.group_key, shown.run_key) == ("waiting", "acme/orders", 7)
    assert api.places(job) == ["waiting"] and shown.run_at == found.due
    (listed,) = api.rows("job_list", state="waiting", queue="q", kind="load")
    assert listed.id == job and api.rows("job_list", state="waiting", queue="other") == []


@pytest.mark.parametrize("key, tenant", [("acme/orders", "acme"), ("a/b/c", "a"), ("x", ""),
                                         ("/x", ""), ("ä/ö", "ä"), ("a/", "a")])
def test_the_tenant_is_what_stands_before_the_first_slash(api, key, tenant):
    assert row(api, api.push(group_key=key)).tenant == tenant


def test_due(api):
    """Not before run_at; without it, and when that has passed, at once."""
    at = later()
    assert row(api, api.push(group_key="g", run_at=at)).due == at
    for run_at in (None, later(-1), "-infinity"):
        due = row(api, api.push(group_key="g", run_at=run_at)).due
        assert later(-1) < due <= later(0)
    rows = api.rows("push_many", kind="k", args=json_array([{}]), group_keys=["g"], run_at=at)
    assert row(api, rows[0].job).due == at
    (mixed,) = api.rows("push_many", jobs=Jsonb([{"kind": "k", "group_key": "g",
                                                  "run_at": at.isoformat()}]))
    assert row(api, mixed.job).due == at


KEYS = ["g", None, "a/h", "g", None]
RUNS = [1, None, None, 2, None]


def push_mixed(api, form, **named):
    if form == "arrays":
        return api.rows("push_many", kind="k", args=json_array([{}] * len(KEYS)),
                        group_keys=KEYS, run_keys=RUNS, **named)
    specs = [{"kind": "k"} | ({"group_key": key} if key else {})
             | ({"run_key": run} if run else {}) | named for key, run in zip(KEYS, RUNS)]
    return api.rows("push_many", jobs=Jsonb(specs))


@pytest.mark.parametrize("delayed", [False, True])
@pytest.mark.parametrize("form", ["objects", "arrays"])
def test_grouped_and_others_by_one_call(api, form, delayed):
    """Each goes where it belongs, with ids in the order of the call."""
    named = {"run_at": later().isoformat()} if delayed else {}
    rows = push_mixed(api, form, **named)
    jobs = [r.job for r in rows]
    assert jobs == sorted(jobs) and all(r.created for r in rows)
    other = "scheduled" if delayed else "ready"
    assert [api.state(job) for job in jobs] == ["waiting" if key else other for key in KEYS]
    assert [(api.job(job).group_key, api.job(job).run_key) for job in jobs] == \
        list(zip(KEYS, RUNS))
    assert waiting(api) == [jobs[0], jobs[3]] and row(api, jobs[2]).tenant == "a"
    assert [row(api, job).run_key for job in waiting(api)] == [1, 2]


REFUSED = {
    "an empty group": {"group_key": ""},
    "a long group": {"group_key": "g" * 256},
    "a long group in bytes": {"group_key": "\u20ac" * 86},
    "the character that parts group and key": {"group_key": "a\x1fb"},
    "a run of no group": {"run_key": 1},
    "a key with that character": {"unique_key": "a\x1fb"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(api, name):
    """22023 by push and by both forms of push_many, and nothing is stored."""
    case = REFUSED[name]
    assert sqlstate(api.push, **case) == "22023"
    assert sqlstate(api.rows, "push_many", jobs=Jsonb([{"kind": "k"}, {"kind": "k"} | case])) \
        == "22023"
    many = {f"{name}s": [None, value] for name, value in case.items()}
    assert sqlstate(api.rows, "push_many", kind="k", args=json_array([{}] * 2), **many) == "22023"
    assert api.one("SELECT count(*) FROM pawl.job") == 0


@pytest.mark.parametrize("many", [{"group_keys": ["g"]}, {"group_keys": []},
                                  {"group_keys": ["g", "g"], "run_keys": [1]},
                                  {"run_keys": [1, 1]}])
def test_groups_must_belong_to_args(api, many):
    assert sqlstate(api.rows, "push_many", kind="k", args=json_array([{}] * 2), **many) == "22023"


def test_the_limits_are_accepted(api):
    for key in ("g" * 255, "\u20ac" * 85, " ", "'", "\\", "NULL", "\x01", "/"):
        job = api.push(group_key=key, run_key=-(2**63), unique_key="u" * 255)
        assert (api.job(job).group_key, api.job(job).run_key) == (key, -(2**63))


def test_a_completion_job_has_no_group(api):
    """It is made when its batch is opened: in a group it would hold it until the end."""
    for more in ({"group_key": "g"}, {"group_key": "g", "run_key": 1}):
        assert sqlstate(api.value, "batch_open", name="b",
                        on_complete=Jsonb({"kind": "k", **more})) == "22023"


# -- never by claim --------------------------------------------------------------------


def everywhere(api, job, fence, wid):
    """The ways back of a running job."""
    return {
        "fail": lambda: api.fail(job, fence, retry_in="0"),
        "snooze": lambda: api.snooze(job, fence, "0"),
        "release": lambda: api.release(job, fence),
        "worker_stop": lambda: api.value("worker_stop", worker=wid),
        "recover": lambda: [api.query("UPDATE pawl.worker SET expires_at = clock_timestamp()"
                                      " RETURNING 1"), api.value("recover")],
        "retry": lambda: [api.fail(job, fence, retry=False), api.retry(job)],
        "retry of a cancelled one": lambda: [api.cancel(job), api.retry(job)],
        "retry_many": lambda: [api.cancel(job), api.rows("retry_many", jobs=[job])],
        "retry later": lambda: [api.cancel(job), api.retry(job, run_at=later())],
    }


@pytest.mark.parametrize("way", everywhere(None, 0, 0, None))
def test_no_way_leads_to_claim(api, way):
    """Whatever happens to a grouped job, it is in waiting again, with its own id before
    those that were pushed after it; promote moves nothing, claim hands out nothing."""
    job, second = api.push(group_key="g", run_key=3), api.push(group_key="g")
    runner = Runner(api)
    claim = runner.dispatch()
    assert claim.job == job and api.state(job) == "running"
    everywhere(api, job, claim.fence, runner.worker)[way]()
    assert api.places(job) == ["waiting"] and waiting(api) == [job, second]
    found = row(api, job)
    assert (found.tenant, found.run_key, found.attempt) == ("", 3, 1)
    assert found.failures == (way == "fail") and found.crashes == (way == "recover")
    assert (found.due > later(0)) == (way == "retry later")
    assert api.value("promote") == 0
    assert api.claim(api.worker_start(), 100) == api.claim(api.worker_start(), 1) == []


def test_fail_and_snooze_say_where_it_went(api):
    """waiting, and a due time, which the worker logs."""
    job = api.push(group_key="g")
    runner = Runner(api)
    assert api.fail(job, runner.dispatch().fence, retry_in="1 hour") == "waiting"
    assert later(0.9) < row(api, job).due < later(1.1)
    make_due(api)
    due = api.snooze(job, runner.dispatch().fence, "2 hours")
    assert row(api, job).due == due and due > later(1.9)
    make_due(api)
    claim = runner.dispatch()
    (answer,) = api.rows("fail_many", jobs=[job], fences=[claim.fence], errors=["e"])
    assert (answer.answer, answer.state) == ("won", "waiting")


def test_held_leaves_grouped_jobs_out(api):
    """A dispatch in flight is no claim whose answer was lost."""
    api.push(group_key="g")
    runner, job = Runner(api), api.push()
    claim = api.claim_one(runner.worker)
    runner.dispatch()
    assert [r.job for r in api.rows("held", worker=runner.worker)] == [job] == [claim.job]
    assert api.value("worker_stop", worker=runner.worker) == 2


# -- stops -------------------------------------------------------------------------------


def set_policy(api, policy, queue="default"):
    api.value("queue_set", queue=queue, settings=Jsonb({"on_group_failure": policy}))


ENDS = {
    "final": lambda api, job, fence, _: api.fail(job, fence, retry=False),
    "last try": lambda api, job, fence, _: api.fail(job, fence),
    "a result that is too large": lambda api, job, fence, _: api.query(
        "SELECT * FROM pawl.complete_many(ARRAY[%s]::bigint[], ARRAY[%s]::bigint[],"
        " ARRAY[to_jsonb(repeat('x', 1100000))])", [job, fence]),
    "third crash": lambda api, job, fence, group: crash(api, job, group),
}


def crash(api, job, group):
    """Workers are lost until the job has ended."""
    for _ in range(3):
        api.query("UPDATE pawl.worker SET expires_at = clock_timestamp() RETURNING 1")
        assert api.value("recover") == 1
        if api.state(job) != "failed":
            Runner(api, group).dispatch()


@pytest.mark.parametrize("policy", [None, "block", "fail", "skip"])
@pytest.mark.parametrize("way", ENDS)
def test_a_job_that_failed_for_good_stops_its_group(api, way, policy):
    """By the policy of its queue, in the statement that writes its outcome; not by skip."""
    if policy:
        set_policy(api, policy, "q")
    set_policy(api, "skip" if policy != "skip" else "block")  # another queue's
    job = api.push(queue="q", group_key="a/g", run_key=5, max_attempts=1)
    ENDS[way](api, job, Runner(api, "a/g").dispatch().fence, "a/g")
    assert api.state(job) == "failed"
    assert stops(api) == ({} if policy == "skip" else {job: policy or "block"})
    if stops(api):
        (stop,) = api.query("SELECT tenant, group_key, run_key, queue, policy FROM pawl.group_stop")
        assert stop == ("a", "a/g", 5, "q", policy or "block")


def test_only_grouped_jobs_that_fail_stop_a_group(api):
    """Not what has no group, what succeeds, nor what is cancelled, running or waiting."""
    runner = Runner(api)
    jobs = [api.push(group_key="g") for _ in range(3)]
    claim = runner.dispatch()
    api.complete(claim.job, claim.fence)
    assert api.cancel(runner.dispatch().job) == "running" and api.cancel(jobs[2]) == "waiting"
    api.push()
    claim = api.claim_one(runner.worker)
    api.fail(claim.job, claim.fence, retry=False)
    assert [api.state(job) for job in jobs] == ["succeeded", "cancelled", "cancelled"]
    assert stops(api) == {} and api.one("SELECT count(*) FROM pawl.group_stop") == 0


def test_a_policy_counts_from_then_on(api):
    """It is written down with the failure: a later change of the queue lifts no stop."""
    job = api.push(group_key="g", max_attempts=1)
    api.fail(job, Runner(api).dispatch().fence)
    set_policy(api, "skip")
    assert stops(api) == {job: "block"}


@pytest.mark.parametrize("verb", ["retry", "retry_many"])
def test_a_retry_lifts_the_stop_of_that_job(api, verb):
    """And of no other."""
    jobs = {group: api.push(group_key=group) for group in "gh"}
    behind = api.push(group_key="g")
    runners = {group: Runner(api, group) for group in "gh"}
    for group, job in jobs.items():
        api.fail(job, runners[group].dispatch().fence, retry=False)
        assert runners[group].answer() == "blocked"
    assert set(stops(api)) == set(jobs.values())
    api.rows(verb, **({"jobs": [jobs["g"]]} if verb == "retry_many" else {"job": jobs["g"]}))
    assert stops(api) == {jobs["h"]: "block"} and waiting(api) == [jobs["g"], behind]
    assert runners["g"].dispatch().job == jobs["g"] and runners["h"].answer() == "blocked"


def test_a_missing_description_stops_nothing(api):
    """A job that nobody knows any more cannot name its group; it ends all the same."""
    job = api.push(group_key="g")
    fence = Runner(api).dispatch().fence
    api.query("DELETE FROM pawl.job WHERE id = %s RETURNING 1", [job])
    assert api.fail(job, fence, "no description") == "failed" and stops(api) == {}


# -- cancel, one and many -------------------------------------------------------------------


def test_cancel_of_what_waits(db, api):
    """The state that it was in; one whose row is locked is busy, and not waited for."""
    head, second, third = (api.push(group_key="g") for _ in range(3))
    assert api.cancel(head, reason="not needed") == "waiting"
    assert (api.state(head), api.job(head).error) == ("cancelled", "not needed")
    with db.connect(autocommit=False) as holder:
        holder.execute("SELECT FROM pawl.waiting WHERE job_id = %s FOR UPDATE", [second])
        rows = api.rows("cancel_many", jobs=[third, second, head])
        holder.rollback()
    assert [(r.was, r.done) for r in rows] == [("waiting", True), ("busy", False),
                                               ("cancelled", False)]
    assert waiting(api) == [second]


def test_a_batch_counts_and_cancels_grouped_jobs(api):
    """Pushed, ended, retried, cancelled: as any other job of the batch."""
    batch = Batch(api)
    jobs = batch.push(4, group_keys=["g"] * 4)
    runner = Runner(api)
    claim = runner.dispatch()
    assert row(api, jobs[1]).traits & BATCHED
    api.complete(claim.job, claim.fence)
    api.fail(jobs[1], runner.dispatch().fence, retry=False)
    assert batch.counters() == (4, 1, 1, 0)
    api.retry(jobs[1])
    assert batch.counters() == (4, 1, 0, 0) and row(api, jobs[1]).traits & BATCHED
    batch.cancel()
    batch.fold()
    assert batch.counters() == (4, 1, 0, 3) and batch.state() == "cancelled"


def test_a_rerun_copies_group_run_and_key(api):
    """Under new ids, into the same group, with a key that is one of it."""
    batch = Batch(api, on_complete=None)
    (job,) = batch.push(1, group_keys=["g"], run_keys=[4], unique_keys=["u"])
    other = api.push(unique_key="u", group_key="h")
    batch.seal()
    api.fail(job, Runner(api).dispatch().fence, retry=False)
    batch.fold()
    assert batch.rerun() == 2
    (copy,) = waiting(api)
    shown = api.job(copy)
    assert copy > other and (shown.group_key, shown.run_key, shown.unique_key) == ("g", 4, "u")
    assert api.push(unique_key="u", group_key="g") == copy
    assert row(api, copy).traits == KEYED + BATCHED


# -- unique keys ------------------------------------------------------------------------------


def push_key(api, form, key, group):
    if form == "push":
        return api.push(unique_key=key, group_key=group)
    if form == "arrays":
        return api.rows("push_many", kind="k", args=json_array([{}]), unique_keys=[key],
                        group_keys=[group])[0].job
    spec = {"kind": "k", "unique_key": key} | ({"group_key": group} if group else {})
    return api.rows("push_many", jobs=Jsonb([spec]))[0].job


@pytest.mark.parametrize("form", ["push", "arrays", "objects"])
def test_a_key_is_one_of_its_group(api, form):
    """The same key in two groups and in none: three jobs.  In one group: one."""
    groups = ("g", "h", None)
    jobs = {group: push_key(api, form, "k", group) for group in groups}
    assert len(set(jobs.values())) == 3
    for other in ("push", "arrays", "objects"):
        assert {group: push_key(api, other, "k", group) for group in groups} == jobs
    assert {api.job(job).unique_key for job in jobs.values()} == {"k"}
    api.cancel(jobs["g"])
    again = push_key(api, form, "k", "g")
    assert again not in jobs.values() and push_key(api, form, "k", "h") == jobs["h"]


def test_keys_of_groups_by_one_call(api):
    """Each told from the others, duplicates answered with the first."""
    keys, groups = ["k", "k", "k", "k", None], ["g", "h", "g", None, "g"]
    rows = api.rows("push_many", kind="k", args=json_array([{}] * 5), unique_keys=keys,
                    group_keys=groups)
    assert [r.created for r in rows] == [True, True, False, True, True]
    assert rows[2].job == rows[0].job and len({r.job for r in rows}) == 4


def test_a_retry_takes_the_key_of_its_group(api):
    """PW003 when a job of the same group has it, not when one of another has."""
    job = api.push(unique_key="k", group_key="g")
    api.fail(job, Runner(api).dispatch().fence, retry=False)
    api.push(unique_key="k"), api.push(unique_key="k", group_key="h")
    rival = api.push(unique_key="k", group_key="g")
    with pytest.raises(psycopg.Error) as caught:
        api.retry(job)
    assert caught.value.sqlstate == "PW003" and str(rival) in caught.value.diag.message_primary
    assert [tuple(r) for r in api.rows("retry_many", jobs=[job])] == [(job, "failed", False)]
    api.cancel(rival)
    assert api.retry(job) == "failed" and api.push(unique_key="k", group_key="g") == job


def refusal(form, api):
    with pytest.raises(psycopg.Error) as caught:
        push_key(api, form, "k", "g")
    assert 'unique key "k" of group "g"' in caught.value.diag.message_primary
    return caught.value.sqlstate


def test_a_key_that_cannot_be_had_is_named_with_its_group(db, api):
    """The message is for people: no control character between group and key."""
    with db.connect(autocommit=False) as holder:
        Api(holder).push(unique_key="k", group_key="g")
        api.connection.execute("SET lock_timeout = '50ms'")
        assert [refusal(form, api) for form in ("arrays", "objects")] == ["55P03"] * 2
        holder.rollback()


def test_what_answers_a_push_until_start_is_held(db, api):
    """A live job whose key is free from its start on is not dispatched until the push that
    was answered with it has committed: a run sees what the caller has written."""
    job = api.push(unique_key="k", unique_until="start", group_key="g")
    look = "SELECT job_id FROM pawl.waiting WHERE job_id = %s FOR UPDATE SKIP LOCKED"
    with db.connect(autocommit=False) as caller:
        assert Api(caller).push(unique_key="k", unique_until="start", group_key="g") == job
        assert api.query(look, [job]) == []
        caller.commit()
    assert api.query(look, [job]) == [(job,)]


# -- settings of a queue ----------------------------------------------------------------------


def settings(api, queue="q"):
    (found,) = api.query("SELECT paused, on_group_failure FROM pawl.queues WHERE name = %s",
                         [queue])
    return tuple(found)


def change(api, queue="q", **named):
    api.value("queue_set", queue=queue, settings=Jsonb(named))


def test_settings_of_a_queue(api):
    """What is named is changed, what is not named stays, null is the default."""
    change(api, on_group_failure="skip")
    assert settings(api) == (False, "skip")
    change(api, paused=True)
    assert settings(api) == (True, "skip")
    change(api, on_group_failure=None)
    assert settings(api) == (True, "block")
    api.value("queue_resume", queue="q")
    change(api, on_group_failure="fail")
    api.value("queue_pause", queue="q")
    assert settings(api) == (True, "fail")
    change(api)
    assert settings(api) == (True, "fail")
    change(api, paused=None, on_group_failure="block")
    assert settings(api) == (False, "block")


@pytest.mark.parametrize("named", [{"pause": True}, {"on_group_failure": "stop"},
                                   {"on_group_failure": True}, {"paused": "yes"},
                                   {"paused": 1}, {"on_group_failure": ["skip"]},
                                   {"paused": True, "limit": 3}])
def test_settings_that_are_refused(api, named):
    """22023, and none of them is changed."""
    change(api, on_group_failure="skip")
    assert sqlstate(change, api, **named) == "22023"
    assert settings(api) == (False, "skip")


@pytest.mark.parametrize("statement", ["SELECT pawl.queue_set('', '{}')",
                                       "SELECT pawl.queue_set(NULL, '{}')",
                                       "SELECT pawl.queue_set('q', NULL)",
                                       "SELECT pawl.queue_set('q', '[]')",
                                       "SELECT pawl.queue_set('q', '\"paused\"')"])
def test_no_settings(api, statement):
    assert sqlstate(api.query, statement) == "22023"


def test_a_queue_of_groups_is_listed(api):
    """Though it has no setting and nothing ready."""
    api.push(queue="b", group_key="g"), api.push(queue="b", group_key="h")
    api.push(queue="c", group_key="g"), api.push(queue="a")
    rows = api.query("SELECT name, paused, on_group_failure FROM pawl.queues ORDER BY 1")
    assert rows == [(name, False, "block") for name in "abc"]


# -- what says that there are groups ----------------------------------------------------------


def test_the_tick_says_whether_there_are_groups(api):
    """Of any queue, waiting or owned; no group, no: a fleet without groups never looks."""
    runner = Runner(api)

    def groups():
        (tick,) = api.rows("upkeep_look", worker=runner.worker, duties=[], lease="1 s")
        return tick.groups

    api.push()
    assert groups() is False
    job = api.push(queue="other", group_key="g", run_at="infinity")
    assert groups() is True
    api.cancel(job)
    assert groups() is False
