"""Calls of Pawl's db layer, with limits of a test's own (programs/db_calls.c)."""

import json
import subprocess
from types import SimpleNamespace

from .paths import BUILD

PROGRAM = BUILD / "tests/e2e/db_calls"
DEADLINE_S = 60


class Call:
    """One call in a process of its own, which may wait.  A context manager."""

    def __init__(self, verb, conninfo, *words, env=None):
        self.process = subprocess.Popen(
            [PROGRAM, verb, conninfo, *map(str, words)], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def waiting(self):
        return self.process.poll() is None

    def answer(self):
        """What it answered: status, sqlstate, message, detail, value, elapsed_ms, …"""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0, f"exit {self.process.returncode}: {err}"
        return json.loads(out, object_hook=lambda members: SimpleNamespace(**members))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.waiting():
            self.process.kill()
            self.process.communicate()


def run(database, sql, *, lock_ms=1000, statement_ms=30000, deadline_ms=0, key=None,
        user="postgres", conninfo=None, env=None):
    """db_run with a deadline, db_run_once without one; not waited for."""
    words = [lock_ms, statement_ms, deadline_ms, sql] + ([key] if key else [])
    return Call("run", conninfo or database.conninfo(user), *words, env=env)
