"""One private PostgreSQL with default durability, and a database for each turn.

The server is our child and runs as user postgres when we are root. A system's schema
is installed once, in a template; each turn has a fresh copy, so that no turn works in
what another has left.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

from .paths import LIBRARY, PG_BIN, PG_USER, as_server_user
from .process import Failure, cpu_seconds

# What differs from PostgreSQL's defaults; fsync, synchronous_commit and
# full_page_writes do not.  The longest turn writes 3,500,000 jobs: with 512 MB of buffers
# and a checkpoint in it, whatever came last was slower, and was taken for its cause.
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "4GB",
    "max_wal_size": "16GB",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",  # switched on where WAL is counted
}


class Cluster:
    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="pawl-bench-"))
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self.process = None
        if os.geteuid() == 0:
            shutil.chown(self.directory, PG_USER, PG_USER)
        self.directory.chmod(0o755)

    def start(self):
        subprocess.run(
            as_server_user([PG_BIN / "initdb", "-D", self.data, "-A", "trust", "-U",
                            "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]),
            check=True, stdout=subprocess.DEVNULL, cwd="/")
        command = [PG_BIN / "postgres", "-D", self.data, "-k", self.directory]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                as_server_user(command), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd="/", start_new_session=True)
        self._wait_until_it_answers()
        for name in ("postgres", "template1"):
            with self.connect(name) as db:
                db.execute("CREATE EXTENSION pg_stat_statements")
        return self

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"the server did not start: {error}") from None
                time.sleep(0.05)

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(3)
            self.process.wait(60)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- databases ------------------------------------------------------------------

    def connect(self, database: str, **options) -> psycopg.Connection:
        return psycopg.connect(host=str(self.directory), port=5432, user="postgres",
                               dbname=database, autocommit=True, **options)

    def environment(self, database: str) -> dict:
        """For programs: the PG* variables of this database and no other."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("PG")}
        path = kept.get("LD_LIBRARY_PATH")
        return kept | {
            "PGHOST": str(self.directory), "PGPORT": "5432", "PGUSER": "postgres",
            "PGDATABASE": database, "NODE_ENV": "production",
            "LD_LIBRARY_PATH": f"{LIBRARY}:{path}" if path else str(LIBRARY)}

    def create(self, name: str, template: str = "template1", counted: bool = False):
        """A database; counted: pg_stat_statements counts what is run in it."""
        with self.connect("postgres") as db:
            db.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)))
            if counted:
                db.execute(sql.SQL("ALTER DATABASE {} SET pg_stat_statements.track = 'top'")
                           .format(sql.Identifier(name)))

    def drop(self, name: str):
        with self.connect("postgres") as db:
            db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                sql.Identifier(name)))

    def has_database(self, name: str) -> bool:
        with self.connect("postgres") as db:
            return db.execute("SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)",
                              [name]).fetchone()[0]

    # -- what the server has used -----------------------------------------------------

    def checkpoint(self):
        with self.connect("postgres") as db:
            db.execute("CHECKPOINT")

    def cpu_s(self) -> float:
        """Processor time of all the server's processes, those that ended included."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
        return cpu_seconds(pid, True) + sum(map(cpu_seconds, children))

    def wal_lsn(self) -> int:
        with self.connect("postgres") as db:
            return int(db.execute(
                "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").fetchone()[0])

    def statements(self, database: str) -> list:
        """[(calls, rows, WAL bytes, text)] since the reset, the most WAL first."""
        with self.connect(database) as db:
            return db.execute(
                "SELECT calls, rows, wal_bytes::bigint, query FROM pg_stat_statements"
                " WHERE dbid = (SELECT oid FROM pg_database WHERE datname ="
                " current_database()) ORDER BY wal_bytes DESC, calls DESC").fetchall()

    def reset_statements(self):
        with self.connect("postgres") as db:
            db.execute("SELECT pg_stat_statements_reset()")
