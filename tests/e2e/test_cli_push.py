"""`pawl push`: one job."""

import csv
import io
import json
from datetime import datetime, timezone

import pytest
from harness.program import run_pawl


def push(db, *args, **options):
    return int(run_pawl(db, "push", *args, **options).stdout)


def test_the_id_is_printed_and_the_defaults_hold(db, api):
    """The bug: the program pushes other defaults than SQL does."""
    job = api.job(push(db, "k"))
    sql = api.job(api.push("k"))
    leave_out = {"id", "pushed_at"}
    assert {n: v for n, v in job._asdict().items() if n not in leave_out} == {
        n: v for n, v in sql._asdict().items() if n not in leave_out
    }


def test_every_option_reaches_its_member(db, api):
    """The bug: an option is taken and does nothing."""
    job = api.job(
        push(db, "mail", '{"to": "ä"}', "-q", "slow", "-p", "0", "--at",
             "2040-01-01T10:00:00+02:00", "--max-attempts", "7", "--timeout", "0", "--meta",
             "[1]")
    )
    assert (job.kind, job.args, job.queue, job.priority) == ("mail", {"to": "ä"}, "slow", 0)
    assert job.run_at == datetime(2040, 1, 1, 8, tzinfo=timezone.utc)
    assert (job.max_attempts, job.timeout.total_seconds(), job.meta) == (7, 0, [1])
    assert job.state == "scheduled"


def test_in_counts_on_the_servers_clock(db, api):
    """The bug: --in by the client's clock, which may be hours off."""
    job = api.job(push(db, "k", "--in", "2h"))
    seconds = (job.run_at - job.pushed_at).total_seconds()
    assert 7199 < seconds <= 7200
    assert api.state(push(db, "k", "--in", "0")) == "ready"


@pytest.mark.parametrize(
    "value", ["null", "1e400", "12345678901234567890123.5", '"text"', "[]", '{"a": [{}]}']
)
def test_args_are_any_json_exactly(db, api, value):
    """The bug: arguments go through a double, or must be an object."""
    job = push(db, "k", value)
    same = api.one("SELECT args = %s::jsonb FROM pawl.jobs WHERE id = %s", [value, job])
    assert same, api.one("SELECT args::text FROM pawl.jobs WHERE id = %s", [job])


def test_args_from_a_file_and_from_stdin(db, api, tmp_path):
    """The bug: the file's name becomes the payload."""
    file = tmp_path / "args.json"
    file.write_text('{"from": "file"}\n')
    assert api.job(push(db, "k", f"@{file}")).args == {"from": "file"}
    assert api.job(push(db, "k", "-", input='{"from": "stdin"}')).args == {"from": "stdin"}
    assert api.job(push(db, "k", "--", "-5")).args == -5


def test_what_the_server_refuses_is_told_with_its_sqlstate(db):
    """The bug: a server's error without its SQLSTATE cannot be looked up."""
    result = run_pawl(db, "push", "k", '"\\u0000"', check=None)
    assert result.returncode in (1, 2) and "error:" in result.stderr
    result = run_pawl(db, "push", "k" * 256, check=2)
    assert "255" in result.stderr


def test_output_formats(db):
    """The bug: a program has to take a table apart to get an id."""
    job = json.loads(run_pawl(db, "push", "k", "-o", "json").stdout)["job"]
    lines = run_pawl(db, "push", "k", "-o", "jsonl").stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(run_pawl(db, "push", "k", "-o", "csv").stdout)))
    assert [json.loads(line)["job"] for line in lines] == [job + 1]
    assert [int(row["job"]) for row in rows] == [job + 2]


def test_wait_ends_as_the_job_does(db, worker):
    """The bug: a script goes on although the job that it waited for has failed."""
    handlers = {"good": "true", "bad": "/bin/sh -c 'echo broken >&2; exit 65'"}
    with worker("--poll", "50ms", handlers=handlers):
        assert run_pawl(db, "push", "good", "--wait").stdout.strip().isdigit()
        result = run_pawl(db, "push", "bad", "--wait=30s", check=1)
    assert "has failed" in result.stderr and "broken" in result.stderr
    assert result.stdout.strip().isdigit(), "the id is data, whatever the end"


def test_wait_ends_in_time(db, api):
    """The bug: --wait hangs when no worker is there."""
    result = run_pawl(db, "push", "k", "--wait=100ms", check=124)
    assert api.state(int(result.stdout)) == "ready"
    assert "timed out" in result.stderr
