"""A real PostgreSQL in a directory of its own, reachable by a unix socket only.

initdb and the schema cost seconds, so they are made once a build (base.py) and copied.
The server is our child, not pg_ctl's: we know its pid, can kill it as a power cut would,
and it ends with us when the test process is killed.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from . import processes
from .database import Database
from .paths import PG_BIN, PG_USER, as_server_user
from .wait import wait_until

SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "deadlock_timeout": "100ms",
    "log_line_prefix": "'%m [%p] %a %e '",
    "log_min_messages": "warning",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "30min",
    "jit": "off",
    "autovacuum_naptime": "10s",
}
VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
TEMPLATE = "pawl_template"  # the schema, with few partitions
WHOLE = "pawl_whole"  # the schema as `pawl migrate up` leaves it
MEMORY = Path("/dev/shm")
GIGABYTE = 1 << 30


def scratch(durable, size):
    """Where clusters lie: in memory when nothing may crash them, else on a disk.

    A schema has hundreds of files; a database of it is made in 35 ms in memory, and in
    more than a second on ext4.
    """
    if not durable and os.access(MEMORY, os.W_OK):
        if shutil.disk_usage(MEMORY).free >= size:
            return MEMORY
    return Path(os.environ.get("TMPDIR", "/tmp"))


def remove_left_overs(place):
    """Directories of test runs that were killed before they could clean up."""
    for path in place.glob("pawl-*"):
        owner = re.fullmatch(r"pawl-(?:\w+-)?(\d+)-\w+", path.name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            shutil.rmtree(path, ignore_errors=True)


def make_directory(prefix="pawl-", durable=True, size=4 * GIGABYTE):
    """A short path (a socket's has 107 bytes) that the server's user owns."""
    place = scratch(durable, size)
    remove_left_overs(place)
    path = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=place))
    if os.geteuid() == 0:
        shutil.chown(path, PG_USER, PG_USER)
    path.chmod(0o755)
    return path


class Cluster:
    """One server.

    durable=False only where no test crashes it; it lies in memory then, if there are
    `size` bytes free.
    """

    def __init__(self, durable=True, settings=None, size=4 * GIGABYTE):
        self.directory = make_directory(durable=durable, size=size)
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.port = 5432
        self.settings = {**SETTINGS, **({} if durable else VOLATILE), **(settings or {})}
        self.process = None
        self._next_database = 0

    # -- life ---------------------------------------------------------------

    def initdb(self):
        command = [PG_BIN / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        subprocess.run(as_server_user(command), check=True, stdout=subprocess.DEVNULL)

    def start(self, deadline=30.0):
        """Start the server and wait until it accepts connections."""
        command = [PG_BIN / "postgres", "-D", self.data, "-k", self.directory]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value.strip(chr(39))}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                as_server_user(command, die_with_us=True),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        wait_until(self._accepts, deadline, "the server to accept connections")
        return self

    def _accepts(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended:\n{self.log_text()[-2000:]}")
        try:
            psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False

    def _end(self, number, deadline):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(deadline)
        self.process = None

    def stop(self, deadline=30.0):
        """Fast shutdown: sessions are ended, a checkpoint is written."""
        self._end(signal.SIGINT, deadline)

    def stop_immediate(self, deadline=30.0):
        """Immediate shutdown: as a crash, but every process of the server ends."""
        self._end(signal.SIGQUIT, deadline)

    def kill(self, deadline=30.0):
        """SIGKILL of the postmaster; its children notice and end by themselves."""
        children = self.children()
        self._end(signal.SIGKILL, deadline)
        wait_until(
            lambda: not any(map(processes.alive, children)),
            deadline,
            "the server's processes to end",
        )

    def children(self):
        """The pids of the server's processes, the postmaster's own left out."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def remove(self):
        self.stop_immediate()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- databases ----------------------------------------------------------

    def conninfo(self, database, user="postgres", **options):
        words = {"host": self.directory, "port": self.port, "dbname": database}
        words |= {"user": user, **options}
        return " ".join(f"{name}='{value}'" for name, value in words.items())

    def database(self, name):
        return Database(self, name)

    def new_database(self, template=TEMPLATE, name=None):
        """A fresh database; by default with the schema in place (template=WHOLE: with
        all the partitions that it begins with)."""
        if name is None:
            self._next_database += 1
            name = f"t{self._next_database}"
        self.database("postgres").execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.database(name)

    # -- the log ------------------------------------------------------------

    def log_text(self, offset=0):
        with open(self.log, "rb") as file:
            file.seek(offset)
            return file.read().decode("utf-8", "replace")

    def log_size(self):
        return self.log.stat().st_size if self.log.exists() else 0

    def log_count(self, sqlstate, offset=0):
        """Lines of the log that carry this SQLSTATE (the prefix ends in %e)."""
        return sum(f" {sqlstate} " in line for line in self.log_text(offset).splitlines())
