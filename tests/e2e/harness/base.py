"""The cluster that those of the tests are copied from, made once a build.

initdb, `pawl migrate up` and starting and stopping a server for them take two seconds of
work, and every file of tests wants a cluster.  What comes of it is kept as an archive in
the build directory, for this program, this PostgreSQL and this day (the partitions of
the log are counted from it).
"""

import contextlib
import datetime
import fcntl
import os
import subprocess
from pathlib import Path

from . import schema
from .cluster import GIGABYTE, TEMPLATE, WHOLE, Cluster
from .paths import BUILD, PG_BIN, program

MAKERS = [Path(__file__), Path(schema.__file__)]


class Base:
    """Makes copies of the cluster; the first that is asked for makes the cluster."""

    def copy(self, durable=True, settings=None, size=4 * GIGABYTE):
        """A new cluster, not started, with the schema in its template databases."""
        other = Cluster(durable, settings, size)
        with _alone():
            subprocess.run(["tar", "-C", other.directory, "-xf", _archive()], check=True)
        return other


@contextlib.contextmanager
def _alone():
    """Of all the processes that test this build."""
    with open(BUILD / "test-cluster.lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _archive():
    """Its path; made, and its predecessors removed, when there is none."""
    path = BUILD / f"test-cluster-{_version()}.tar"
    if not path.exists():
        for old in BUILD.glob("test-cluster-*.tar*"):
            old.unlink()
        new = path.with_suffix(".tar.new")
        _make(new)
        new.rename(path)
    return path


def _version():
    """What the archive follows from: other files, another name."""
    found = [os.stat(path) for path in [program(), PG_BIN / "postgres", *MAKERS]]
    numbers = [number for file in found for number in (file.st_mtime_ns, file.st_size)]
    return "-".join(f"{number:x}" for number in [datetime.date.today().toordinal(), *numbers])


def _make(path):
    base = Cluster(durable=False)
    try:
        base.initdb()
        base.start()
        schema.install(base.new_database(template="template0", name=WHOLE))
        schema.thin(base.new_database(template=WHOLE, name=TEMPLATE))
        base.stop()
        subprocess.run(["tar", "-C", base.directory, "-cSf", path, "data"], check=True)
    finally:
        base.remove()
