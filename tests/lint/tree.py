"""The project's files, and the one form in which a rule complains."""

import fnmatch
import functools
import os
import pathlib
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
IGNORED = (".git", "build*", "__pycache__", ".pytest_cache", "out")


class Complaint(NamedTuple):
    """What is wrong, and where; prints as compilers print."""

    path: str
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


@functools.lru_cache(maxsize=None)
def files() -> tuple:
    """Paths of all files, relative to the root, sorted."""
    found = []
    for directory, names, leaves in os.walk(ROOT):
        names[:] = [name for name in names if not ignored(name)]
        for leaf in leaves:
            path = pathlib.Path(directory, leaf)
            if not ignored(leaf) and not path.is_symlink():
                found.append(path.relative_to(ROOT).as_posix())
    return tuple(sorted(found))


def ignored(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in IGNORED)


def matching(*patterns: str) -> list:
    """Files whose path matches one of the patterns; * crosses directories."""
    return [path for path in files()
            if any(fnmatch.fnmatch(path, pattern) for pattern in patterns)]


@functools.lru_cache(maxsize=None)
def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def check(rule, *patterns: str) -> None:
    """Hold a rule against all files that match; there must be some."""
    paths = matching(*patterns)
    assert paths, f"no file matches {patterns}"
    expect_none([complaint for path in paths for complaint in rule(path, read(path))])


def expect_none(complaints: list) -> None:
    """Fail with the whole list, a line each."""
    assert not complaints, "\n" + "\n".join(map(str, complaints))
