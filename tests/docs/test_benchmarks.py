"""docs/benchmarks.md says what was measured, and nothing else.

Guards against figures that were typed, edited or left over from an older run, and
against a lock file that leads to somebody's private registry.
"""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from measure import document, record, targets  # noqa: E402
from measure.systems import SYSTEMS  # noqa: E402

RESULTS = ROOT / "bench" / "results.jsonl"
DOCS = ROOT / "docs"
MACHINE = {"machine": {"processor": "abacus", "cores": 2, "memory_gib": 4, "kernel": "6.1",
                       "system": "Debian"}, "versions": {"Pawl": "1"}, "settings": {}}


def measured(name, system, values, size=1000, unit="jobs/s", **context):
    return [record.Measurement(name, system, size, n, value, unit, context)
            for n, value in enumerate(values, 1)]


SAMPLE = [
    *measured("drain", "graphile-worker", [50, 40, 60]),
    *measured("drain", "pawl", [100, 121, 110], others=0, claims=5, settles=5),
    *measured("push", "pawl", [300, 300, 300]),
    *measured("latency p50", "pawl", [0.5, 0.7, 2.5], unit="ms"),
    *[m for n, rate in enumerate([90, 80, 95], 1) for m in
      measured("slices", "pawl", [rate], slice=n)
      + measured("slices, snapshot held", "pawl", [rate / 2], slice=n)],
    *[m for n, rate in enumerate([90, 80, 60, 8], 1) for m in
      measured("slices, writer to come", "pawl", [100, 50, 25], slice=-n)
      + measured("slices, writer open", "pawl", [rate, rate / 2, rate / 4][:1 if n > 3 else 3],
                 slice=n)],
    *measured("run", "all", [600], 0, "s", repetitions=3, load_before=0.1, **MACHINE),
]


def test_what_is_committed_was_made_from_the_results():
    """Before the first whole run there is neither results nor document."""
    assert RESULTS.exists() == (DOCS / "benchmarks.md").exists()
    made = document.make(record.read(RESULTS)) if RESULTS.exists() else {}
    plots = sorted(path.relative_to(DOCS).as_posix()
                   for path in DOCS.glob(f"{document.PLOTS}/*"))
    assert plots == sorted(name for name in made if name.startswith(f"{document.PLOTS}/"))
    for name, text in made.items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, \
            f"{name} is not what bench/results.jsonl makes"


def test_the_document_has_median_minimum_and_maximum():
    page = document.make(SAMPLE)["benchmarks.md"]
    assert "| graphile-worker | **50** (40 – 60) |" in page
    assert "| pawl | **110** (100 – 121) |" in page
    assert "abacus" in page


def test_a_changed_result_changes_the_document():
    changed = [m._replace(value=m.value + 1) if m.name == "drain" else m for m in SAMPLE]
    assert document.make(changed) != document.make(SAMPLE)


def test_the_same_results_make_the_same_bytes():
    assert document.make(SAMPLE) == document.make(list(SAMPLE))


def test_every_plot_is_well_formed_and_shown():
    made = document.make(SAMPLE)
    plots = [name for name in made if name.endswith(".svg")]
    assert {"benchmarks/drain.svg", "benchmarks/slices.svg"} <= set(plots)
    for name in plots:
        assert ElementTree.fromstring(made[name]).tag.endswith("svg")
        assert f"]({name})" in made["benchmarks.md"]


@pytest.mark.parametrize("name, figure, reached", [
    ("drain of 1,000 jobs / graphile-worker", 2.0, False),
    ("latency p50, ms", 0.7, True),
    ("slowest slice, snapshot held / undisturbed median", 40 / 90, False),
    ("slowest slice, writer open / undisturbed median", 0.6, False),
    ("latency p99, ms", None, None),
])
def test_targets_are_judged_by_medians(name, figure, reached):
    """A ratio by that of the repetitions: 110 / 50 was never measured side by side."""
    judged = {t.name: t for t in targets.judge(record.Results(SAMPLE))}
    assert judged[name].figure == (figure if figure is None else pytest.approx(figure))
    assert judged[name].reached is reached


def test_the_verdict_counts_what_was_reached():
    said = targets.verdict(record.Results(SAMPLE))
    assert said["reached"] == sum(t["reached"] for t in said["targets"])
    assert said["of"] == len(said["targets"]) + len(said["not_measured"])


@pytest.mark.parametrize("arguments, status, words", [
    (["--help"], 0, "QUICK=1"), (["--list"], 0, "throughput"),
    (["no-such-part"], 2, "no-such-part")])
def test_the_program_says_what_it_takes(arguments, status, words):
    done = subprocess.run([ROOT / "bench" / "run", *arguments], text=True,
                          capture_output=True)
    assert done.returncode == status and words in done.stdout + done.stderr


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_worker_without_a_file_of_stamps_is_told_so(system):
    """Guards against the word after it being taken for the file: the peers then wrote
    a line a job, and were slow by it."""
    words = system.steady(1000)[len(system.work):]
    assert words == ["1000", "-", *system.last]


def locked():
    return (ROOT / "bench" / "peers" / "package-lock.json").read_text()


def addresses(text):
    return re.findall(r'"resolved"|\w+://|\bgit\+|\bfile:', text)


def test_the_lock_file_has_hashes_and_no_addresses():
    packages = {name: package for name, package in json.loads(locked())["packages"].items()
                if name}
    assert packages and all("integrity" in package for package in packages.values())
    assert addresses(locked()) == []


def test_an_address_is_seen():
    assert addresses('"resolved": "https://registry.example/x.tgz"')


def test_the_lock_file_has_the_versions_that_were_asked_for():
    asked = json.loads((ROOT / "bench" / "peers" / "package.json").read_text())
    packages = json.loads(locked())["packages"]
    for name, version in (asked["dependencies"] | asked["optionalDependencies"]).items():
        assert packages[f"node_modules/{name}"]["version"] == version
