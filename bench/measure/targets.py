"""What is to be reached, and whether it was: figures of one run against each other."""

from typing import NamedTuple, Optional

from .record import Results

NODE_PEERS = ("graphile-worker", "pg-boss")
# Not in graphile-worker's documentation; measured where it may be the faster one.
LARGE_QUEUE = "graphile-worker (queue of 5,000)"
FLOOR = "one-row INSERT"


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


def ratio(a, b):
    return None if a is None or not b else a / b


def best(results: Results, name: str, size) -> Optional[float]:
    medians = [results.median(name, system, size) for system in NODE_PEERS]
    return max((m for m in medians if m is not None), default=None)


DRAIN = "drain / graphile-worker"  # before there are sizes
HELD = "slices, snapshot held"


def throughput(results: Results) -> list:
    """Drains against graphile-worker's, at each size that it was measured at."""
    sizes = sorted({m.size for m in results.select("drain", "graphile-worker")}) or [0]
    return [Target(f"drain of {size:,} jobs / {peer}" if size else DRAIN,
                   ratio(results.median("drain", "pawl", size),
                         results.median("drain", peer, size)), 2.2)
            for peer in graphiles(results, "drain") for size in sizes]


def graphiles(results: Results, name: str) -> list:
    """graphile-worker, and with the large queue where that was measured."""
    return ["graphile-worker", *[LARGE_QUEUE] * bool(results.select(name, LARGE_QUEUE))]


def pushes(results: Results) -> list:
    size = min(results.sizes("push, unique keys"), default=None)
    own = results.median("push", "pawl", size)
    keyed = results.median("push, unique keys", "pawl", size)
    found = [
        Target("bulk push / best npm peer", ratio(own, best(results, "push", size)), 1.5),
        Target("bulk push with unique keys / without", ratio(keyed, own), 0.5),
        Target("bulk push with unique keys / best npm peer's",
               ratio(keyed, best(results, "push, unique keys", size)), 1.0),
    ]
    for connections in (1, 4):
        found.append(Target(
            f"single push, {connections} connection{'s' * (connections > 1)} /"
            " one-row INSERT",
            ratio(results.median("single push", "pawl, SQL function", connections),
                  results.median("single push", "one-row INSERT", connections)), 0.75))
    return found


def slice_medians(results: Results, name: str, system: str, **context) -> dict:
    """{slice: median over the repetitions}"""
    numbers = {m.context["slice"] for m in results.select(name, system, **context)}
    return {n: results.median(name, system, slice=n, **context) for n in sorted(numbers)}


def steadiness(results: Results) -> list:
    undisturbed = results.median("slices", "pawl")
    held = slice_medians(results, HELD, "pawl")
    writer = slice_medians(results, "slices, writer open", "pawl", open=True)
    many = results.sizes("drain of very many")
    small = min(results.sizes("drain beside others"), default=None)
    usual = results.median("drain", "pawl", small)
    without = results.median("drain without others", "pawl", small) or usual
    return [
        Target("slowest slice, snapshot held / undisturbed median",
               ratio(min(held.values(), default=None), undisturbed), 0.8),
        *[Target(f"last slice, snapshot held / {possessive(peer)}",
                 last_slices(held, slice_medians(results, HELD, peer)), 8.0)
          for peer in graphiles(results, HELD)],
        Target("slowest slice, writer open / undisturbed median",
               ratio(min(writer.values(), default=None), undisturbed), 0.8),
        *[Target(f"CPU of the dearest slice, {what} / undisturbed median",
                 ratio(max(slice_medians(results, f"slices, {what}: CPU", "pawl",
                                         **context).values(), default=None),
                       results.median("slices: CPU", "pawl")), 1.25, True)
          for what, context in (("snapshot held", {}), ("writer open", {"open": True}))],
        Target(f"drain with {max(many, default=0):,} ready / usual",
               ratio(results.median("drain of very many", "pawl"), usual), 0.8),
        Target("drain beside scheduled and paused jobs / usual",
               ratio(results.median("drain beside others", "pawl"), without), 0.9),
    ]


def last_slices(own: dict, peer: dict) -> Optional[float]:
    return ratio(own[max(own)], peer[max(peer)]) if own and peer else None


def possessive(system: str) -> str:
    name, _, how = system.partition(" ")
    return f"{name}'s {how}".rstrip()


def responses(results: Results) -> list:
    return [Target(f"latency p{percentile}, ms",
                   results.median(f"latency p{percentile}", "pawl"), bound, True)
            for percentile, bound in ((50, 1.0), (99, 3.0))]


def batches(results: Results) -> list:
    def rate(way, sessions):
        return results.median("results of a batch", way, sessions)

    def kept(way):
        return ratio(rate(way, 64), rate(way, 8))

    floor = kept(FLOOR)
    return [
        Target("results of a batch, 64 sessions / 8 sessions", kept("a batch"), 1.0),
        *([Target("the same, relative to one-row INSERTs", ratio(kept("a batch"), floor), 1.0)]
          if floor else []),
        Target("results of a batch, 64 sessions / a counter in one row",
               ratio(rate("a batch", 64), rate("one row, one statement", 64)), 2.0),
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
    bare = results.median("exec handlers", "posix_spawn loop")
    return [
        Target("WAL of a job, bytes", None if None in wal else sum(wal), 1250, True),
        Target("statements beside claims and settles, for each of them",
               min(others, default=None), 0.1, True),
        Target("idle worker, transactions a second",
               results.median("idle: transactions", "pawl"), 2.0, True),
        Target("idle worker, MiB of memory", results.median("idle: memory", "pawl"), 16.0,
               True),
        Target("exec handlers / posix_spawn loop",
               ratio(results.median("exec handlers", "pawl"), bare), 0.8),
        Target("log lines stored in a second", results.median("log lines", "pawl"),
               100_000),
        Target("drain beside 20,000 log lines a second / without",
               ratio(results.median("drain beside log lines", "pawl"),
                     results.median("drain without log lines", "pawl")), 0.9),
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
