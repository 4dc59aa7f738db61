"""Debian's pgbouncer in front of a cluster: transaction mode, a unix socket only."""

import subprocess

import psycopg

from .cluster import make_directory
from .database import Database
from .paths import as_server_user
from .wait import wait_until

PGBOUNCER = "/usr/sbin/pgbouncer"
PORT = 6432
SETTINGS = """
[databases]
* = host={target} port={port}

[pgbouncer]
listen_addr =
unix_socket_dir = {directory}
listen_port = {own}
auth_type = trust
auth_file = {directory}/users
pool_mode = transaction
; fewer than the clients have, so that every transaction may meet another backend
default_pool_size = 4
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
logfile = {directory}/pgbouncer.log
pidfile = {directory}/pgbouncer.pid
"""


class Pooler:
    """Stands in for a Cluster: directory, port, conninfo."""

    def __init__(self, cluster):
        self.directory = make_directory("pawl-pool-")
        self.port = PORT
        self.cluster = cluster
        self.process = None

    def __enter__(self):
        text = SETTINGS.format(target=self.cluster.directory, port=self.cluster.port,
                               directory=self.directory, own=PORT)
        (self.directory / "pgbouncer.ini").write_text(text, encoding="ascii")
        (self.directory / "users").write_text('"postgres" ""\n', encoding="ascii")
        self.process = subprocess.Popen(
            as_server_user([PGBOUNCER, "-q", self.directory / "pgbouncer.ini"], True),
            stdin=subprocess.DEVNULL, start_new_session=True)
        wait_until(self._accepts, 20, "pgbouncer to accept connections")
        return self

    def _accepts(self):
        assert self.process.poll() is None, "pgbouncer ended"
        try:
            psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)

    def conninfo(self, database, user="postgres", **options):
        words = {"host": self.directory, "port": PORT, "dbname": database, "user": user}
        return " ".join(f"{name}='{value}'" for name, value in (words | options).items())

    def database(self, database):
        """The same database, reached through the pooler."""
        return Database(self, database.name)
