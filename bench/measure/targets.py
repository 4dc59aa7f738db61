"""What is to be reached, and whether it was: figures of one run against each other."""

import statistics
from typing import NamedTuple, Optional

from .names import (FLOOR, LARGE_QUEUE, NODE_PEERS, SLICES, SLICES_HELD, WRITER_OPEN,
                    WRITER_TO_COME)
from .record import Results


class Target(NamedTuple):
    name: str
    figure: Optional[float]  # None: not measured
    bound: float
    at_most: bool = False    # else: at least

    @property
    def reached(self):
        if self.figure is None:
            return None
        return self.figure <= self.bound if self.at_most else self.figure >= self.bound


def judge(results: Results) -> list:
    return [*throughput(results), *pushes(results), *steadiness(results),
            *responses(results), *batches(results), *groups(results), *costs(results)]


def best(results: Results, name: str, size) -> str:
    """The npm peer that is fastest at it."""
    return max(NODE_PEERS, key=lambda system: results.median(name, system, size) or 0)


DRAIN = "drain / graphile-worker"  # before there are sizes
MANY = "drain with very many ready / usual"


def throughput(results: Results) -> list:
    """Drains against graphile-worker's, at each size that it was measured at."""
    sizes = sorted({m.size for m in results.select("drain", "graphile-worker")}) or [0]
    return [Target(f"drain of {size:,} jobs / {peer}" if size else DRAIN,
                   results.ratio(("drain", "pawl", size), ("drain", peer, size)), 2.2)
            for peer in graphiles(results, "drain") for size in sizes]


def graphiles(results: Results, name: str) -> list:
    """graphile-worker, and with the large queue where that was measured."""
    return ["graphile-worker", *[LARGE_QUEUE] * bool(results.select(name, LARGE_QUEUE))]


def pushes(results: Results) -> list:
    size = min(results.sizes("push, unique keys"), default=None)
    plain, keyed = (("push", "pawl", size), ("push, unique keys", "pawl", size))
    found = [
        Target("bulk push / best npm peer",
               results.ratio(plain, ("push", best(results, *plain[::2]), size)), 1.5),
        Target("bulk push with unique keys / without", results.ratio(keyed, plain), 0.5),
        Target("bulk push with unique keys / best npm peer's",
               results.ratio(keyed, (keyed[0], best(results, *keyed[::2]), size)), 1.0),
    ]
    for connections in (1, 4):
        found.append(Target(
            f"single push, {connections} connection{'s' * (connections > 1)} /"
            " one-row INSERT",
            results.ratio(("single push", "pawl, SQL function", connections),
                          ("single push", FLOOR, connections)), 0.75))
    return found


def slice_medians(results: Results, name: str, system: str) -> dict:
    """{slice: median over the repetitions}"""
    numbers = {m.context["slice"] for m in results.select(name, system)}
    return {n: results.median(name, system, slice=n) for n in sorted(numbers)}


def steadiness(results: Results) -> list:
    many = results.sizes("drain of very many")
    small = min(results.sizes("drain beside others"), default=None)
    return [
        Target("slowest slice, undisturbed / undisturbed median",
               worst_slice(results, SLICES, SLICES, min), 0.8),
        Target("slowest slice, snapshot held / undisturbed median",
               worst_slice(results, SLICES_HELD, SLICES, min), 0.8),
        *[Target(f"last slice, snapshot held / {possessive(peer)}",
                 last_slices(results, peer), 8.0) for peer in graphiles(results, SLICES_HELD)],
        Target("slowest slice, writer open / undisturbed median",
               worst_slice(results, WRITER_OPEN, WRITER_TO_COME, min), 0.8),
        *[Target(f"CPU of the dearest slice, {what} / undisturbed median",
                 worst_slice(results, f"{name}: CPU", f"{undisturbed}: CPU", max), 1.25,
                 True)
          for what, name, undisturbed in (("snapshot held", SLICES_HELD, SLICES),
                                          ("writer open", WRITER_OPEN, WRITER_TO_COME))],
        Target(f"drain with {max(many):,} ready / usual" if many else MANY,
               results.ratio(("drain of very many", "pawl"),
                             ("drain", "pawl", min(results.sizes("drain"), default=None))),
               0.8),
        Target("drain beside scheduled and paused jobs / without",
               results.ratio(("drain beside others", "pawl", small),
                             ("drain without others", "pawl", small)), 0.9),
    ]


def worst_slice(results: Results, name: str, undisturbed: str, worst) -> Optional[float]:
    return results.ratio((name, "pawl"), (undisturbed, "pawl"),
                         lambda slices: worst(m.value for m in slices))


def last_slices(results: Results, peer: str) -> Optional[float]:
    def last(slices):
        return max(slices, key=lambda m: m.context["slice"]).value

    return results.ratio((SLICES_HELD, "pawl"), (SLICES_HELD, peer), last, last)


def possessive(system: str) -> str:
    name, _, how = system.partition(" ")
    return f"{name}'s {how}".rstrip()


def responses(results: Results) -> list:
    return [Target(f"latency p{percentile}, ms",
                   results.median(f"latency p{percentile}", "pawl"), bound, True)
            for percentile, bound in ((50, 1.0), (99, 3.0))]


def batches(results: Results) -> list:
    def rate(way, sessions):
        return "results of a batch", way, sessions

    own, uncounted, floor = (results.ratio(rate(way, 64), rate(way, 8))
                             for way in ("a batch", "no counter", FLOOR))
    return [
        Target("results of a batch, 64 sessions / 8 sessions", own, 1.0),
        Target("the same, relative to results that nothing counts",
               own / uncounted if own and uncounted else None, 0.95),
        Target("the same, relative to one-row INSERTs",
               own / floor if own and floor else None, 1.0),
        Target("results of a batch, 64 sessions / a counter in one row",
               results.ratio(rate("a batch", 64), rate("one row, one statement", 64)), 2.0),
    ]


def groups(results: Results) -> list:
    n = max(results.sizes("groups: finding 50"), default=0)
    return [Target(f"{what} among {n:,} groups, ms", results.median(name, "pawl", n), 10.0, True)
            for what, name in (("finding 50", "groups: finding 50"),
                               ("500 looks in vain", "groups: 500 looks in vain"))]


def costs(results: Results) -> list:
    sizes = [m.size for m in results.select("drain: WAL", "pawl")]
    size = min(sizes, default=None)
    wal = [results.median(f"{name}: WAL", "pawl", size) for name in ("push", "drain")]
    drains = results.select("drain", "pawl", size)
    others = [d.context["others"] / max(1, d.context["claims"] + d.context["settles"])
              for d in drains if "others" in d.context]
    beside = [d.context["lines_a_second"]
              for d in results.select("drain beside log lines", "pawl")]
    return [
        Target("WAL of a job, bytes", None if None in wal else sum(wal), 1250, True),
        Target("statements beside claims and settles, for each of them",
               statistics.median(others) if others else None, 0.1, True),
        Target("idle worker, transactions a second",
               results.median("idle: transactions", "pawl"), 2.0, True),
        Target("idle worker, MiB of memory", results.median("idle: memory", "pawl"), 16.0,
               True),
        Target("exec handlers / posix_spawn loop",
               results.ratio(("exec handlers", "pawl"),
                             ("exec handlers", "posix_spawn loop")), 0.8),
        Target("log lines stored in a second", results.median("log lines", "pawl"),
               100_000),
        Target("drain beside 20,000 log lines a second / without",
               results.ratio(("drain beside log lines", "pawl"),
                             ("drain without log lines", "pawl")), 0.9),
        Target("log lines stored in a second beside it, the fewest",
               min(beside, default=None), 19_000),
    ]


def verdict(results: Results) -> dict:
    """The last line of stdout."""
    targets = judge(results)
    measured = [t for t in targets if t.reached is not None]
    return {
        "reached": sum(t.reached for t in measured),
        "of": len(targets),
        "targets": [{"target": t.name, "figure": round(t.figure, 3),
                     "at_most" if t.at_most else "at_least": t.bound,
                     "reached": t.reached} for t in measured],
        "not_measured": [t.name for t in targets if t.reached is None],
    }
