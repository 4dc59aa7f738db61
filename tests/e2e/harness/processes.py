"""Processes, as /proc shows them: who lives, whose child, with which environment."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    pid: int
    name: str
    state: str  # R S D T Z ...
    parent: int
    group: int


def read(pid):
    """The process, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    head, _, tail = text.rpartition(")")
    words = tail.split()
    return Process(int(pid), head.partition("(")[2], words[0], int(words[1]), int(words[2]))


def everything():
    pids = [name for name in os.listdir("/proc") if name.isdigit()]
    return [process for process in map(read, pids) if process is not None]


def alive(pid):
    """Whether it runs; a zombie does not."""
    process = read(pid)
    return process is not None and process.state not in "ZX"


def children(pid):
    """Direct children, zombies included."""
    return [process for process in everything() if process.parent == pid]


def descendants(pid):
    found, todo = [], [pid]
    known = everything()
    while todo:
        parent = todo.pop()
        mine = [process for process in known if process.parent == parent]
        found += mine
        todo += [process.pid for process in mine]
    return found


def environment(pid):
    """Its environment when it was started; {} when it is gone or not ours."""
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    words = [word.partition(b"=") for word in data.split(b"\0") if word]
    return {name.decode(errors="replace"): value.decode(errors="replace")
            for name, _, value in words}


def command(pid):
    """Its command line as words; [] when it is gone."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [word.decode(errors="replace") for word in data.split(b"\0")[:-1]]


def of_database(database):
    """Every process, zombies left out, that was started to work on this database:
    workers, their guards, their handlers, and what those have left behind."""
    want = database.env()
    names = ("PGHOST", "PGPORT", "PGDATABASE")
    found = []
    for process in everything():
        has = environment(process.pid)
        if process.state not in "ZX" and all(has.get(n) == want[n] for n in names):
            found.append(process)
    return found


def descriptors(pid):
    """{number: what it is}"""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass  # closed meanwhile, or the listing's own
    return found


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))
