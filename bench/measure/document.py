"""docs/benchmarks.md and its plots, made from the lines of JSON and from nothing else."""

import statistics
from pathlib import Path

from .names import (FLOOR, LARGE_QUEUE, SLICES, SLICES_HELD, WRITER_OPEN, WRITER_OVER,
                    WRITER_TO_COME)
from .plot import Bar, Line, bars, lines
from .record import Results, read
from .targets import judge, slice_medians

PLOTS = "benchmarks"     # the directory of the plots, beside the document
NOTES = {
    "PgQ": "hands out whole batches: it has no claim, retry or priority of a single job",
    "pgmq": "deletes a message when it is done: it keeps no history",
    "graphile-worker": "deletes a job when it is done: it keeps no history",
    LARGE_QUEUE: "with 100 jobs at once and a local queue of 5,000, which its documentation"
                 " does not have; without brackets it is configured as where its"
                 " documentation measures it fastest, with 24 jobs at once and a queue of"
                 " 500. Both complete in batches, and both are judged by the same bounds",
    "pawl from Node": "claimed and completed through SQL by a program of Node",
}


def make(measurements: list) -> dict:
    """{path relative to the directory of the document: text}"""
    results = Results(measurements)
    plots = dict(make_plots(results))
    return {"benchmarks.md": page(results, plots),
            **{f"{PLOTS}/{name}": text for name, (_, text) in plots.items()}}


def write(source: Path, directory: Path) -> None:
    for name, text in make(read(source)).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


# -- the page ---------------------------------------------------------------------------

def page(results: Results, plots: dict) -> str:
    parts = [INTRODUCTION, machine(results), "## What was to be reached\n",
             targets(results)]
    for heading, text, tables, names in SECTIONS:
        body = [table(results, *wanted) for wanted in tables]
        body += [f"![{plots[name][0]}]({PLOTS}/{name})\n" for name in names if name in plots]
        if any(body):
            text += "".join(more for where, name, system, more in EXPLANATIONS
                            if where == heading and results.select(name, system))
            parts += [f"## {heading}\n", text + "\n", *filter(None, body)]
    parts += ["## The systems\n", notes(results)]
    return "\n".join(parts)


INTRODUCTION = """# Benchmarks

This page is made from `bench/results.jsonl`, which has every single measurement; a test
makes it again and compares. To repeat the run, on any Debian 12: `make bench`, or
`QUICK=1 make bench` for a first look. See [bench/README.md](../bench/README.md).

All systems ran in one run on one private PostgreSQL with its default durability (fsync
and synchronous_commit on), in turns; each repetition began with another system. A
CHECKPOINT came before each turn, and each turn had a fresh database. A job has about a
hundred bytes and its handler does nothing. Every job's outcome was counted afterwards: a
system that lost or doubled one would have failed the run. Figures are medians; the
smallest and the largest stand in brackets. A ratio is the median of the repetitions'
ratios, for the machine is not as fast in each of them; of slices, each repetition's worst
one counts.
"""


def machine(results: Results) -> str:
    runs = results.select("run")
    if not runs:
        return ""
    run = runs[-1]
    about = run.context["machine"]
    versions = ", ".join(f"{name} {version}"
                         for name, version in run.context["versions"].items())
    settings = ", ".join(f"{name} = {value}"
                         for name, value in run.context["settings"].items())
    return (f"Machine: {about['processor']}, {about['cores']} cores,"
            f" {about['memory_gib']} GiB of memory, {about['system']}, Linux"
            f" {about['kernel']}.\n\nVersions: {versions}.\n\nSettings of the server that"
            f" are not its defaults: {settings}.\n\nThe run took {run.value / 60:.0f}"
            f" minutes, with {run.context['repetitions']} repetitions. The load average"
            f" of the minute before was {run.context['load_before']:g}.\n")


def targets(results: Results) -> str:
    rows = ["| | figure | wanted | reached |", "|---|---|---|---|"]
    for target in judge(results):
        sign = "at most" if target.at_most else "at least"
        figure = "not measured" if target.figure is None else f"{target.figure:.2f}"
        reached = {True: "yes", False: "no", None: ""}[target.reached]
        rows.append(f"| {target.name} | {figure} | {sign} {target.bound:,g} | {reached} |")
    return "\n".join(rows) + "\n"


def table(results: Results, name: str, columns: str, systems=None) -> str:
    """A row a system, a column a size; empty where nothing was measured."""
    sizes = results.sizes(name)
    if not sizes:
        return ""
    unit = results.select(name)[0].unit
    head = [columns.format(size) if "{" in columns else columns for size in sizes]
    rows = [f"| {name}, {unit} | " + " | ".join(head) + " |", "|---" * (len(sizes) + 1) + "|"]
    for system in systems or results.systems(name):
        cells = [cell(results.values(name, system, size)) for size in sizes]
        rows.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def cell(values: list) -> str:
    if not values:
        return ""
    middle, low, high = statistics.median(values), min(values), max(values)
    if len(values) == 1:
        return figure(middle)
    return f"**{figure(middle)}** ({figure(low)} – {figure(high)})"


def figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def notes(results: Results) -> str:
    there = {m.system for m in results.all}
    return "\n".join(f"- {name}: {text}." for name, text in NOTES.items()
                     if name in there) + "\n"


# -- its sections: heading, text, [(measurement, heading of a column)], [plots] ------------

SECTIONS = [
    ("Push", "Many jobs at once, a thousand in a transaction; with unique keys, each job"
     " has one of its own. libpawl and the Node peers push on two connections, the SQL queues"
     " on one.",
     [("push", "{:,} jobs"), ("push, unique keys", "{:,} jobs")],
     ["push.svg"]),
    ("Single push", "One job a transaction. SQL functions and the one-row INSERT, which is"
     " the floor, are driven by pgbench; the others by their own libraries.",
     [("single push", "{} at once")], ["single.svg"]),
    ("Drain", "Jobs that are ready, run by one worker process: from its start until every"
     " result is stored.",
     [("drain", "{:,} jobs"), ("drain of very many", "{:,} ready"),
      ("drain beside others", "{:,} jobs"), ("drain without others", "{:,} jobs"),
      ("drain beside others: CPU", "{:,} jobs"), ("drain without others: CPU", "{:,} jobs"),
      ("drain: peak memory", "{:,} jobs")],
     ["drain.svg"]),
    ("Latency", "From the return of the pusher's COMMIT to the handler's first instruction"
     " in another process, at 100 jobs a second.",
     [(f"latency p{p}", "{:,} jobs") for p in (50, 95, 99)], ["latency.svg"]),
    ("While other transactions stay open", "Jobs are pushed and drained in slices by one"
     " worker that runs all the time, undisturbed, in turns with the same while a REPEATABLE"
     " READ reader of the system's tables stays open throughout; then some slices before a"
     " transaction that pushes begins, those of the minute for which it stays open, and the"
     " two after its end: in them a claim walks once over all that was taken meanwhile, for"
     " what was pushed late may stand between. Stolen is what the host gave to others of the"
     " processors' time while a slice ran: such a slice says less.",
     [(f"{name}{what}", "{:,} jobs") for what in ("", ": CPU", ": stolen") for name in
      (SLICES, SLICES_HELD, WRITER_TO_COME, WRITER_OPEN, WRITER_OVER)], ["slices.svg"]),
    ("What a job costs", "WAL of the system's statements, and processor time of all"
     " processes of the server.",
     [("push: WAL", "{:,} jobs"), ("drain: WAL", "{:,} jobs"), ("push: CPU", "{:,} jobs"),
      ("drain: CPU", "{:,} jobs"), ("drain: jobs a claim", "{:,} jobs"),
      ("drain: jobs a settle", "{:,} jobs")], []),
    ("The Node peers as they come", "In their default configuration, one job at a time; a"
     " few jobs, because they are slow so.",
     [("push, defaults", "{:,} jobs"), ("drain, defaults", "{:,} jobs")], []),
    ("Results of a batch", "Each completes a job that runs and counts it, one a"
     " transaction: by the batch that the job is in; not at all; by a statement that raises"
     " a counter in one row; by SELECT … FOR UPDATE and an UPDATE from the client.",
     [("results of a batch", "{} sessions"), ("results of a batch: CPU", "{} sessions")],
     []),
    ("Groups", "Very many groups with one job each, the first fifty of them busy. A look for"
     " work; a look that finds nothing, for none of them is due; and on one connection the"
     " way of a group through taking, dispatch, completion and giving back.",
     [(f"groups: {what}", "{:,} groups") for what in
      ("finding 50", "500 looks in vain", "taken, run and given back", "CPU")], []),
    ("What an idle worker costs", "A worker that has nothing to do.",
     [(f"idle: {what}", "") for what in
      ("transactions", "CPU of the worker", "CPU of the server", "memory")], []),
    ("Programs as handlers", "The same program, as often, as many at a time.",
     [("exec handlers", "{:,} runs")], []),
    ("Logs", "Lines of 80 bytes from one handler: how many a second are stored when 120,000"
     " are offered, what a line costs, and a drain by one worker, in parts beside 20,000 lines"
     " a second and parts without, in turns.",
     [("log lines", "{:,} lines"), ("log lines: WAL", "{:,} lines"),
      ("log lines: CPU", "{:,} lines"), ("drain beside log lines", "{:,} jobs"),
      ("drain without log lines", "{:,} jobs")], []),
]

# What is said of a section besides when this was measured: heading, measurement, system.
EXPLANATIONS = [
    ("Drain", "drain without others", "pawl", " Beside others: a million scheduled jobs and"
     " a million in a paused queue that the worker names too; without: in a database that"
     " has none, in turns with it. The others were vacuumed and analyzed after they were"
     " inserted, or autovacuum would do that beside a drain."),
    ("Results of a batch", "results of a batch", FLOOR, " A bare one-row INSERT shows what so"
     " many sessions cost PostgreSQL itself here. Each session has done six before the"
     " measurement begins: the first loads the catalog and compiles the functions, which"
     " takes as long as twenty others, and a session lasts."),
]


# -- the plots ------------------------------------------------------------------------------

def make_plots(results: Results):
    """(file name, (title, text)) of each plot that there are measurements for."""
    for name, measured, size, title in (
            ("push.svg", "push", None, "bulk push, jobs a second"),
            ("single.svg", "single push", 1, "single push from one connection, jobs a second"),
            ("drain.svg", "drain", None, "drain, jobs a second"),
            ("latency.svg", "latency p99", None, "latency, 99 of 100 jobs, ms")):
        found = median_bars(results, measured, size)
        if found:
            yield name, (title, bars(title, found))
    found = slice_lines(results)
    if found:
        size = results.sizes(SLICES)[0]
        title = f"push and drain in slices of {size:,} jobs, jobs a second"
        yield "slices.svg", (title, lines(title, found, "slice; dashed: a snapshot is held"))


def median_bars(results: Results, name: str, size) -> list:
    """At one size: what was told, or the largest that the most systems were measured at."""
    sizes = results.sizes(name)
    if not sizes:
        return []
    if size is None:
        size = max(sizes, key=lambda s: (len({m.system for m in
                                              results.select(name, size=s)}), s))
    found = []
    for system in results.systems(name):
        values = results.values(name, system, size)
        if values:
            found.append(Bar(system, statistics.median(values), min(values), max(values)))
    return sorted(found, key=lambda bar: -bar.value)


def slice_lines(results: Results) -> list:
    found = []
    for system in results.systems(SLICES):
        for name in (SLICES, SLICES_HELD):
            values = list(slice_medians(results, name, system).values())
            if values:
                held = name == SLICES_HELD
                found.append(Line(system + (", held" if held else ""), values, held))
    return found
