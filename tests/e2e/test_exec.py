"""exec handlers: programs of any language, started by a worker.

Each test opens with what goes wrong without it.
"""

import json
import os

import pytest
from harness import invariants, processes
from harness.ledger import Ledger, write_script
from harness.program import Worker
from harness.wait import wait_until

FAST = ("--poll", "100ms", "--lease", "3s")
PYTHON = "/usr/bin/python3"
MARK_OF_A_CUT = "bytes cut"


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


@pytest.fixture
def run_one(db, api):
    """Push one job, run one attempt of it with this command, answer its row."""

    def run(command, args=None, env=None, options=(), **named):
        named.setdefault("max_attempts", 1)
        job = api.push("work", args={} if args is None else args, **named)
        with Worker(db, "-j", "1", "--once", *FAST, *options, env=env,
                    handlers={"work": command} if command else None) as worker:
            assert worker.wait() == 0, worker.log()
        return api.job(job)

    return run


def lines(api, job):
    """[(level, message)] of the job's log, in their order."""
    rows = api.query("SELECT level::text, message FROM pawl.logs WHERE job = %s ORDER BY id", [job])
    return [tuple(row) for row in rows]


def handlers(db):
    return [p for p in processes.of_database(db) if "PAWL_JOB" in processes.environment(p.pid)]


# ---------------------------------------------------------------- argv ------------


def test_never_a_shell_unless_asked(db, api, tmp_path, run_one):
    """The bug: a file name with a semicolon becomes a command."""
    seen = tmp_path / "seen"
    show = write_script(tmp_path, "show", f'printf "[%s]" "$@" >{seen}')
    poison = tmp_path / "poison"
    row = run_one(f"{show} '$HOME;' \"a b\" c\\ d * `touch {poison}` ; touch {poison} | x")
    assert row.state == "succeeded"
    assert seen.read_text() == (
        f"[$HOME;][a b][c d][*][`touch][{poison}`][;][touch][{poison}][|][x]")
    assert not poison.exists()


def test_a_shell_when_asked(db, api, tmp_path, run_one):
    """And only then."""
    config = tmp_path / "pawl.conf"
    config.write_text(f"[handler work]\nexec = cat | wc -c >{tmp_path}/n; echo $((2 + 3))\n"
                      "shell = yes\n")
    row = run_one(None, args={"k": "v"}, options=("-c", config))
    assert row.state == "succeeded" and lines(api, row.id) == [("info", "5")]
    assert (tmp_path / "n").read_text().strip() == str(len('{"k": "v"}'))


# ---------------------------------------------------------------- environment -----


def test_environment(db, api, tmp_path, run_one):
    """The bug: a handler that inherits whatever its worker was started with, secrets
    included, or cannot connect to the database that its job is in."""
    seen = tmp_path / "env"
    show = write_script(tmp_path, "show", f"env >{seen}; psql -Atc 'SHOW application_name' >{seen}.app")
    row = run_one(show, env={"PGPASSWORD": "secret", "SECRET": "secret", "PATH": os.environ["PATH"]},
                  timeout="1 min")
    env = dict(line.partition("=")[::2] for line in seen.read_text().splitlines())
    assert row.state == "succeeded", row.error
    assert env["PAWL_JOB"] == str(row.id) and env["PAWL_FENCE"] == str(row.fence)
    assert (env["PAWL_KIND"], env["PAWL_QUEUE"], env["PAWL_ATTEMPT"]) == ("work", "default", "1")
    assert env["PAWL_DEADLINE"].endswith("Z") and len(env["PAWL_DEADLINE"]) == 24
    assert env["PGDATABASE"] == db.name and env["PGHOST"] == db.env()["PGHOST"]
    assert "PGPASSWORD" not in env and "SECRET" not in env and "secret" not in env.values()
    assert (tmp_path / "env.app").read_text() == f"pawl job {row.id}\n"


def test_pass_env(db, api, tmp_path, run_one):
    """PGPASSWORD and others when they are named."""
    seen = tmp_path / "env"
    config = tmp_path / "pawl.conf"
    config.write_text("[worker]\npass_env = PGPASSWORD, LANG\n"
                      f"[handler work]\nexec = {write_script(tmp_path, 'show', f'env >{seen}')}\n")
    run_one(None, env={"PGPASSWORD": "secret", "LANG": "C.UTF-8"}, options=("-c", config))
    assert {"PGPASSWORD=secret", "LANG=C.UTF-8"} <= set(seen.read_text().splitlines())


def test_no_descriptor_leaks(db, api, tmp_path):
    """The bug: a child that holds the worker's connection, its guard's pipe or another
    child's, keeps them open when they must end.  Eight at a time, each lists its own."""
    script = write_script(tmp_path, "fds", f"""
import os, pathlib, time
fds = {{}}
for name in os.listdir("/proc/self/fd"):
    try:
        fds[int(name)] = os.readlink("/proc/self/fd/" + name)
    except OSError:
        pass
masks = [line for line in open("/proc/self/status") if line.startswith(("SigBlk", "SigIgn"))]
place = pathlib.Path({str(tmp_path)!r})
(place / ("fds-" + os.environ["PAWL_JOB"])).write_text(repr((sorted(fds), masks, os.getpgrp() == os.getpid())))
deadline = time.monotonic() + 60
while len(list(place.glob("fds-*"))) < 8 and time.monotonic() < deadline:
    time.sleep(0.01)
""", PYTHON)
    api.push_some(8, kind="work")
    with Worker(db, "-j", "8", "--once", *FAST, handlers={"work": script}) as worker:
        assert worker.wait() == 0, worker.log()
    seen = [eval(path.read_text()) for path in tmp_path.glob("fds-*")]
    assert len(seen) == 8
    for numbers, masks, leader in seen:
        assert numbers == [0, 1, 2, 3], numbers
        # Python itself ignores SIGPIPE and SIGXFSZ (13, 25); 32 and 33 are the C
        # library's, which nobody can reset
        known = 1 << 12 | 1 << 24 | 1 << 31 | 1 << 32
        assert int(masks[0].split()[1], 16) == 0, masks
        assert int(masks[1].split()[1], 16) & ~known == 0, masks
        assert leader


# ---------------------------------------------------------------- input, output ---


def test_payload_arrives_exactly(db, api, tmp_path, run_one):
    """Bytes, not lines: quotes, newlines, NUL's escape left out, a megabyte."""
    seen = tmp_path / "payload"
    args = {"text": "Grüße \\ \" ' \n \u2028 日本", "big": "x" * 1_000_000}
    row = run_one(write_script(tmp_path, "cat", f"exec cat >{seen}"), args=args)
    assert row.state == "succeeded"
    assert json.loads(seen.read_text(encoding="utf-8")) == args


def test_stdin_is_not_read(db, api, run_one):
    """The bug: a worker that writes a megabyte into a pipe that nobody reads waits for
    ever, or dies by SIGPIPE."""
    assert run_one("sleep 0.1", args={"big": "x" * 1_000_000}).state == "succeeded"
    assert run_one("true", args={"big": "x" * 1_000_000}).state == "succeeded"


def test_flood_on_stdout_blocks_nobody(db, api, ledger):
    """The bug: a full pipe stops the handler, its timeout is not noticed, and others
    behind it wait.  One writes without end while 30 others run to their end."""
    flood = write_script(ledger.directory, "flood", "exec yes flood")
    endless = api.push("flood", timeout="3 s", max_attempts=1)
    # The flood takes what processors there are: a lease of a moment would be luck.
    with Worker(db, "-j", "2", *FAST, "--lease", "10s",
                handlers={"flood": flood, "work": ledger.handler()}) as worker:
        wait_until(lambda: api.state(endless) == "running", 30)
        jobs = api.push_some(30, kind="work")
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome WHERE state = 'succeeded'")
                   == 30, 20, worker.log)
        wait_until(lambda: api.state(endless) == "failed", 20, worker.log)
        assert worker.drain() == 0, worker.log()
    assert api.attempts(endless) == ["timeout"]
    assert sorted(ledger.jobs()) == jobs
    assert (("info", "flood") in lines(api, endless))


def test_both_streams_are_logged(db, api, tmp_path, run_one):
    """stdout at info, stderr at warn, in their own order; a last line without newline."""
    row = run_one(write_script(tmp_path, "talk", "echo one; echo two; echo three >&2; printf four"))
    assert [m for level, m in lines(api, row.id) if level == "info"] == ["one", "two", "four"]
    assert [m for level, m in lines(api, row.id) if level == "warn"] == ["three"]
    fences = api.query("SELECT DISTINCT fence FROM pawl.logs WHERE job = %s", [row.id])
    assert [f.fence for f in fences] == [row.fence]


def test_hostile_lines_are_stored(db, api, tmp_path, run_one):
    """The bug: a NUL, a broken character or an escape sequence is refused by the server,
    and takes the batch of lines, or the job, with it."""
    script = write_script(tmp_path, "hostile", """
import os
os.write(1, b"nul \\0 here\\n" b"bad \\xff\\xfe utf-8\\n" b"esc \\x1b[31mred\\n" b"fine\\n")
os.write(1, b"x" * 10_000_000 + b"\\n" + b"after\\n")
os.write(2, b"half \\xc3")
""", PYTHON)
    row = run_one(script)
    assert row.state == "succeeded"
    info = [m for level, m in lines(api, row.id) if level == "info"]
    assert len(info) == 6 and info[3] == "fine" and info[5] == "after"
    assert info[0].startswith("nul ") and info[0].endswith(" here") and "\0" not in info[0]
    assert "ff" in info[1].lower() and info[1].endswith("utf-8")
    assert "\x1b" not in info[2] and info[2].endswith("[31mred")
    assert len(info[4].encode()) <= 8192 and MARK_OF_A_CUT in info[4]
    assert lines(api, row.id)[-1][1].startswith("half ") or any(
        m.startswith("half ") for level, m in lines(api, row.id) if level == "warn")


# ---------------------------------------------------------------- ends ------------

ENDS = {  # command's end: state, category, a word of the error
    "exit 0": ("succeeded", [], None),
    "exit 65": ("failed", ["error"], "65"),
    "exit 75": ("scheduled", [], None),
    "exit 1": ("scheduled", ["error"], "1"),
    "exit 127": ("scheduled", ["error"], "127"),
    "kill -SEGV $$": ("scheduled", ["error"], "signal 11"),
    "kill -KILL $$": ("scheduled", ["error"], "signal 9"),
}


@pytest.mark.parametrize("end", ENDS)
def test_how_it_ends(db, api, tmp_path, run_one, end):
    """The table of outcomes: exit codes, and deaths by a signal."""
    state, categories, word = ENDS[end]
    row = run_one(write_script(tmp_path, "end", f"echo 'last words' >&2; {end}"), max_attempts=5)
    assert (row.state, api.attempts(row.id)) == (state, categories)
    assert row.attempt == 1 and (row.failures or 0) == (1 if state == "scheduled" and categories else 0)
    if word:
        error = api.one("SELECT error FROM pawl.attempts WHERE job = %s", [row.id])
        assert word in error and "last words" in error


@pytest.mark.parametrize("command, word", [
    ("/nonexistent/program", "/nonexistent/program"),
    ("no-such-program-anywhere", "no-such-program-anywhere"),
    ("/etc/passwd", "/etc/passwd"),
    ("/tmp", "/tmp"),
])
def test_cannot_be_started(db, api, run_one, command, word):
    """A failure that names the path, not a crash of the worker."""
    row = run_one(command)
    assert row.state == "failed" and word in row.error
    assert api.attempts(row.id) == ["error"]


# ---------------------------------------------------------------- descriptor 3 ----


def test_messages(db, api, tmp_path, run_one):
    """Each kind of message, unknown ones ignored, the last result counts."""
    script = write_script(tmp_path, "say", """
cat >&3 <<'END'
{"result": 1}
{"progress": {"done": 3, "total": 9}}
{"count": {"detections": 17}, "unheard-of": true}
{"log": {"level": "error", "message": "from three", "context": {"a": [1]}}}
{"result": {"big": 12345678901234567890, "exact": 1.10}}
END""")
    row = run_one(script)
    assert row.state == "succeeded"
    assert api.one("SELECT result::text FROM pawl.jobs WHERE id = %s", [row.id]) == (
        '{"big": 12345678901234567890, "exact": 1.10}')
    assert ("error", "from three") in lines(api, row.id)
    assert api.query("SELECT context FROM pawl.logs WHERE message = 'from three'"
                     )[0].context == {"a": [1]}


def test_retry_after(db, api, tmp_path, run_one):
    """The handler knows better than the backoff when to try again."""
    row = run_one(write_script(tmp_path, "later", "echo '{\"retry_after_s\": 3000}' >&3; exit 1"),
                  max_attempts=5)
    assert row.state == "scheduled"
    assert api.one("SELECT run_at - now() BETWEEN '49 min' AND '50 min' FROM pawl.jobs"
                   " WHERE id = %s", [row.id])


BAD_RESULTS = {
    "broken": b'{"result": {"a": }\n',
    "nul": b'{"result": "a\\u0000b"}\n',
    "bytes": b'{"result": "\xff\xfe"}\n',
    "surrogate": b'{"result": "\\ud800"}\n',
    "deep": b'{"result": ' + b"[" * 10000 + b"]" * 10000 + b"}\n",
    "number": b'{"result": 1e999999}\n',
}


@pytest.mark.parametrize("name", BAD_RESULTS)
def test_invalid_result(db, api, tmp_path, run_one, name):
    """The bug: a result that the server refuses is tried for ever, or takes the results
    settled with it along.  It is stored escaped, or is a failure; the next job is fine."""
    (tmp_path / "bytes").write_bytes(BAD_RESULTS[name])
    row = run_one(write_script(tmp_path, "bad", f"cat {tmp_path}/bytes >&3"))
    assert row.state in ("succeeded", "failed"), row
    if row.state == "succeeded":
        assert row.result is not None
    else:
        assert "result" in row.error or "json" in row.error.lower()
    assert run_one("true").state == "succeeded"


def test_oversized_result_is_a_failure(db, api, tmp_path, run_one):
    """Over 1 MiB; one of exactly that is stored; ten megabytes do not cost the memory."""
    def printing(n):
        return write_script(tmp_path, f"big{n}", f"""
import os
os.write(3, b'{{"result": "'); [os.write(3, b"x" * 1000) for _ in range({n})]; os.write(3, b'"}}\\n')
""", PYTHON)

    assert len(run_one(printing(1000)).result) == 1_000_000
    for n in (1100, 10_000):
        row = run_one(printing(n))
        assert row.state == "failed" and "result" in row.error and "1048576" in row.error


def test_long_error_text_is_cut(db, api, tmp_path, run_one):
    """The last words, at most 64 KiB, valid UTF-8."""
    script = write_script(tmp_path, "shout", "yes grüße | head -c 500000 >&2; echo END >&2; exit 65")
    row = run_one(script)
    assert row.state == "failed" and row.error.rstrip().endswith("END")
    assert len(row.error.encode()) <= 65536


# ---------------------------------------------------------------- descendants -----

FAMILY = """
import os, signal, sys, time
place = {place!r}
signal.signal(signal.SIGTERM, signal.SIG_IGN)

def note(name):
    with open(place + "/" + name + "-" + os.environ["PAWL_JOB"], "w") as file:
        file.write(str(os.getpid()))

note("child")
if os.fork() == 0:
    note("grandchild")
    if os.fork() == 0:
        os.setsid()
        note("session")
        if os.fork() == 0:
            if os.fork() > 0:
                os._exit(0)
            os.setsid()
            note("daemon")
{then}
while True:
    time.sleep(1)
"""
NAMES = ("child", "grandchild", "session", "daemon")


def family(tmp_path, then=""):
    return write_script(tmp_path, "family", FAMILY.format(place=str(tmp_path), then=then), PYTHON)


def family_pids(tmp_path, job):
    def read():
        paths = [tmp_path / f"{name}-{job}" for name in NAMES]
        texts = [path.read_text() if path.exists() else "" for path in paths]
        return all(texts) and [int(text) for text in texts]

    return wait_until(read, 15, "the whole family")


@pytest.mark.kill
def test_descendants_die_with_a_killed_worker(db, api, tmp_path):
    """The bug: the worker is killed, its children go on writing to what the next worker
    works on.  Children, grandchildren, a session of its own, a daemon forked twice; all
    of four jobs, all deaf to SIGTERM."""
    jobs = api.push_some(4, kind="work")
    with Worker(db, "-j", "4", *FAST, handlers={"work": family(tmp_path)}) as worker:
        pids = [pid for job in jobs for pid in family_pids(tmp_path, job)]
        assert all(map(processes.alive, pids)) and len(set(pids)) == 16
        worker.kill()
        wait_until(lambda: not any(map(processes.alive, pids)), 30, "the families to end")
    wait_until(lambda: not processes.of_database(db), 30, "the guard to end")


@pytest.mark.kill
def test_descendants_die_with_a_cancelled_job(db, api, tmp_path):
    """The same when the job alone is stopped; the other job's family lives."""
    stopped, other = api.push_some(2, kind="work")
    with Worker(db, "-j", "2", *FAST, handlers={"work": family(tmp_path)}) as worker:
        pids, others = family_pids(tmp_path, stopped), family_pids(tmp_path, other)
        assert api.cancel(stopped) == "running"
        wait_until(lambda: not any(map(processes.alive, pids)), 15,
                   lambda: f"the family to end\n{worker.log()}")
        assert all(map(processes.alive, others))
        wait_until(lambda: not invariants.zombies(worker.pid), 30, "no zombie")
        worker.kill()
        wait_until(lambda: not any(map(processes.alive, others)), 30, "the other family")


@pytest.mark.kill
def test_guard_killed_too(db, api, tmp_path, ledger):
    """The guard is killed: a new one takes over, and keeps the promise."""
    job = api.push("work")
    with Worker(db, "-j", "1", *FAST, handlers={"work": family(tmp_path)}) as worker:
        pids = family_pids(tmp_path, job)

        def guards():
            return [p.pid for p in processes.children(worker.pid)
                    if p.name == "pawl guard" and p.state != "Z"]

        (former,) = guards()
        os.kill(former, 9)
        wait_until(lambda: guards() not in ([], [former]), 30, "a new guard")
        worker.kill()
        wait_until(lambda: not any(map(processes.alive, pids)), 30, "the family to end")


def test_a_handler_that_leaves_its_group_is_ended(db, api, tmp_path):
    """The bug: a handler that goes over to its worker's group gets no signal; neither its
    timeout nor a drain ever ends."""
    leaver = write_script(tmp_path, "leaver", """
import os, time
os.setpgid(0, os.getpgid(os.getppid()))
time.sleep(600)
""", PYTHON)
    job = api.push("work", timeout="1 s", max_attempts=1)
    with Worker(db, "-j", "1", *FAST, handlers={"work": leaver}) as worker:
        wait_until(lambda: api.state(job) == "failed", 30, worker.log)
        assert worker.drain() == 0, worker.log()
    assert api.attempts(job) == ["timeout"]


def test_what_a_finished_handler_left_in_its_group_is_killed(db, api, tmp_path):
    """A handler that forgets a child: the job is done, the child does not stay."""
    script = write_script(tmp_path, "forget", f"sleep 600 & echo $! >{tmp_path}/pid; exit 0")
    job = api.push("work")
    with Worker(db, "-j", "1", *FAST, handlers={"work": script}) as worker:
        wait_until(lambda: api.state(job) == "succeeded", 30, worker.log)
        pid = int((tmp_path / "pid").read_text())
        wait_until(lambda: not processes.alive(pid), 30, "the forgotten child to end")
        assert not invariants.zombies(worker.pid)
        assert worker.drain() == 0


def test_descriptors_and_threads_of_the_worker_return(db, api, ledger):
    """The bug: a descriptor lost with each job ends the worker after a thousand."""
    with Worker(db, "-j", "4", *FAST, handlers={"work": ledger.handler("echo x; exit $((PAWL_JOB % 2))")}) as worker:
        api.push_some(20, kind="work")
        ledger.wait_for(20)
        before = wait_until(lambda: at_rest(db, worker), 30, "the worker to rest")
        api.push_some(200, kind="work")
        ledger.wait_for(220)
        wait_until(lambda: (now := at_rest(db, worker)) and now <= before, 30,
                   lambda: f"{before} again, not {at_rest(db, worker)}")
        assert not invariants.zombies(worker.pid)
        worker.kill()


def at_rest(db, worker):
    """(descriptors, threads) of a worker that runs nothing; every role connected."""
    busy = handlers(db) or invariants.live(db)["running"] or len(invariants.sessions(db)) < 5
    return not busy and (len(processes.descriptors(worker.pid)), processes.threads(worker.pid))
