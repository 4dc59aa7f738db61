"""pawl_upsert in a program of its own, driven line by line (programs/upserter.c)."""

import subprocess
from typing import NamedTuple

from .paths import BUILD

PROGRAM = BUILD / "tests/e2e/upserter"


class Sums(NamedTuple):
    rows: int
    created: int
    existing: int


class Refusal(NamedTuple):
    status: str
    sqlstate: str  # "-": the server said none
    message: str
    detail: str
    hint: str


class Upserter:
    """One client of libpawl and the rows that it upserts, as often as it is told."""

    def __init__(self, database, path, table, keys, rows, values="", update="", **options):
        """rows: tuples of text or None, keys first."""
        path.write_text("".join(
            "\t".join("\\N" if cell is None else str(cell) for cell in row) + "\n"
            for row in rows), encoding="utf-8")
        words = [f"{name}={int(number)}" for name, number in options.items()]
        self.so_far = []
        self.process = subprocess.Popen(
            [PROGRAM, database.conninfo(), table, keys, values, update, path, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go(self):
        """Begin; answer does not wait."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self

    def answer(self):
        """Sums, or a Refusal."""
        for line in self.process.stdout:
            kind, _, rest = line.rstrip("\n").partition(" ")
            if kind == "so":
                self.so_far.append(Sums(*map(int, rest.split()[1:])))
            elif kind == "ok":
                return Sums(*map(int, rest.split()))
            else:
                status, sqlstate, texts = rest.split(" ", 2)
                return Refusal(status, sqlstate, *texts.split("|"))
        raise AssertionError(f"upserter ended with {self.process.wait()}")

    def run(self):
        return self.go().answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
