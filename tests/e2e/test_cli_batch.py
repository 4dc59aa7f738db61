"""`pawl batch`: open, seal, list, show, wait, cancel, rerun."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pytest
from harness.api import Api
from harness.paths import program
from harness.program import environment, run_pawl
from harness.wait import wait_until
from psycopg.types.json import Jsonb


def call(db, *args, check=0):
    return run_pawl(db, "batch", *args, check=check)


def rows(db, *args, check=0):
    out = call(db, *args, "-o", "jsonl", check=check).stdout
    return [json.loads(line) for line in out.splitlines()]


def opened(db, *args):
    return int(call(db, "open", "images", *args).stdout)


def run_all(api, n=10, fail=0, pages=0):
    """Claim and end up to n jobs; the last `fail` of them fail, the others count pages."""
    counts = Jsonb({"pages": pages})
    claims = api.claim(api.worker_start(), n)
    for at, job in enumerate(claims):
        if at < len(claims) - fail:
            api.value("complete", job=job.job, fence=job.fence, counts=counts)
        else:
            api.fail(job.job, job.fence, error="no")
    return len(claims)


def start(db, *args, noun="batch", stdout=subprocess.PIPE):
    return subprocess.Popen([program(), noun, *map(str, args)], env=environment(db),
                            stdout=stdout, stderr=subprocess.PIPE, text=True)


def test_a_batch_by_the_shell_alone(db, api):
    """The bug: what SQL can do, a person at a shell cannot."""
    batch = opened(db, "--stage", "collect", "--stage", "process", "--expect", "1", "--expect", "4",
                   "--threshold", "0.5", "--on-complete", '{"kind": "report", "queue": "q"}')
    run_pawl(db, "push", "k", "--batch", batch)
    run_pawl(db, "push", "k", "--batch", batch, "--stage", "process", "--max-attempts", 1)
    (shown,) = rows(db, "show", batch)
    assert (shown["state"], shown["total"], shown["percent"]) == ("open", 2, 0)
    assert [s["stage"] for s in shown["stages"]] == ["collect", "process"]
    assert call(db, "seal", batch).stdout.split()[-2:] == [str(batch), "sealed"]
    assert run_all(api, fail=1, pages=3) == 2
    api.value("fold", batch=batch)
    (shown,) = rows(db, "show", batch)
    assert (shown["state"], shown["succeeded"], shown["failed"]) == ("succeeded", 1, 1)
    assert shown["stages"][0]["counts"] == {"pages": 3}
    text = call(db, "show", batch).stdout
    assert "state         succeeded\n" in text and '{"pages": 3}' in text
    assert rows(db, "list")[0]["done_at"].endswith("Z")
    assert api.state(shown["completion"]) == "ready"
    csv = call(db, "show", batch, "-o", "csv").stdout.splitlines()
    assert csv[0].startswith("stage,total,") and len(csv) == 3


def test_list_pages_by_a_cursor(db, api):
    """The bug: a page shows a batch twice or leaves one out; a filter does nothing."""
    made = [opened(db) for _ in range(3)]
    call(db, "seal", made[1])
    page = call(db, "list", "-n", 2, "-o", "jsonl")
    assert [json.loads(line)["id"] for line in page.stdout.splitlines()] == made[:0:-1]
    assert f"--after {made[1]}" in page.stderr
    assert [r["id"] for r in rows(db, "list", "--after", made[1])] == made[:1]
    assert [r["id"] for r in rows(db, "list", "--state", "succeeded")] == [made[1]]


def test_wait(db, api):
    """The bug: a batch that failed is lost among those that succeeded; one that is not
    done is waited for for ever; Ctrl-C does not end it."""
    good, bad = opened(db), opened(db)
    for batch in (good, bad):
        api.push("k", batch=batch, max_attempts=1)
        api.value("batch_seal", batch=batch)
    late = call(db, "wait", good, "--timeout", "100ms", check=124)
    assert "1 of 1 batches are not done" in late.stderr and late.stdout == ""
    stopped = start(db, "wait", good)
    waiting = start(db, "wait", good, bad, good, "-o", "jsonl")
    seen = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pawl cli batch wait'"
    wait_until(lambda: db.value(seen) == 2, 30, "both to wait")
    stopped.send_signal(signal.SIGINT)
    assert stopped.wait(30) == -signal.SIGINT
    run_all(api, fail=1)
    api.value("fold_batches")
    out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 1
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["succeeded", "failed", "succeeded"]
    assert call(db, "wait", good).returncode == 0


def test_cancel_and_rerun(db, api):
    """The bug: what cannot be done is answered as done."""
    batch, other = opened(db), opened(db)
    api.push("k", batch=batch, max_attempts=1)
    call(db, "rerun", batch, check=5)
    call(db, "seal", batch)
    run_all(api, fail=1)
    api.value("fold", batch=batch)
    assert rows(db, "rerun", batch) == [{"batch": batch, "epoch": 2}]
    assert rows(db, "show", batch)[0]["epoch"] == 2
    run_all(api)
    api.value("fold", batch=batch)
    cancel = call(db, "cancel", batch, other, "--reason", "enough", "-o", "jsonl", check=5)
    states = [json.loads(line)["state"] for line in cancel.stdout.splitlines()]
    assert states == ["succeeded", "cancelled"]
    assert cancel.stderr == f"pawl: error: batch {batch} is done already: nothing was changed\n"
    assert rows(db, "show", other)[0]["reason"] == "enough"
    assert '"all"' in call(db, "rerun", batch, check=5).stderr
    call(db, "rerun", batch, "--only", "all")


def test_an_unknown_batch_is_exit_3(db):
    """The bug: an empty table for a batch that does not exist."""
    for command in ("show", "wait", "cancel", "seal", "rerun"):
        assert "12345" in call(db, command, 12345, check=3).stderr
    call(db, "show", 12345, "-w", check=3)


@pytest.fixture(scope="module")
def batches(module_db):
    """One that is open, a sealed one with a job, and a cancelled one."""
    made = {"free": opened(module_db), "full": opened(module_db), "gone": opened(module_db)}
    run_pawl(module_db, "push", "k", "--batch", made["full"])
    call(module_db, "seal", made["full"])
    call(module_db, "cancel", made["gone"])
    return made


@pytest.mark.parametrize("words, code, message", [
    ("push k --batch free --stage nosuch", 2, 'has no stage "nosuch"'),
    ("push k --batch 12345", 3, "batch 12345 does not exist"),
    ("push k --batch full", 5, "is sealed (SQLSTATE PW004)"),
    ("push k --batch gone", 5, "is done"),
    ("batch open b --expect 1000000000001", 2, "expected jobs of a stage must be 0 to"),
    ("batch open b --stage EMPTY", 2, "stage of a batch must have 1 to 255 bytes"),
    ("batch open b --stage a --stage a", 2, "stages of a batch must differ"),
    ("batch open b --on-complete []", 2, "on_complete"),
    ("batch rerun full", 5, "is not done"),
    ("batch rerun gone", 5, "has no failed jobs"),
    ("batch wait gone", 1, None),
])
def test_what_is_refused_changes_nothing(module_db, batches, words, code, message):
    """The bug: a wrong argument is taken for another, or half of the command is done.  Each
    ends with the code that the help tells, and one message."""
    looks = ("SELECT json_agg(b ORDER BY b.id) FROM pawl.batches b",
             "SELECT json_agg(j ORDER BY j.id) FROM pawl.jobs j")
    before = [module_db.value(look) for look in looks]
    args = ["" if word == "EMPTY" else batches.get(word, word) for word in words.split()]
    result = run_pawl(module_db, *args, check=code)
    assert result.stderr.count("error:") == (message is not None)
    assert (message or "cancelled") in (result.stderr or result.stdout), result.stderr
    assert message is None or result.stdout == ""
    assert [module_db.value(look) for look in looks] == before


def test_watch_on_a_pipe(db, api):
    """The bug: a line each half second, whether anything has changed or not; the last
    state is not among them; bars in a file."""
    batch = opened(db)
    api.push_some(3, batch=batch)
    watch = start(db, "show", batch, "-w")
    lines = [json.loads(watch.stdout.readline())]
    api.value("batch_seal", batch=batch)
    lines.append(json.loads(watch.stdout.readline()))
    run_all(api)
    api.value("fold", batch=batch)
    rest, talk = watch.communicate(timeout=30)
    assert (watch.returncode, talk) == (0, "")
    lines += [json.loads(line) for line in rest.splitlines()]
    assert [line["state"] for line in lines][:2] == ["open", "sealed"]
    assert lines[-1]["state"] == "succeeded" and lines[-1]["stages"][0]["succeeded"] == 3
    assert len(lines) <= 4 and "\x1b" not in rest


@pytest.mark.parametrize("end", ["done", "Ctrl-C"])
def test_watch_on_a_terminal(db, api, end):
    """The bug: the bars run down the screen instead of being drawn over; a stage's name
    moves the cursor; it cannot be ended."""
    batch = opened(db, "--stage", "one", "--stage", "t\x1b[2Jw\no")
    api.push_some(4, batch=batch)
    api.value("batch_seal", batch=batch)
    ours, theirs = pty.openpty()
    watch = start(db, "show", batch, "-w", stdout=theirs)
    os.close(theirs)
    shown = b""
    run_all(api, 2, pages=1)

    def read_until(mark):
        nonlocal shown
        while mark not in shown:
            shown += os.read(ours, 65536)

    read_until(b"2/4")
    assert b"\x1b[2J" not in shown
    if end == "Ctrl-C":
        watch.send_signal(signal.SIGINT)
        assert watch.wait(30) == -signal.SIGINT
    else:
        run_all(api)
        api.value("fold", batch=batch)
        read_until(b"4/4")
        assert watch.wait(30) == 0
    os.close(ours)
    text = shown.decode()
    assert "images (batch" in text and f"[{'#' * 15}{'.' * 15}]  50.0%  2/4" in text
    assert '{"pages": 2}' in text
    if end == "done":
        assert "\x1b[3A\r" in text and f"[{'#' * 30}] 100.0%  4/4" in text


def first_drawing(db, batch, lines, columns):
    """What is drawn first in a window of this size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    watch = start(db, "show", batch, "-w", stdout=theirs)
    os.close(theirs)
    shown = b""
    while b"\x1b[?7h" not in shown:
        shown += os.read(ours, 65536)
    watch.kill()
    watch.communicate()
    os.close(ours)
    return shown.decode()


def test_a_low_window(db, api):
    """The bug: of more stages than the window has lines each drawing scrolls, and the bars
    run down the screen; stages with long names push their bars out of the column."""
    names = [f"stage {n}" for n in range(19)] + ["a name in many wörds"]
    batch = opened(db, *(word for name in names for word in ("--stage", name)))
    for name in names:
        api.push("k", batch=batch, stage=name)
    api.value("batch_seal", batch=batch)
    run_all(api, 14)
    shown = first_drawing(db, batch, 10, 80)
    lines = shown.split("\r\n")
    assert len(lines) == 10 and "(13 more stages: " in lines[8]
    assert [line.split(" [")[0].strip() for line in lines[1:8]] == names[13:]
    assert len({line.index("[", 1) for line in lines[1:8]}) == 1


@pytest.mark.parametrize("columns", [80, 40])
def test_a_narrow_window(db, api, columns):
    """The bug: the time left stands behind what handlers count and how many have failed,
    and falls off the edge: which is the one thing that a person watches for."""
    batch = opened(db, "--stage", "process", "--stage", "publish wörd")
    api.push_some(2000, batch=batch, max_attempts=1)
    api.push("k", batch=batch, stage="publish wörd")
    api.value("batch_seal", batch=batch)
    run_all(api, 60, fail=20, pages=12)
    db.execute("UPDATE pawl.batch SET marks_before_at = clock_timestamp() - interval '1 h',"
               " marks_at = clock_timestamp() - interval '3590 s'")
    _, first, second, *_ = first_drawing(db, batch, 24, columns).split("\r\n")
    seen = first[:columns]
    assert re.match(r"process .*   3\.0%  60/2000  32:2\d:\d\d left", seen), first
    assert first.endswith('{"pages": 480}\x1b[K'), "the last of all"
    if columns == 80:
        assert "  0.02/s  20 failed" in seen and seen.index("]") - seen.index("[") > 10
        assert seen.index("]") == second.index("]")
    else:
        assert "[" not in seen and second.startswith("publish …   0.0%  0/1")


def test_who_waits_goes_on_when_the_server_is_back(base_cluster):
    """The bugs: a restart of the server ends whoever waits; or nothing tells that what
    stands there is old."""
    server = base_cluster.copy(durable=False).start()
    try:
        own = server.new_database()
        with own.connect() as connection:
            api = Api(connection)
            batch = opened(own)
            job = api.push("k", batch=batch)
            api.value("batch_seal", batch=batch)
        waiting = [start(own, "wait", batch), start(own, "show", batch, "-w"),
                   start(own, "logs", job, "-f", noun="job")]
        short = start(own, "wait", batch, "--timeout", "3s")
        seen = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pawl cli %'"
        wait_until(lambda: own.value(seen) == 4, 30, "all to wait")
        server.stop()
        told = [process.stderr.readline() for process in waiting]
        assert all("connection to the server is lost" in line for line in told), told
        assert short.wait(20) in (4, 124), "it does not try beyond its own time"
        short.communicate()
        server.start()
        with own.connect() as connection:
            api = Api(connection)
            claim = api.claim_one(api.worker_start())
            api.value("log", job=job, fence=claim.fence, message="back again")
            api.complete(job, claim.fence)
            api.value("fold", batch=batch)
        ends = [process.communicate(timeout=30) for process in waiting]
        assert [process.returncode for process in waiting] == [0] * 3, ends
        assert [err for _, err in ends] == [""] * 3
        assert "succeeded" in ends[0][0] and '"succeeded"' in ends[1][0]
        assert ends[2][0].endswith("back again\n")
    finally:
        server.remove()


def test_roles(cluster, db, api):
    """The bug: a command needs a privilege that its role does not have."""
    batch = opened(db)
    for role, args in (
        ("producer", ("open", "by-role")),
        ("producer", ("seal", batch)),
        ("producer", ("cancel", opened(db))),
        ("reader", ("list",)),
        ("reader", ("show", batch)),
        ("reader", ("wait", batch)),
    ):
        user = f"batch_{role}"
        if db.value("SELECT count(*) FROM pg_roles WHERE rolname = %s", [user]) == 0:
            db.execute(f"CREATE ROLE {user} LOGIN IN ROLE pawl_{role}")
        run_pawl(db, "batch", *args, env={"PGUSER": user})
        other = "reader" if role == "producer" else "producer"
        if db.value("SELECT count(*) FROM pg_roles WHERE rolname = %s", [f"batch_{other}"]):
            run_pawl(db, "batch", *args, env={"PGUSER": f"batch_{other}"}, check=1)
    for role in ("producer", "reader"):
        db.execute(f"DROP ROLE batch_{role}")
