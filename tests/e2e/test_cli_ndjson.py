"""`pawl push --ndjson`: many jobs from a file."""

import csv
import io
import json
import os
import subprocess

from harness.paths import program
from harness.program import environment, run_pawl


def load(db, lines, *args, check=0):
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    return run_pawl(db, "push", "--ndjson", "-", *args, input=text, check=check)


def job(n):
    return {"kind": "k", "args": {"n": n}}


def numbers(api):
    rows = api.query("SELECT (args->>'n')::int AS n FROM pawl.job ORDER BY id")
    return [row.n for row in rows]


def test_ids_come_in_the_order_of_the_lines(db, api):
    """The bug: the ids cannot be told to whom they belong.  More than one batch."""
    ids = [int(line) for line in load(db, [job(n) for n in range(2500)]).stdout.split()]
    found = api.query("SELECT id, (args->>'n')::int AS n FROM pawl.job")
    assert {ids[row.n]: row.id for row in found} == {i: i for i in ids}
    assert len(ids) == 2500


def test_every_member_is_taken(db, api):
    """The bug: a member of a line is read and lost."""
    line = {"kind": "m", "args": [1, "ü"], "queue": "q", "priority": 9,
            "run_at": "2040-01-01T00:00:00Z", "max_attempts": 3, "timeout": "90s",
            "meta": {"a": 1}, "unique_key": "ä", "unique_until": "start",
            "group_key": "ü/g", "run_key": -7}
    row = api.job(int(load(db, [line]).stdout))
    assert (row.kind, row.args, row.queue, row.priority) == ("m", [1, "ü"], "q", 9)
    assert (row.run_at.year, row.max_attempts, row.meta) == (2040, 3, {"a": 1})
    assert row.timeout.total_seconds() == 90
    assert (row.unique_key, row.unique_until) == ("ä", "start")
    assert (row.state, row.group_key, row.run_key) == ("waiting", "ü/g", -7)


def test_keys_that_have_a_live_job(db, api):
    """The bug: a key that has a job already is an error, or shifts the ids; nobody is
    told that fewer jobs were made than there are lines.  1,000 lines are a transaction, so
    the key of the last line is found in another."""
    lines = [job(n) | {"unique_key": f"key {n % 600}"} for n in range(1000)]
    lines += [job(-1), job(0) | {"unique_key": "key 0"}]
    result = load(db, lines, "-o", "jsonl")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["line"] for row in rows] == list(range(1, 1003))
    assert [row["created"] for row in rows] == [True] * 600 + [False] * 400 + [True, False]
    assert [row["job"] for row in rows[600:1000]] == [row["job"] for row in rows[:400]]
    assert rows[1001]["job"] == rows[0]["job"]
    assert "401 lines have a key that a live job has already" in result.stderr
    assert "pushed 601 jobs" in result.stderr
    assert sorted(numbers(api)) == [-1, *range(600)]
    assert load(db, lines[:2]).stdout.split() == [str(row["job"]) for row in rows[:2]]


def test_a_bad_line_stops_with_its_number(db, api):
    """The bug: a bad line is told without its number, or what stands before it is lost,
    or pushed twice by whoever begins anew."""
    lines = [job(n) for n in range(1, 1300)] + ["{\"kind\": \n"] + [job(9999)]
    result = load(db, lines, check=1)
    assert "pawl: error: line 1300: it is not JSON" in result.stderr
    assert "pushed 1299 jobs, up to line 1299" in result.stderr
    assert numbers(api) == list(range(1, 1300))
    assert len(result.stdout.split()) == 1299


def test_what_the_server_refuses_takes_no_other_with_it(db, api):
    """The bug: one bad row of a thousand takes the other 999 with it, or stops them at an
    unknown place.  The bad ones pass every check of the program: a NUL in a string, args
    that are too large as the server stores them."""
    large = {"kind": "k", "args": {"n": -1, "x": ["a,"] * 200000}}
    lines = [job(n) for n in range(1, 301)]
    lines[16] = '{"kind": "k", "args": {"n": 1e999999}}\n'
    lines[200] = large
    lines[299] = '{"kind": "k", "args": {"n": 1e999999}}\n'
    result = load(db, lines, "--on-error", "skip", check=1)
    for number in (17, 201, 300):
        assert f"pawl: error: line {number}: " in result.stderr
    assert "pushed 297 jobs, skipped 3 lines" in result.stderr
    assert numbers(api) == [n for n in range(1, 301) if n not in (17, 201, 300)]
    stopped = load(db, lines, check=1)
    assert "pawl: error: line 17: " in stopped.stderr
    assert "pushed 16 jobs, up to line 16" in stopped.stderr


def test_skip_leaves_out_what_the_program_refuses(db, api):
    """The bug: --on-error skip works for the server's errors alone."""
    lines = [job(1), "[]\n", "\n", {"kind": "k", "prio": 1}, "x" * (5 << 20) + "\n", job(2),
             job(3) | {"unique_key": "ä" * 128}, job(4) | {"unique_until": "now"},
             job(5) | {"group_key": ""}, job(6) | {"group_key": "g", "run_key": 1.5},
             job(7) | {"run_key": 1}]
    result = load(db, lines, "--on-error", "skip", check=1)
    assert "line 2: it is not a JSON object" in result.stderr
    assert 'line 4: unknown member "prio"' in result.stderr
    assert "line 5: it is longer than the limit of 4194304 bytes" in result.stderr
    assert 'line 7: "unique_key" must have 1 to 255 bytes, not 256' in result.stderr
    assert 'line 8: "unique_until" must be "end" or "start"' in result.stderr
    assert 'line 9: "group_key" must have 1 to 255 bytes, not 0' in result.stderr
    assert 'line 10: "run_key" must be a whole number' in result.stderr
    assert 'line 11: "run_key" needs a "group_key"' in result.stderr
    assert numbers(api) == [1, 2]


def test_a_line_cannot_smuggle_jobs(db, api):
    """The bug: lines are pasted into one JSON text, so a line that is two values becomes
    two jobs and shifts the ids of the others."""
    lines = [job(1), '{"kind": "k", "args": 1e999999}, {"kind": "evil"}\n', job(2)]
    load(db, lines, "--on-error", "skip", check=1)
    assert numbers(api) == [1, 2]


def test_formats_name_the_line(db):
    """The bug: after a skip the ids cannot be matched with the lines any more."""
    lines = [job(1), "x\n", job(2)]
    out = load(db, lines, "--on-error", "skip", "-o", "csv", check=1).stdout
    assert [row["line"] for row in csv.DictReader(io.StringIO(out))] == ["1", "3"]
    out = load(db, lines, "--on-error", "skip", "-o", "jsonl", check=1).stdout
    assert [json.loads(line)["line"] for line in out.splitlines()] == [1, 3]
    assert json.loads(load(db, [], "-o", "json").stdout) == []


def test_memory_is_constant(db, tmp_path):
    """The bug: the file is read whole.  A file of 200 MB within 100 MB of memory."""
    file = tmp_path / "large.ndjson"
    filler = "x" * 500_000
    with open(file, "w", encoding="ascii") as out:
        for n in range(400):
            out.write(json.dumps({"kind": "k", "args": {"n": n, "x": filler}}) + "\n")
    ids = tmp_path / "ids"
    with open(ids, "wb") as out:
        process = subprocess.Popen(
            [program(), "push", "--ndjson", file, "--quiet"], env=environment(db), stdout=out
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert len(ids.read_text().split()) == 400
    assert usage.ru_maxrss < 100 * 1024, "in KiB"
