"""Who may do what: every function, table and sequence against every role.

What is there is read from the catalogue; what is allowed stands here, line by line.  A
function or table that is added without a line here fails the test, whatever its grants.
"""

import re

import psycopg
import pytest
from harness.api import Api, sqlstate
from harness.paths import REPO

ROLES = ("pawl_producer", "pawl_worker", "pawl_reader", "outsider")

P, W, R = "pawl_producer", "pawl_worker", "pawl_reader"
NOBODY = set()

FUNCTIONS = {
    # a producer pushes, and calls off what was pushed; a worker's handlers push too
    "push": {P, W},
    "push_many": {P, W},
    "cancel": {P},
    "cancel_many": {P},
    "retry": {P},
    "retry_many": {P},
    "queue_pause": {P},
    "queue_set": {P},
    "queue_resume": {P},
    # batches: whoever pushes opens and seals them
    "batch_open": {P, W},
    "batch_seal": {P, W},
    "batch_cancel": {P},
    "batch_rerun": {P},
    "batch_progress": {P, W, R},
    # groups: a worker owns them, an operator lets them go on or gives them up
    "group_candidates": {W},
    "group_take": {W},
    "group_dispatch": {W},
    "group_hold": {W},
    "group_proceed": {W},
    "group_renew": {W},
    "group_give_back": {W},
    "group_release": {P},
    "group_fail": {P},
    "group_list": {R},
    "group_show": {R},
    # a worker claims and settles
    "worker_start": {W},
    "worker_stop": {W},
    "worker_sleep": {W},
    "worker_wake": {W},
    "bell": {W},
    "heartbeat": {W},
    "claim": {W},
    "claim_few": {W},
    "held": {W},
    "suspects_waiting": {W},
    "floors": {W},
    "sweep": {W},
    "raise_floor": {W},
    "fence": {W},
    "complete": {W},
    "complete_many": {W},
    "fail": {W},
    "fail_many": {W},
    "snooze": {W},
    "snooze_many": {W},
    "release": {W},
    "release_many": {W},
    "log": {W},
    "log_many": {W},
    "upkeep_look": {W},
    "fold": {W},
    "fold_batches": {W},
    "next_batch": {W},
    "fold_ended": {W},
    "fold_waiting": NOBODY,
    "recover": {W},
    "promote": {W},
    "extend_partitions": {W},
    "retain": {W},
    "work_waiting": {W},
    "worker_stalled": {W},
    "silent_wait_found": {W},
    "silent_wait_ended": {W},
    # a reader looks
    "job_list": {R},
    "queue_list": {R},
    "oldest_runnable": {R},
    "oldest_jobs": NOBODY,
    "due_heads": NOBODY,
    "can_run": NOBODY,
    "ready_since": NOBODY,
    # internal: called by the functions above, as their owner
    "add_completion": NOBODY,
    "answers": NOBODY,
    "bad_counts": NOBODY,
    "bound_counts": NOBODY,
    "cancel_chunk": NOBODY,
    "check_batch": NOBODY,
    "check_open": NOBODY,
    "copy_jobs": NOBODY,
    "end_runs": NOBODY,
    "end_waiting": NOBODY,
    "enter_batch": NOBODY,
    "enter_batches": NOBODY,
    "end_cancelled": NOBODY,
    "full_counts": NOBODY,
    "group_keys": NOBODY,
    "has_ended": NOBODY,
    "is_batched": NOBODY,
    "is_grouped": NOBODY,
    "is_keyed": NOBODY,
    "lane_priority": NOBODY,
    "hold_batches": NOBODY,
    "hold_worker": NOBODY,
    "lift_stops": NOBODY,
    "lock_batch": NOBODY,
    "next_epoch": NOBODY,
    "next_tenant": NOBODY,
    "read_completion": NOBODY,
    "ready_completion": NOBODY,
    "refuse_completion": NOBODY,
    "rerun_round": NOBODY,
    "state_unless_busy": NOBODY,
    "sum_counts": NOBODY,
    "take_deltas": NOBODY,
    "tally": NOBODY,
    "attach_partition": NOBODY,
    "backoff": NOBODY,
    "cancel_round": NOBODY,
    "check_isolation": NOBODY,
    "check_job": NOBODY,
    "check_group": NOBODY,
    "check_groups": NOBODY,
    "check_key": NOBODY,
    "blocked_key": NOBODY,
    "check_keys": NOBODY,
    "check_pairs": NOBODY,
    "cut": NOBODY,
    "describe": NOBODY,
    "description": NOBODY,
    "description_text": NOBODY,
    "drop_partition": NOBODY,
    "empty_partition": NOBODY,
    "first_due": NOBODY,
    "groups_waiting": NOBODY,
    "hold_jobs": NOBODY,
    "id_partitions": NOBODY,
    "limit_setting": NOBODY,
    "live_between": NOBODY,
    "lost_waiting": NOBODY,
    "may_go_on": NOBODY,
    "named_key": NOBODY,
    "operators_between": NOBODY,
    "read_job": NOBODY,
    "refuse": NOBODY,
    "refuse_group": NOBODY,
    "refuse_key": NOBODY,
    "retain_attempts": NOBODY,
    "retain_batches": NOBODY,
    "retain_jobs": NOBODY,
    "retain_logs": NOBODY,
    "retain_stops": NOBODY,
    "retake_keys": NOBODY,
    "retry_round": NOBODY,
    "ring": NOBODY,
    "ring_group": NOBODY,
    "rival_of": NOBODY,
    "run_jobs": NOBODY,
    "run_waiting": NOBODY,
    "scoped_key": NOBODY,
    "scoped_keys": NOBODY,
    "settle": NOBODY,
    "settle_complete": NOBODY,
    "silent_wait_forget": NOBODY,
    "silent_wait_log": NOBODY,
    "state_of": NOBODY,
    "still_runs": NOBODY,
    "stopped_between": NOBODY,
    "survivors": NOBODY,
    "take_at_once": NOBODY,
    "take_key": NOBODY,
    "take_keys": NOBODY,
    "tenant_of": NOBODY,
    "traits": NOBODY,
}

# Tables and views; partitions are asked for like their parents.  Never more than SELECT.
READABLE = {
    "jobs": {R},
    "queues": {R},
    "workers": {R},
    "attempts": {R},
    "logs": {R},
    "log_arrays": {R},
    "silent_waits": {R},
    "batches": {R},
    "batch_stages": {R},
    "groups": {R},
    "migration": {P, W, R},  # the schema's version, which every program checks
    **dict.fromkeys(
        ("job", "ready", "scheduled", "running", "outcome", "attempt", "worker"), NOBODY
    ),
    **dict.fromkeys(("batch", "batch_delta"), NOBODY),
    **dict.fromkeys(("waiting", "group_lease", "group_stop"), NOBODY),
    **dict.fromkeys(("lane", "log", "queue", "unique_key", "upkeep"), NOBODY),
    **dict.fromkeys(("silent_wait", "silent_wait_end", "sleeper", "stall"), NOBODY),
}

SEQUENCES = {"job_id", "fence", "attempt_id", "log_id", "batch_id", "batch_delta_id"}


@pytest.fixture(scope="module")
def base(module_db):
    """The database, with a role that is a member of nothing."""
    exists = module_db.execute("SELECT 1 FROM pg_roles WHERE rolname = 'outsider'")
    if not exists:
        module_db.execute("CREATE ROLE outsider LOGIN")
    return module_db


def objects(db, statement):
    return [row[0] for row in db.execute(statement)]


def allowed(db, what, name, privilege):
    """The roles that have the privilege on the object."""
    test = f"SELECT has_{what}_privilege(%s, %s, %s)"
    return {role for role in ROLES if db.value(test, [role, name, privilege])}


def test_every_function(base):
    """EXECUTE for exactly the roles of its line; PUBLIC has none."""
    rows = base.execute(
        "SELECT p.proname, p.oid::regprocedure::text FROM pg_proc p "
        "WHERE p.pronamespace = 'pawl'::regnamespace ORDER BY 2"
    )
    assert {name for name, _ in rows} == set(FUNCTIONS)
    wrong = {}
    for name, signature in rows:
        roles = allowed(base, "function", signature, "EXECUTE")
        if roles != FUNCTIONS[name]:
            wrong[signature] = roles
    assert not wrong


def test_every_table(base):
    """SELECT for exactly the roles of its line, and nothing but SELECT for anybody."""
    rows = base.execute(
        "SELECT coalesce(p.relname, c.relname), c.oid::regclass::text FROM pg_class c "
        "LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent "
        "WHERE c.relnamespace = 'pawl'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        "ORDER BY 2"
    )
    assert {name for name, _ in rows} == set(READABLE)
    statement = (
        "SELECT t, r, has_table_privilege(r, t, 'SELECT'), has_table_privilege(r, t, "
        "'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') "
        "FROM unnest(%s::text[]) t, unnest(%s::text[]) r"
    )
    parents = {signature: name for name, signature in rows}
    for table, role, read, write in base.execute(statement, [list(parents), list(ROLES)]):
        assert read == (role in READABLE[parents[table]]), (table, role)
        assert not write, (table, role)


def test_the_documents_tell_it():
    """The bug: the table of roles has what there was when it was written."""
    lines = (REPO / "docs/operations.md").read_text(encoding="utf-8").splitlines()
    (producer,) = [line for line in lines if line.startswith(f"| `{P}` |")]
    (reader,) = [line for line in lines if line.startswith(f"| `{R}` |")]
    for name in (name for name, roles in FUNCTIONS.items() if P in roles):
        words = name.replace("_many", "").split("_")
        assert all(word in producer for word in words), name
    readable = {name for name, roles in (FUNCTIONS | READABLE).items() if R in roles}
    assert set(re.findall(r"`(\w+)`", reader)) == readable - {"migration"} | {R}


def test_every_sequence(base):
    """Nobody draws an id, a fence or a position but through a function."""
    names = objects(
        base,
        "SELECT relname FROM pg_class WHERE relnamespace = 'pawl'::regnamespace AND relkind = 'S'",
    )
    assert set(names) == SEQUENCES
    for name in names:
        assert allowed(base, "sequence", f"pawl.{name}", "USAGE, SELECT, UPDATE") == set()


def test_the_schema(base):
    """USAGE for the three, CREATE for nobody: nobody can put a function in front."""
    assert allowed(base, "schema", "pawl", "USAGE") == {P, W, R}
    assert allowed(base, "schema", "pawl", "CREATE") == set()


def test_functions_run_as_an_owner_that_cannot_log_in(base):
    """SECURITY DEFINER where it is granted, owned by pawl_owner, with a pinned path.

    The path ends in pg_temp, or a caller's temporary table would come first.
    """
    rows = base.execute(
        "SELECT p.proname, p.prosecdef, p.proowner::regrole::text, "
        "(SELECT c FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%') "
        "FROM pg_proc p WHERE p.pronamespace = 'pawl'::regnamespace"
    )
    for name, definer, owner, path in rows:
        assert owner == "pawl_owner", name
        if FUNCTIONS[name]:
            assert definer and path == "search_path=pawl, pg_temp", (name, path)
        else:
            assert not definer, f"{name} is internal and needs no rights of its own"
    assert base.execute(
        "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls "
        "FROM pg_roles WHERE rolname = 'pawl_owner'"
    ) == [(False,) * 6]


def test_types_and_tables_belong_to_the_owner(base):
    rows = objects(
        base,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class "
        "WHERE relnamespace = 'pawl'::regnamespace",
    )
    assert rows == ["pawl_owner"]


@pytest.fixture
def login(base):
    """connect(role): a session of a login role that is a member of that one role."""
    opened = []

    def connect(role):
        name = f"login_{role}"
        if not base.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]):
            base.execute(f"CREATE ROLE {name} LOGIN IN ROLE {role}")
        opened.append(base.connect(user=name))
        return Api(opened[-1])

    yield connect
    for connection in opened:
        connection.close()


def test_a_job_from_hand_to_hand(login):
    """A producer pushes, a worker works, a reader looks: each with its own role alone."""
    producer, worker, reader = login(P), login(W), login(R)
    job, other = producer.push("k", args={"n": 1}), producer.push("k")
    wid = worker.worker_start()
    first, second = worker.claim(wid, 2)
    worker.value("log", job=job, fence=first.fence, message="hello")
    assert [row[0] for row in worker.rows("heartbeat", worker=wid)] == []
    with worker.connection.transaction():
        worker.fence(job, first.fence)
        worker.complete(job, first.fence)
    worker.fail(other, second.fence, retry=False)
    assert producer.retry(other) == "failed" and producer.cancel(other) == "ready"
    assert worker.value("recover") == 0 and worker.value("promote") == 0
    assert worker.value("extend_partitions") == 0 and worker.rows("retain") == []
    states = {row.id: row.state for row in reader.rows("job_list")}
    assert (states[job], states[other]) == ("succeeded", "cancelled")
    assert reader.one("SELECT message FROM pawl.logs WHERE job = %s", [job]) == "hello"


@pytest.mark.parametrize(
    "role, statement",
    [
        (P, "SELECT * FROM pawl.jobs"),
        (P, "SELECT * FROM pawl.claim(gen_random_uuid())"),
        (W, "SELECT pawl.cancel(1)"),
        (W, "SELECT * FROM pawl.settle('cancel', '{1}', NULL)"),
        (W, "DELETE FROM pawl.ready"),
        (W, "SELECT nextval('pawl.fence')"),
        (R, "SELECT pawl.push('k')"),
        (R, "SELECT * FROM pawl.job"),
        (R, "CREATE FUNCTION pawl.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    ],
)
def test_refused_when_tried(login, role, statement):
    """Not only in the catalogue."""
    assert sqlstate(login(role).query, statement) == "42501"


def test_a_callers_temporary_tables_change_nothing(login):
    """Functions of the schema do not see what a caller has put in its way."""
    mine = login(P)
    for table in ("job", "ready", "scheduled", "queue", "upkeep"):
        mine.connection.execute(f"CREATE TEMP TABLE {table} (id bigint)")
    mine.connection.execute("SET search_path = pg_temp, pawl, public")
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        mine.push("")
    job = mine.push("k")
    assert mine.cancel(job) == "ready"
