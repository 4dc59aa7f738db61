"""What must stand in the sinks: the source, row for row, each batch once and in order."""

import csv
import itertools
import operator
from pathlib import Path

from demo import Failure
from source import COLUMNS


def check_table(database, batches):
    """Sink one: the table, and the note of which batches it got, in which order."""
    found = database.execute(f"SELECT {', '.join(COLUMNS)} FROM package").fetchall()
    compare("the table", [as_text(row) for row in found], source_rows(batches))
    loaded = database.execute("SELECT section, batch FROM loaded ORDER BY position").fetchall()
    check_batches("the table", loaded, batches)


def check_files(directory, batches):
    """Sink two: files under their batches' names; what has another name is none of them."""
    wanted = {f"{package['day']}/{file_name(batch)}"
              for batch in batches for package in batch["packages"]}
    paths = [path for path in Path(directory).glob("*/*") if not path.name.startswith(".")]
    there = {f"{path.parent.name}/{path.name}" for path in paths}
    if there != wanted:
        raise Failure(f"{len(wanted)} files are wanted, there are {len(there)}; "
                      f"{min(there ^ wanted)} is the first to differ")
    rows = [row for path in paths for row in read_file(path)]
    compare("the files", rows, source_rows(batches))


def check_jobs(rows, batches):
    """Both sinks, as the jobs tell: each batch was applied by one job, which began when
    that of the batch before it had ended, and sink two's when sink one's had."""
    ended = {}
    for kind in ("load", "replicate"):
        jobs = sorted((row for row in rows if row.kind == kind), key=lambda row: row.started_at)
        check_batches(kind, [(job.section, job.batch) for job in jobs], batches)
        for job in jobs:
            before = [(kind, job.section, job.batch - 1)] if job.batch > 1 else []
            before += [("load", job.section, job.batch)] if kind == "replicate" else []
            if any(ended[one] > job.started_at for one in before):
                raise Failure(f"job {job.id} ({kind} {job.section} {job.batch}) began before "
                              "the one before it had ended")
            ended[kind, job.section, job.batch] = job.finished_at


def check_batches(what, found, batches):
    """(section, batch) in the order in which they came: 1, 2, 3, ... of each section."""
    sizes = {}
    for batch in batches:
        sizes[batch["section"]] = max(sizes.get(batch["section"], 0), batch["batch"])
    by_section = operator.itemgetter(0)
    came = {section: [number for _, number in pairs] for section, pairs
            in itertools.groupby(sorted(found, key=by_section), by_section)}
    for section, size in sizes.items():
        if came.pop(section, []) != list(range(1, size + 1)):
            raise Failure(f"{what}: the batches of {section} are not 1 to {size}, each once "
                          "and in order")
    if came:
        raise Failure(f"{what}: there are batches of {min(came)}, which the source has not")


def compare(what, found, wanted):
    if sorted(found) != wanted:
        odd = min(set(found) ^ set(wanted), default="a row is there twice")
        raise Failure(f"{what}: {len(found)} rows, {len(wanted)} are wanted, and they are not "
                      f"the same: {odd}")


def source_rows(batches):
    return sorted(as_text(package[name] for name in COLUMNS)
                  for batch in batches for package in batch["packages"])


def as_text(row):
    """CSV knows text alone, and no NULL."""
    return tuple("" if value is None else str(value) for value in row)


def file_name(batch):
    return f"{batch['section'].replace('/', '_')}-{batch['batch']:04}.csv"


def read_file(path):
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if tuple(header) != COLUMNS:
        raise Failure(f"{path} has other columns")
    return map(tuple, rows)
