"""docs/lock-order.md names each function of sql/functions, and each table that it writes.

Guards against a page that was true once: a new function, or a new write in an old one,
without a word about its locks.
"""

import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FUNCTIONS = sorted((REPO / "sql" / "functions").glob("*.sql"))
PAGE = (REPO / "docs" / "lock-order.md").read_text(encoding="utf-8")
WRITES = re.compile(r"(?:INSERT INTO|DELETE FROM|UPDATE)\s+pawl\.(\w+)", re.IGNORECASE)
LOCKS = re.compile(r"\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b")


def read_lines():
    """[(function, locks, waits)]: the lines of the tables whose head says function."""
    lines = []
    inside = False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| function |"):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and cells[0].startswith("`"):
            lines.append((cells[0].strip("`"), cells[1], cells[2]))
    return lines


LINES = read_lines()


def statements(path):
    """The text of a function without its comments."""
    return re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))


def test_each_function_has_one_line():
    assert FUNCTIONS
    assert sorted(name for name, _, _ in LINES) == [path.stem for path in FUNCTIONS]


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.stem)
def test_line_says_what_the_function_writes(path):
    ((locks, waits),) = [(l, w) for name, l, w in LINES if name == path.stem]
    text = statements(path)
    tables = set(WRITES.findall(text))
    missing = {table for table in tables if f"`{table}`" not in locks}
    assert not missing, f"the line of {path.stem} does not name {missing}"
    if LOCKS.search(text) or tables:
        assert locks != "none"
    if "SKIP LOCKED" in text:
        assert "SKIP LOCKED" in locks
    assert waits


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.stem)
def test_lines_that_point_elsewhere_point_at_what_is_called(path):
    """"as `settle`" is only true of a function that calls settle, or one that does."""
    ((locks, waits),) = [(l, w) for name, l, w in LINES if name == path.stem]
    for other in re.findall(r"as `(\w+)`", f"{locks} {waits}"):
        assert f"pawl.{other}(" in statements(path)
