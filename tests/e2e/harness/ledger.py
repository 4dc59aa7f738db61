"""What handlers did, in a file: one line "job fence" per started attempt.

Each line is one write to a descriptor opened for appending, so that lines of many
handlers never mix, and a handler that is killed leaves a whole line or none.  The file
is compared with the tables by identity: which (job, fence) ran, never how many.
"""

import os
from collections import Counter
from pathlib import Path

from .wait import wait_until


def write_script(directory, name, body, interpreter="/bin/sh"):
    """An executable file; its path, which is a handler's command."""
    path = Path(directory) / name
    path.write_text(f"#!{interpreter}\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


class Ledger:
    def __init__(self, directory, name="ledger"):
        self.directory = Path(directory)
        self.path = self.directory / name
        self.path.touch()
        self._go = self.path.with_suffix(".go")
        self._scripts = 0

    def handler(self, then=":", before=":"):
        """A handler that writes its line and then runs this shell text.

        before: what must be so when the line is there: a trap for a signal that the test
        sends then.
        """
        self._scripts += 1
        name = f"{self.path.name}-handler-{self._scripts}"
        return write_script(self.directory, name, f"set -eu\n{before}\n{self.line()}\n{then}")

    def line(self):
        """The handler's command that writes its line."""
        return f'echo "$PAWL_JOB $PAWL_FENCE" >>{self.path}'

    def gate(self):
        """(a function that says how many runs may go on, a handler's wait for it): a fault
        meets handlers at work, however long the test takes to bring it about.  Who cannot
        read how many goes on waiting."""
        path = self.path.with_suffix(".allowed")

        def allow(n):
            new = path.with_suffix(".new")
            new.write_text(f"{n}\n", encoding="ascii")
            new.replace(path)

        allow(0)
        return allow, (f'n=$(wc -l <{self.path})\n'
                       f'until [ "$n" -le "$(cat {path})" ]; do sleep 0.02; done')

    def held(self, then=""):
        """A handler that ends when all may go on, by go()."""
        return self.handler(f"until [ -e {self._go} ]; do sleep 0.02; done; {then}")

    def go(self):
        self._go.touch()

    def append(self, job, fence):
        """The same line by a handler within the test."""
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, f"{job} {fence}\n".encode())
        os.close(fd)

    def runs(self):
        """[(job, fence)] in the order of starting."""
        lines = self.path.read_text(encoding="ascii").splitlines()
        return [tuple(map(int, line.split())) for line in lines]

    def jobs(self):
        return [job for job, _ in self.runs()]

    def twice(self):
        """The jobs that ran more than once, ascending."""
        counts = Counter(self.jobs())
        return sorted(job for job, count in counts.items() if count > 1)

    def wait_for(self, n, deadline=30.0):
        """Until n attempts have started."""
        return wait_until(lambda: len(self.runs()) >= n, deadline, f"{n} attempts to start")
