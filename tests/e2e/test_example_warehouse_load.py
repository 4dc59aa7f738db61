"""The example warehouse-load, as `make demo` runs it, without a terminal.

Guards against report 002: batches of one stream that are loaded by two consumers, out of
order or twice, because the one that was thought dead goes on; a second sink that gets
what the first never had; and an example that would not notice.
"""

import json
import re

import pytest
from harness.example import Runner

MEMBERS = ["example", "packages", "sections", "batches", "jobs", "in_flight", "taken_over",
           "recovery_ms", "deadlocks", "lock_timeouts", "digest"]
LEASE_MS = 2000

pytestmark = pytest.mark.deadline(300)


@pytest.fixture
def runner():
    example = Runner("warehouse-load")
    yield example
    example.remove()


def test_both_sinks_equal_the_source(runner):
    """With a worker killed, one stopped and one drained."""
    code, out, err = runner.run()
    assert code == 0, err
    lines = out.splitlines()
    last = json.loads(lines[-1])
    print(last)
    assert list(last) == MEMBERS
    assert last["packages"] > 100 and last["sections"] > 5
    assert last["jobs"] == 2 * last["batches"] and f"jobs {last['jobs']}/{last['jobs']}" in err
    assert last["in_flight"] >= min(16, last["sections"])
    assert last["taken_over"] >= 4
    assert LEASE_MS / 3 < last["recovery_ms"] < 60_000
    assert (last["deadlocks"], last["lock_timeouts"]) == (0, 0)
    assert re.fullmatch("[0-9a-f]{64}", last["digest"])
    for fate in ("killed", "stopped", "drained"):
        assert any(line.startswith("worker") and fate in line for line in lines), out
    assert "\033" not in out + err and "\r" not in err
    assert runner.left_over() == []


@pytest.mark.parametrize("file, old, new, complaint", [
    # sink one loses a row; it has a batch twice
    ("load.c", " r RETURNING 1", " r OFFSET 1 RETURNING 1", "the table: .* rows"),
    ("load.c", "FROM batch)\"\n", "FROM batch, generate_series(1, 2))\"\n", "the table: the batches"),
    # sink two writes other files; without its group it is not in order
    ("replicate", "{batch:04}", "{batch:05}", "files are wanted"),
    ("load.c", "'files/' ||", "'files/' || (args->>'batch') ||", "out of order|began before"),
])
def test_a_wrong_sink_is_found_out(runner, tmp_path, file, old, new, complaint):
    """The checking is real."""
    copied = runner.copy(tmp_path, file, old, new)
    code, out, err = runner.run("--calm", "--packages", 150, example=copied)
    assert code == 1 and re.search(complaint, err.partition("\nfailed: ")[2]), err
    assert '"digest"' not in out
    assert runner.left_over() == []
