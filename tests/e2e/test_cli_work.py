"""`pawl work` as a command: settings, what its handlers are given, its end."""

import json
import resource
import subprocess

from harness.ledger import write_script
from harness.program import Worker, program, run_pawl
from harness.wait import wait_until

HANDLER = """#!/bin/sh
env | sort > "$0.env"
cat > "$0.args"
echo '{"result": "done"}' >&3
"""


def write_handler(tmp_path, text=HANDLER):
    script = tmp_path / "handler"
    script.write_text(text)
    script.chmod(0o755)
    return script


def test_settings_from_the_file_and_flags_that_win(db, api, worker, tmp_path):
    """The bug: the file is checked and not used; a flag loses to it."""
    script = write_handler(tmp_path)
    config = tmp_path / "pawl.conf"
    config.write_text(
        "[worker]\nqueues = nowhere\npoll = 50ms\nexecutors = 2\npass_env = SPECIAL\n"
        f"[handler a]\nexec = {script}\n[handler b]\nexec = false\n"
    )
    a = api.push("a", args={"x": 1}, queue="here")
    b = api.push("b", queue="here")
    with worker("-c", config, "-q", "here", "-H", "b=true", env={"SPECIAL": "yes"}) as running:
        wait_until(lambda: api.state(a) == api.state(b) == "succeeded", 20, running.log)
        assert running.drain() == 0
    assert api.job(a).result == "done"
    assert "SPECIAL=yes\n" in (tmp_path / "handler.env").read_text()
    assert json.loads((tmp_path / "handler.args").read_text()) == {"x": 1}


def test_connection_of_d_reaches_the_handlers(db, api, worker, tmp_path):
    """The bug: a worker that was given -d hands its children the PG variables of its own
    environment, which name another database; or the password."""
    script = write_handler(tmp_path)
    job = api.push("k")
    wrong = {"PGDATABASE": "nowhere", "PGPASSWORD": "secret"}
    conninfo = db.conninfo() + " password=secret"
    with worker("-d", conninfo, "--poll", "50ms", handlers={"k": script}, env=wrong) as running:
        wait_until(lambda: api.state(job) == "succeeded", 20, running.log)
        assert running.drain() == 0
    env = (tmp_path / "handler.env").read_text()
    assert f"PGDATABASE={db.name}\n" in env and f"PGHOST={db.cluster.directory}\n" in env
    assert "secret" not in env and "PGPASSWORD" not in env


def test_check_config(tmp_path):
    """The bug: settings are found wrong when the old worker has been stopped already."""
    config = tmp_path / "pawl.conf"
    config.write_text("[worker]\nlease = 30s\n[handler a]\nexec = /bin/true 'one two'\n")
    good = run_pawl(None, "work", "-c", config, "--check-config", env={"PGHOST": "/nonexistent"})
    assert good.stdout == "the settings are in order\n"
    config.write_text("[worker]\nleases = 30s\n")
    bad = run_pawl(None, "work", check=2, env={"PAWL_CONFIG": str(config)})
    assert f'file "{config}", line 2: unknown key "leases" in section [worker]' in bad.stderr
    config.write_bytes(b"[handler a]\n\0exec = true\nexec = false\n")
    bad = run_pawl(None, "work", "-c", config, "--check-config", check=2)
    assert "line 2: the line is too long, or has a NUL byte" in bad.stderr
    # a line that never ends is not read for ever
    run_pawl(None, "work", "-c", "/dev/zero", "--check-config", check=2, deadline=10)
    config.write_text("[handler a]\nobject = /nonexistent.so\n")
    bad = run_pawl(None, "work", "-c", config, "--check-config", check=2)
    assert "/nonexistent.so" in bad.stderr and 'kind "a"' in bad.stderr


def test_a_worker_without_schema_ends(cluster):
    """The bug: a worker on a wrong database waits for ever for a schema."""
    empty = cluster.new_database(template="template0")
    try:
        result = run_pawl(empty, "work", "-H", "k=true", "--once", check=6)
        assert "pawl migrate up" in result.stderr
    finally:
        empty.drop()


def test_once_ends_and_tells(db, api):
    """The bug: --once ends before its jobs have, or talks on stdout."""
    api.push_some(20)
    result = run_pawl(db, "work", "-H", "k=true", "--once", "--poll", "50ms")
    assert api.one("SELECT count(*) FROM pawl.outcome WHERE state = 'succeeded'") == 20
    assert result.stdout == "" and "20 succeeded" in result.stderr
    api.push("k")
    quiet = run_pawl(db, "work", "-H", "k=true", "--once", "--poll", "50ms", "--quiet")
    assert quiet.stderr == ""


def test_executors_have_descriptors(db, api, tmp_path):
    """The bug: under the usual soft limit of open files a worker of many executors cannot
    start all its programs; its jobs fail, and use up their attempts."""
    script = write_script(tmp_path, "all-at-once", f"""
touch {tmp_path}/ran-$PAWL_JOB
until [ $(ls {tmp_path} | grep -c ran-) -ge 30 ]; do sleep 0.1; done""")
    api.push_some(30, kind="k")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        worker = Worker(db, "-j", "30", "--once", handlers={"k": script})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with worker:
        assert worker.wait() == 0, worker.log()
    assert api.query("SELECT error FROM pawl.attempts") == []
    refused = subprocess.run(
        ["sh", "-c", 'ulimit -n 128; exec "$0" work -H k=true -j 30 --check-config', program()],
        capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "30 executors and 16 groups need 680 open files" in refused.stderr
