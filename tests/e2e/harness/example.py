"""Runs an example as `make demo` does, without a terminal."""

import os
import shutil
import subprocess
from pathlib import Path

from .cluster import make_directory
from .paths import REPO, program

EXAMPLES = REPO / "examples"


class Runner:
    """Runs one example in a directory for temporary files that is nobody else's."""

    def __init__(self, name):
        self.example = EXAMPLES / name
        self.directory = make_directory("pawl-example-", durable=False)

    def start(self, *arguments, example=None):
        """In a session of its own, without a terminal."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        environment |= {"PAWL": str(program()), "TMPDIR": str(self.directory)}
        command = [(example or self.example) / "run", *arguments]
        return subprocess.Popen(
            [str(word) for word in command], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True)

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def processes(self):
        """The command lines that name the directory, or something in it."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode("utf-8", "replace").split("\0")
            except OSError:
                continue
            if any(str(self.directory) in word for word in words):
                found.append(" ".join(words))
        return found

    def left_over(self):
        """What a run has left behind: processes and files; nothing, if all is well."""
        return self.processes() + [str(path) for path in self.directory.iterdir()]

    def copy(self, place, file, old, new):
        """A copy of the example with one change in one of its files."""
        shutil.copytree(EXAMPLES, place / "examples")
        shutil.copytree(REPO / "include", place / "include")  # handlers in C
        copied = place / "examples" / self.example.name
        text = (copied / file).read_text(encoding="utf-8")
        assert old in text
        (copied / file).write_text(text.replace(old, new), encoding="utf-8")
        place.chmod(0o755)
        return copied

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def wait_for(process, beginning):
    """Read what the example tells until a line that begins so."""
    for line in process.stderr:
        if line.startswith(beginning):
            return
    raise AssertionError(f"the example ended without a line {beginning!r}")
