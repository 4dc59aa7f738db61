"""The private PostgreSQL of `pawl up`: it is made, it lasts, it ends with its program.

The bug: a server that outlives the program that was killed, holds the directory, and is
found only when the next start fails; or one whose data do not survive the kill.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from harness import processes
from harness.paths import program
from harness.up import Up, new_place, remove, wait_gone
from harness.wait import wait_until

pytestmark = [pytest.mark.kill, pytest.mark.slow]

EXIT_REFUSED = 5


@pytest.fixture
def place():
    directory = new_place()
    yield directory
    remove(directory)


@pytest.fixture
def home(place):
    return place / "data"


def start(home, *args, env=None):
    return Up(home, "--no-work", *args, env=env)


def test_made_once_and_lasts(home):
    """It is made at the first start and found again at the second."""
    with start(home) as up:
        up.query("CREATE TABLE kept AS SELECT 1 AS n")
        assert up.query("SELECT current_user, current_database()") == [("pawl", "pawl")]
        assert up.query("SHOW listen_addresses") == [("",)]
        assert up.query("SHOW server_encoding") == [("UTF8",)]
        assert up.query("SHOW data_checksums") == [("on",)]
        assert up.query("SELECT setting FROM pg_settings WHERE name IN "
                        "('fsync', 'full_page_writes', 'synchronous_commit')"
                        ) == [("on",)] * 3
        server = up.server()
        assert up.stop() == 0
        assert not processes.alive(server)
    with start(home) as up:
        assert up.query("SELECT n FROM kept") == [(1,)]
        assert "making" not in up.log()


def test_private(home):
    """Nobody else reaches the server, and it does not run as root."""
    with start(home) as up:
        up.ready()
        for directory in (home, home / "s", home / "data"):
            assert directory.stat().st_mode & 0o777 == 0o700
        assert os.stat(f"/proc/{up.server()}").st_uid != 0


def test_no_descriptor_leaks(home):
    """The server holds neither the lock nor the guard's socket: it would keep the
    directory locked and the guard waiting."""
    with start(home) as up:
        up.ready()
        server = up.server()
        links = [os.readlink(entry) for entry in Path(f"/proc/{server}/fd").iterdir()]
        own = [os.readlink(entry) for entry in Path(f"/proc/{up.pid}/fd").iterdir()]
        shared = [link for link in links if link in own and link != "/dev/null"]
        assert not any("pawl.lock" in link for link in links)
        assert shared in ([], ["anon_inode:[eventpoll]"])


def test_program_killed(home):
    """SIGKILL of the program ends the server, in order; a new start need not wait."""
    with start(home) as up:
        up.query("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        server, guard = up.server(), up.guard()
        up.kill()
        with start(home) as again:
            assert again.query("SELECT count(*) FROM kept") == [(1000,)]
            wait_gone(server, guard)
    log = (home / "log").read_text()
    assert "received fast shutdown request" in log
    assert "not properly shut down" not in log


def test_program_and_guard_killed(home):
    """Both at once, as `pkill -9 pawl` would."""
    with start(home) as up:
        up.ready()
        server = up.server()
        os.kill(up.guard(), signal.SIGKILL)
        up.kill()
        wait_gone(server)


def test_former_server_runs_on(home):
    """A server that nobody ends any more is ended by the next start."""
    with start(home) as up:
        up.ready()
        server = up.server()
        os.kill(server, signal.SIGSTOP)  # deaf to all but SIGKILL
        guard = up.guard()
        os.kill(guard, signal.SIGKILL)
        up.kill()
        assert processes.alive(server)
    with start(home) as again:
        wait_until(lambda: f"process {server}" in again.log(), 20, "a word about it")
        os.kill(server, signal.SIGCONT)
        again.ready()
        assert not processes.alive(server)


def test_server_killed(home):
    """SIGKILL of the postmaster: it is started again, three times."""
    with start(home) as up:
        up.query("CREATE TABLE kept AS SELECT 7 AS n")
        for _ in range(3):
            server = up.server()
            os.kill(server, signal.SIGKILL)
            wait_gone(server)
            fresh = up.server()
            assert fresh != server

            def answers():
                try:
                    return up.query("SELECT n FROM kept") == [(7,)]
                except Exception:  # not yet
                    return False

            wait_until(answers, 60, "the server's return")
        server, guard = up.server(), up.guard()
        up.kill()  # the guard knows the latest one
        wait_gone(server, guard)


def test_guard_killed(home):
    """A new guard takes over."""
    with start(home) as up:
        up.ready()
        former = up.guard()
        os.kill(former, signal.SIGKILL)
        fresh = wait_until(lambda: (g := up.guard()) != former and g, 20, "a new guard")
        server = up.server()
        up.kill()
        wait_gone(server, fresh)


def test_interrupted_making(home):
    """A kill while the cluster is made leaves nothing that a start cannot get over: no
    half of a cluster, and no process of initdb's that writes into the next one."""
    for sight in ("data.new", "data.new/PG_VERSION", "data.new/base/1", "data.new/base/5",
                  "data.new/base/1"):
        with start(home) as up:
            wait_until(lambda: (home / sight).exists() or (home / "data").exists(), 60,
                       sight)
            up.kill()
    with start(home) as up:
        assert up.query("SELECT 1") == [(1,)]
        assert not (home / "data.new").exists()


def test_stopped_while_making(home):
    """SIGTERM during initdb ends it at once."""
    with start(home) as up:
        wait_until(lambda: (home / "data.new").exists(), 30, "the beginning")
        assert up.stop() == 0
    assert not (home / "data").exists()


def test_not_ours(place):
    """A directory with somebody's files in it is not touched."""
    place.joinpath("letter").write_text("dear")
    mode = place.stat()
    code, said = start(place).fails()
    assert code == EXIT_REFUSED
    assert "is not empty and is not a data directory of pawl" in said
    assert [entry.name for entry in place.iterdir()] == ["letter"]
    assert (place.stat().st_mode, place.stat().st_uid) == (mode.st_mode, mode.st_uid)


def test_in_use(home):
    """Two programs never have one directory."""
    with start(home) as up:
        up.ready()
        code, said = start(home).fails()
        assert code == EXIT_REFUSED
        assert "is in use by another pawl" in said and str(up.pid) in said
        assert up.query("SELECT 1") == [(1,)]


@pytest.mark.skipif("os.geteuid() != 0")
def test_out_of_reach(place):
    """A directory that the server's user cannot get to is told as that."""
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    code, said = start(closed / "data").fails()
    assert code == EXIT_REFUSED
    assert "cannot reach directory" in said and str(closed) in said


def test_long_path(place):
    """A path too long for a socket's address: the socket is elsewhere, and private."""
    home = place / ("long-" * 20) / "d,a=t a'"
    with start(home) as up:
        conninfo = up.ready()
        sockets = Path(conninfo.split()[0].removeprefix("host="))
        assert home not in sockets.parents
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert up.query("SELECT 1") == [(1,)]
        assert up.stop() == 0
        assert not sockets.exists()


def test_hostile_environment(home):
    """The user's PG variables neither reach the server nor lead elsewhere."""
    hostile = {"PGDATA": "/nonexistent", "PGPORT": "1", "PGHOST": "/nonexistent",
               "PGUSER": "nobody", "PGDATABASE": "nothing", "LC_ALL": "xx_XX",
               "PGHOSTADDR": "192.0.2.1", "PGSERVICE": "nothing",
               "PGTARGETSESSIONATTRS": "standby", "PGCHANNELBINDING": "require",
               "PGGSSENCMODE": "require", "PGREQUIREPEER": "nobody",
               "PGSSLMODE": "require", "PGCLIENTENCODING": "LATIN1"}
    with start(home, env=hostile) as up:
        assert up.query("SHOW lc_collate") == [("C.UTF-8",)]
        refusing = ("PGHOSTADDR", "PGSERVICE", "PGTARGETSESSIONATTRS", "PGCHANNELBINDING",
                    "PGGSSENCMODE", "PGREQUIREPEER")  # libpq's, not up's
        outside = {k: v for k, v in (os.environ | hostile).items() if k not in refusing}
        result = subprocess.run([program(), "push", "kind", "-d", up.ready()],
                                env=outside, check=True, capture_output=True)
        assert result.stdout == b"1\n"


def test_no_programs(home):
    """Without PostgreSQL the message says what is missing."""
    code, said = start(home, env={"PAWL_PG_BINDIR": "/nonexistent"}).fails()
    assert code == 1
    assert "PAWL_PG_BINDIR" in said and "/nonexistent" in said


def test_server_cannot_start(home):
    """A server that ends at each start: the log's words, and an end to the attempts."""
    with start(home) as up:
        up.query("ALTER SYSTEM SET shared_preload_libraries = 'no_such_library'")
        assert up.stop() == 0
    code, said = start(home).fails()
    assert code == 1
    assert "no_such_library" in said
    assert subprocess.run(["pgrep", "-f", str(home)], capture_output=True,
                          check=False).stdout == b""
