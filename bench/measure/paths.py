"""Where the repository, the build and PostgreSQL's programs are."""

import os
import shutil
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BENCH = REPO / "bench"
BUILD = Path(os.environ.get("PAWL_BUILD") or os.environ.get("BUILD") or REPO / "build")
BUILD = BUILD if BUILD.is_absolute() else REPO / BUILD
WORK = BUILD / "bench"  # programs, peers, and what a run that is not whole writes
PG_BIN = Path(os.environ.get("PAWL_PG_BIN", "/usr/lib/postgresql/15/bin"))
PG_USER = "postgres"  # the user of the server when the benchmark runs as root
PAWL = BUILD / "src" / "cli" / "pawl"
LIBRARY = BUILD / "src"
NODE = WORK / "peers" / "node_modules" / ".bin" / "node"


def as_server_user(command: list) -> list:
    """`command`, prefixed so that it does not run as root and does not outlive us."""
    prefix = ["--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        prefix += ["--reuid", PG_USER, "--regid", PG_USER, "--init-groups"]
    setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
    return [setpriv, *prefix, "--", *map(str, command)]
