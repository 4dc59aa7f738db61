"""Where the repository, the build and PostgreSQL's programs are."""

import os
import shutil
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("PAWL_BUILD", REPO / "build"))
PG_BIN = Path(os.environ.get("PAWL_PG_BIN", "/usr/lib/postgresql/15/bin"))
PG_USER = "postgres"  # the user of the servers when the tests run as root


def program():
    """The built program; the tests never use an installed one."""
    for place in ("pawl", "src/cli/pawl", "src/pawl"):
        path = BUILD / place
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f'no program "pawl" in {BUILD}: build first')


def as_server_user(command, die_with_us=False):
    """`command`, prefixed so that it does not run as root."""
    prefix = []
    if os.geteuid() == 0:
        prefix += ["--reuid", PG_USER, "--regid", PG_USER, "--clear-groups"]
    if die_with_us:
        prefix += ["--pdeathsig", "QUIT"]
    if not prefix:
        return [str(word) for word in command]
    setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
    return [setpriv, *prefix, "--", *[str(word) for word in command]]
