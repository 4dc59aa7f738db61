"""Unique keys through libpawl and `pawl push --ndjson`: order of keys, order of answers.

The bug: keys are taken in the order of the caller's list, so that two pushes of the same
keys deadlock; or they are sorted, and the answers come in the order of the keys.
"""

import json
import subprocess
import threading

import psycopg
import pytest
from harness.api import sqlstate
from harness.paths import BUILD, program
from harness.program import environment
from harness.wait import wait_until

PROGRAM = BUILD / "tests/e2e/push_keys"


def line(key, until="end", priority=5):
    return f"{key or '-'} {until} {priority}\n"


def start(db, form, lines):
    """The program, fed; its answers come by `answers`."""
    process = subprocess.Popen([PROGRAM, form, db.conninfo()], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdin.write("".join(lines))
    process.stdin.close()
    process.stdin = None
    return process


def answers(process, deadline=60):
    out, err = process.communicate(timeout=deadline)
    assert process.returncode == 0, err
    return [(int(job), created == "1") for job, created in map(str.split, out.splitlines())]


def push(db, lines, form="many"):
    return answers(start(db, form, lines))


def keys_of(api):
    return {row.id: row.unique_key for row in api.query("SELECT id, unique_key FROM pawl.job")}


def waiting(db, name="pawl client%"):
    return db.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s"
                    " AND datname = current_database() AND wait_event_type = 'Lock'", [name])


# -- whose answer is whose -----------------------------------------------------------------


@pytest.mark.parametrize("priorities", [[5] * 8, [5, 4, 3, 2, 1, 0, 9, 8]])
def test_answers_stand_where_their_jobs_stood(db, api, priorities):
    """The same key twice gives the same id twice, a keyless job is one of its own; in the
    uniform form and in that of any mix."""
    keys = ["z", None, "a", "z", "there", None, "a", "ä"]
    there = api.push("k", unique_key="there")
    rows = push(db, [line(k, priority=p) for k, p in zip(keys, priorities)])
    assert [created for _, created in rows] == [
        True, True, True, False, False, True, False, True]
    ids = [job for job, _ in rows]
    assert (ids[0], ids[2], ids[4]) == (ids[3], ids[6], there)
    assert len(set(ids)) == 6
    key_of = keys_of(api)
    assert [key_of[job] for job in ids] == keys
    assert api.job(ids[7]).priority == priorities[7]


def test_until_start_by_either_form(db, api):
    """The bug: unique_until of the first job is taken for all of them."""
    rows = push(db, [line("a", "end"), line("b", "start"), line(None, "start"), line("c", "end")])
    found = [api.job(job).unique_until for job, _ in rows]
    assert found == ["end", "start", None, "end"]
    assert push(db, [line("d", "start")], "one") == [(rows[-1][0] + 1, True)]
    assert api.job(rows[-1][0] + 1).unique_until == "start"


def test_one_at_a_time(db, api):
    """pawl_push says whether it has made the job."""
    rows = push(db, [line("a"), line(None), line("a"), line("b")], "one")
    assert [created for _, created in rows] == [True, True, False, True]
    assert rows[0][0] == rows[2][0]
    worker = api.worker_start()
    fences = {row.job: row.fence for row in api.claim(worker, 3)}
    assert push(db, [line("a")], "one") == [(rows[0][0], False)]
    api.complete(rows[0][0], fences[rows[0][0]])
    ((job, created),) = push(db, [line("a")], "one")
    assert created and job not in fences


def test_keys_that_no_queue_takes(db):
    """The limit is in bytes, and exact."""
    process = start(db, "many", [line("ä" * 127 + "a")])
    assert len(answers(process)) == 1
    process = start(db, "many", [line("ok"), line("ä" * 128)])
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "PAWL_ERR_ARGUMENT : unique key: 256 bytes exceed the limit of 255 bytes" in err
    assert db.value("SELECT count(*) FROM pawl.job WHERE unique_key = 'ok'") == 0


# -- the order of more than one statement --------------------------------------------------


def many_keys(n):
    return [f"k{i:05}" for i in range(n)]


def test_statements_of_one_push_lock_in_order_too(db, api):
    """2,500 keys are three statements of one transaction, given from the last to the
    first.  Somebody holds the smallest key: the push waits there, and holds nothing that
    stands behind it.  Red on: statements in the caller's order, which is the next test."""
    keys = many_keys(2500)
    with db.connect(autocommit=False) as holder:
        holder.execute("SELECT pawl.push('k', unique_key => %s)", [keys[0]])
        process = start(db, "many", [line(None)] + [line(key) for key in reversed(keys)])
        wait_until(lambda: waiting(db), 30, "the push to wait")
        last = api.push("k", unique_key=keys[-1])
        (first,) = holder.execute("SELECT pawl.push('k', unique_key => %s)", [keys[0]]).fetchone()
        holder.commit()
    rows = answers(process)
    assert rows[0][1] is True
    assert rows[1] == (last, False) and rows[-1] == (first, False)
    assert all(created for _, created in rows[2:-1])
    key_of = keys_of(api)
    assert [key_of[job] for job, _ in rows[1:]] == keys[::-1]


def test_statements_in_the_callers_order_deadlock(db, cluster):
    """Red: the two halves of a list by two statements of one transaction, against the
    same list from its other end."""
    offset = cluster.log_size()
    halves = [["a", "b"], ["y", "z"]]
    many = ("SELECT count(*) FROM pawl.push_many('k', array_fill('{}'::jsonb, '{2}'),"
            " unique_keys => %s)")
    failures = []

    def finish(connection, half):
        try:
            connection.execute(many, [half])
            connection.commit()
        except psycopg.Error as error:
            failures.append(error.sqlstate)
            connection.rollback()

    with db.connect(autocommit=False) as one, db.connect(autocommit=False) as other:
        one.execute(many, [halves[0]])
        other.execute(many, [halves[1]])
        thread = threading.Thread(target=finish, args=[one, halves[1]])
        thread.start()
        wait_until(lambda: waiting(db, ""), 30, "the one to wait for the other")
        finish(other, halves[0])
        thread.join(30)
    assert failures == ["40P01"]
    assert cluster.log_count("40P01", offset)


def test_opposite_orders_at_once(db, cluster):
    """Two programs push the same 3,000 keys, five times, from either end: each key has
    one job, and nobody deadlocks."""
    offset = cluster.log_size()
    for number in range(5):
        keys = [f"{number} {key}".replace(" ", "-") for key in many_keys(3000)]
        processes = [start(db, "many", [line(key) for key in order])
                     for order in (keys, keys[::-1])]
        forward, backward = map(answers, processes)
        assert [job for job, _ in forward] == [job for job, _ in backward[::-1]]
        assert all(a[1] != b[1] for a, b in zip(forward, backward[::-1]))
    assert db.value("SELECT count(*) FROM pawl.job") == 15_000
    assert not any(cluster.log_count(state, offset) for state in ("40P01", "55P03"))


def test_files_in_opposite_orders_at_once(db, cluster, tmp_path):
    """The same by `pawl push --ndjson`: 1,000 keys from either end, some without a key."""
    offset = cluster.log_size()
    lines = [json.dumps({"kind": "k", "unique_key": key}) for key in many_keys(1000)]
    files = [tmp_path / "forward", tmp_path / "backward"]
    files[0].write_text("\n".join(lines) + "\n")
    files[1].write_text("\n".join(lines[::-1]) + "\n")
    processes = [subprocess.Popen([program(), "push", "--ndjson", file, "-o", "jsonl"], text=True,
                                  env=environment(db), stdout=subprocess.PIPE) for file in files]
    forward, backward = [[json.loads(line) for line in p.communicate(timeout=60)[0].splitlines()]
                         for p in processes]
    assert [p.returncode for p in processes] == [0, 0]
    assert [row["job"] for row in forward] == [row["job"] for row in backward[::-1]]
    assert all(a["created"] != b["created"] for a, b in zip(forward, backward[::-1]))
    assert db.value("SELECT count(*) FROM pawl.job") == 1000
    assert not any(cluster.log_count(state, offset) for state in ("40P01", "55P03"))


# -- what is tried again -------------------------------------------------------------------


@pytest.mark.parametrize("keyless", [0, 1500])
def test_a_deadlock_with_a_user_is_tried_again(db, api, cluster, keyless):
    """A user's transaction pushes two keys by two calls, the greater first, which nobody
    can sort; the program is the victim, by one statement or two.  The bug: the caller is
    handed the 40P01, or what was pushed before it is there twice."""
    offset = cluster.log_size()
    db.execute(f"ALTER DATABASE \"{db.name}\" SET deadlock_timeout = '1s'")
    with db.connect(autocommit=False) as user:
        user.execute("SET deadlock_timeout = '1min'")
        user.execute("SELECT pawl.push('k', unique_key => 'b')")
        process = start(db, "many", [line("b"), line("a")] + [line(None)] * keyless)
        wait_until(lambda: waiting(db), 30, "the program to wait")
        user.execute("SELECT pawl.push('k', unique_key => 'a')")
        user.commit()
    assert [created for _, created in answers(process)] == [False, False] + [True] * keyless
    assert cluster.log_count("40P01", offset)
    keys = list(keys_of(api).values())
    assert sorted(filter(None, keys)) == ["a", "b"] and len(keys) == 2 + keyless


@pytest.mark.slow
def test_a_key_that_is_held_long_is_waited_for_again(db, cluster):
    """The wait for a key is over after 5 s; the push as a whole goes on.  The bug: the
    caller is handed the 55P03, or it waits without a bound."""
    offset = cluster.log_size()
    with db.connect(autocommit=False) as user:
        user.execute("SELECT pawl.push('k', unique_key => 'a')")
        process = start(db, "many", [line(None), line("a")])
        wait_until(lambda: cluster.log_count("55P03", offset), 30, "the first wait to end")
        user.rollback()
    assert [created for _, created in answers(process)] == [True, True]
    assert db.value("SELECT count(*) FROM pawl.job") == 2, "and nothing twice"


def test_sql_refuses_what_c_refuses(api):
    """C and SQL have the same limits."""
    assert sqlstate(api.push, "k", unique_key="") == "22023"
    assert sqlstate(api.push, "k", unique_key="ä" * 128) == "22023"
    assert sqlstate(api.push, "k", unique_key="ä" * 127 + "a") is None
    assert sqlstate(api.push, "k", unique_key="a", unique_until="never") == "22023"
