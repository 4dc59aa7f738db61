"""What is measured, in which sizes, and by how many repetitions."""

from dataclasses import dataclass
from typing import Callable

from . import (backlog, batches, groups, handlers, idle, latency, logs, single, slices,
               throughput)
from .names import LARGE_QUEUE, NODE_PEERS, SLICES, SLICES_HELD
from .systems import SYSTEMS, there_is
from .turn import Bench


@dataclass(frozen=True)
class Sizes:
    repetitions: int
    small: int           # bulk push and drain
    large: int
    huge: int            # ready at once
    beside: int          # scheduled, and as many paused
    slice_jobs: int
    slice_count: int     # of Pawl and graphile-worker, held; half of it undisturbed and
                         # before a writer, and a quarter by the others
    writer_s: int
    single_s: int
    latency_s: int
    idle_s: int
    handlers: int
    lines: int           # of logs
    beside_lines: int    # jobs of each part of a drain beside logs
    results: int         # into one batch; divided by 64
    groups: int          # with one job each
    defaults: int        # jobs, for a peer's default configuration
    slow_defaults: int   # for pg-boss's: one job at each poll


FULL = Sizes(repetitions=3, small=200_000, large=1_000_000, huge=10_000_000,
             beside=1_000_000, slice_jobs=50_000, slice_count=20, writer_s=60, single_s=2,
             latency_s=10, idle_s=6, handlers=10_000, lines=1_000_000,
             beside_lines=80_000, results=9_600, groups=100_000, defaults=10_000,
             slow_defaults=5)
QUICK = Sizes(repetitions=1, small=50_000, large=200_000, huge=400_000,
              beside=50_000, slice_jobs=20_000, slice_count=5, writer_s=5, single_s=1,
              latency_s=3, idle_s=4, handlers=1_000, lines=200_000, beside_lines=20_000,
              results=3_200, groups=20_000, defaults=1_000, slow_defaults=3)
# For the harness itself: whether it works, whatever the figures.
TINY = Sizes(repetitions=1, small=2_000, large=3_000, huge=5_000, beside=1_000,
             slice_jobs=1_000, slice_count=3, writer_s=1, single_s=1, latency_s=1,
             idle_s=1, handlers=20, lines=2_000, beside_lines=1_000, results=128, groups=600,
             defaults=50, slow_defaults=2)


@dataclass(frozen=True)
class Part:
    """One entry of the plan; `seconds`: what it takes in a full run, about."""

    name: str
    seconds: int
    measure: Callable


def by_name(names, chosen: list) -> list:
    return [system for system in chosen if system.name in names]


def make_plan(sizes: Sizes, systems: list) -> list:
    """[Part]; the last are left out when a run takes too long."""
    best = [system for system in systems if "(" not in system.name]
    pawl = by_name(("pawl",), systems)
    keyed = by_name(("pawl", "pawl from Node", *NODE_PEERS), systems)
    deep = by_name(("pawl", "graphile-worker"), systems)
    others = [s for s in best if s not in deep and s.name != "pawl from Node"]
    served = [s for s in best if s.name != "pawl from Node"]
    large_queue = by_name((LARGE_QUEUE,), systems)
    drained = best + large_queue
    drained_large = deep + large_queue
    workers = by_name(("pawl", *NODE_PEERS), systems)
    plan = []

    def part(name: str, seconds: int, chosen: list, measure: Callable):
        if chosen:
            plan.append(Part(name, seconds, measure))

    part("throughput", 155, drained,
         lambda b: throughput.push_and_drain(b, drained, sizes.small))
    part("large", 330, drained_large,
         lambda b: throughput.push_and_drain(b, drained_large, sizes.large))
    part("keys", 60, keyed, lambda b: throughput.push_keyed(b, keyed, sizes.small))
    part("single", 130, best, lambda b: single.push_single(b, best, sizes.single_s))
    part("latency", 130, served, lambda b: latency.latency(b, served, sizes.latency_s))
    held_count, count, few = (max(1, sizes.slice_count // n) for n in (1, 2, 4))
    for seconds, chosen in (
            (600, [turn for system in deep for turn in
                   ((SLICES, system, count), (SLICES_HELD, system, held_count))]
             + [(SLICES_HELD, system, held_count) for system in large_queue]),
            (110, [(name, system, few) for system in others
                   for name in (SLICES, SLICES_HELD)])):
        part("slices", seconds, chosen, lambda b, chosen=chosen: slices.slices(
            b, chosen, sizes.slice_jobs))
    for system in pawl:
        part("writer", 225, pawl, lambda b: slices.slices_beside_writer(
            b, system, sizes.slice_jobs, count, sizes.writer_s))
        part("beside", 35, pawl, lambda b: backlog.drain_beside(
            b, system, sizes.beside, sizes.small))
        part("exec", 30, pawl, lambda b: handlers.exec_handlers(b, system, sizes.handlers))
        part("logs", 30, pawl, lambda b: logs.alone(b, system, sizes.lines))
        part("logs", 90, pawl, lambda b: logs.beside_drain(b, system, sizes.beside_lines))
        part("groups", 60, pawl, lambda b: groups.groups(b, system, sizes.groups))
        part("huge", 120, pawl, lambda b: backlog.drain_of_many(
            b, system, sizes.huge, sizes.large))
        part("batches", 230, pawl, lambda b: batches.results(b, system, sizes.results))
    part("idle", 155, workers, lambda b: idle.idle(b, workers, sizes.idle_s))
    part("defaults", 45, systems, lambda b: defaults(b, systems, sizes))
    return plan


def defaults(bench: Bench, systems: list, sizes: Sizes) -> None:
    """The peers as they come."""
    for name, jobs in (("graphile-worker (defaults)", sizes.defaults),
                       ("pg-boss (defaults)", sizes.slow_defaults)):
        throughput.push_and_drain(bench, by_name((name,), systems), jobs, ", defaults")


def choose_systems(names: list) -> list:
    there = [system for system in SYSTEMS if there_is(system)]
    return [system for system in there if not names or system.name in names]
