"""Measurements as lines of JSON: one a line, in the order in which they were made."""

import json
import statistics
from pathlib import Path
from typing import NamedTuple


class Measurement(NamedTuple):
    name: str        # "drain"
    system: str      # "pawl"
    size: int        # jobs, unless the name says something else
    repetition: int  # from 1
    value: float
    unit: str        # "jobs/s"
    context: dict    # what is worth knowing beside it


def middle(measurements: list) -> float:
    return statistics.median(m.value for m in measurements)


class Recorder:
    """Writes each measurement at once, so that a run that ends early leaves them."""

    def __init__(self, path: Path):
        self.path = path
        self.made = []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    def add(self, name, system, size, repetition, value, unit, **context):
        value = float(f"{value:.6g}")
        measurement = Measurement(name, system, size, repetition, value, unit, context)
        self.made.append(measurement)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(measurement._asdict(), ensure_ascii=False) + "\n")
        return measurement


def read(path: Path) -> list:
    return [Measurement(**json.loads(line))
            for line in path.read_text(encoding="utf-8").splitlines()]


class Results:
    """Measurements by name, system and size."""

    def __init__(self, measurements: list):
        self.all = list(measurements)

    def select(self, name, system=None, size=None, repetition=None, **context) -> list:
        return [m for m in self.all if m.name == name
                and (system is None or m.system == system)
                and (size is None or m.size == size)
                and (repetition is None or m.repetition == repetition)
                and all(m.context.get(key) == value for key, value in context.items())]

    def values(self, name, system=None, size=None, **where) -> list:
        return [m.value for m in self.select(name, system, size, **where)]

    def median(self, name, system=None, size=None, **where):
        """None where nothing was measured."""
        values = self.values(name, system, size, **where)
        return statistics.median(values) if values else None

    def ratio(self, one: tuple, other: tuple, of_one=middle, of_other=middle):
        """The median over the repetitions of one / other, each (name, system[, size]): the
        machine is not as fast in each of them. of_…: the figure of a repetition's
        measurements. None where no repetition has both."""
        ratios = [of_one(self.select(*one, repetition=n))
                  / of_other(self.select(*other, repetition=n))
                  for n in self.repetitions(*one) if n in self.repetitions(*other)]
        return statistics.median(ratios) if ratios else None

    def repetitions(self, name, system=None, size=None) -> list:
        return sorted({m.repetition for m in self.select(name, system, size)})

    def systems(self, name) -> list:
        """In the order in which they were measured first."""
        return list(dict.fromkeys(m.system for m in self.select(name)))

    def sizes(self, name) -> list:
        return sorted({m.size for m in self.select(name)})
