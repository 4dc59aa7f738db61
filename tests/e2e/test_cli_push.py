"""`pawl push`: one job."""

import csv
import io
import json
import subprocess
from datetime import datetime, timezone

import pytest
from harness.paths import program
from harness.program import environment, run_pawl


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
    assert "PostgreSQL cannot store \\u0000" in result.stderr, "jansson's options instead"
    lines = run_pawl(db, "push", "--ndjson", "-", check=1,
                     input='{"kind": "k", "args": {"\\u0000": 1}}\n')
    assert "PostgreSQL cannot store \\u0000" in lines.stderr
    result = run_pawl(db, "push", "k" * 256, check=2)
    assert "255" in result.stderr


def test_output_formats(db):
    """The bug: a program has to take a table apart to get an id."""
    job = json.loads(run_pawl(db, "push", "k", "-o", "json").stdout)["job"]
    lines = run_pawl(db, "push", "k", "-o", "jsonl").stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(run_pawl(db, "push", "k", "-o", "csv").stdout)))
    assert [json.loads(line) for line in lines] == [{"job": job + 1, "created": True}]
    assert rows == [{"job": str(job + 2), "created": "true"}]


# -- unique keys ------------------------------------------------------------------


def test_a_key_that_has_a_live_job(db, api):
    """The bug: a second job; or an exit code that ends a script under `set -e`, though
    nothing is wrong; or a stdout that a script cannot use as the id."""
    first = run_pawl(db, "push", "k", "1", "--unique", "mail 7")
    assert first.stderr == ""
    again = run_pawl(db, "push", "k", "2", "--unique", "mail 7")
    assert again.stdout == first.stdout
    job = int(first.stdout)
    assert again.stderr == f"pawl: job {job} has that key already\n"
    assert run_pawl(db, "push", "k", "--unique", "mail 7", "--quiet").stderr == ""
    assert api.job(job).args == 1, "and it is not changed"
    data = json.loads(run_pawl(db, "push", "k", "--unique", "mail 7", "-o", "json").stdout)
    assert data == {"job": job, "created": False}
    (row,) = csv.DictReader(
        io.StringIO(run_pawl(db, "push", "k", "--unique", "mail 7", "-o", "csv").stdout))
    assert row == {"job": str(job), "created": "false"}
    assert push(db, "k", "--unique", "mail 8") > job
    assert api.one("SELECT count(*) FROM pawl.job") == 2
    api.cancel(job)
    assert push(db, "k", "--unique", "mail 7") > job, "the key is free when its job has ended"


def test_every_option_goes_with_a_key(db, api):
    """The bug: a job with a key is pushed by another statement, which forgets a member."""
    job = api.job(
        push(db, "mail", "[1]", "-q", "slow", "-p", "9", "--in", "1h", "--max-attempts", "7",
             "--timeout", "30s", "--meta", "{}", "--unique", "ä", "--unique-until", "start")
    )
    assert (job.kind, job.args, job.queue, job.priority) == ("mail", [1], "slow", 9)
    assert (job.state, job.max_attempts, job.meta) == ("scheduled", 7, {})
    assert job.timeout.total_seconds() == 30
    assert (job.unique_key, job.unique_until) == ("ä", "start")


def test_until(db, api):
    """The bug: a key that is to be free at the start is kept, or the other way round."""
    kept, freed = push(db, "k", "--unique", "a"), push(
        db, "k", "--unique", "b", "--unique-until", "start")
    assert len(api.claim(api.worker_start(), 2)) == 2
    assert push(db, "k", "--unique", "a") == kept
    assert push(db, "k", "--unique", "b", "--unique-until", "end") > freed


def test_bad_keys(db):
    """The bug: a key that the server would refuse is told as an error of the database."""
    for arguments, text in (
        (["--unique", ""], "unique key is empty"),
        (["--unique", "x" * 256], "unique key: 256 bytes exceed the limit of 255 bytes"),
        (["--unique-until", "end"], '"--unique-until" is of use with --unique only'),
        (["--unique", "a", "--unique-until", "now"], "now"),
    ):
        assert text in run_pawl(db, "push", "k", *arguments, check=2).stderr


def test_wait_for_the_job_that_has_the_key(db, api):
    """The bug: --wait waits for a job that was not made, or does not wait."""
    job = api.push("k", unique_key="a")
    claim = api.claim_one(api.worker_start())
    process = subprocess.Popen(
        [program(), "push", "k", "--unique", "a", "--wait", "-o", "json"], env=environment(db),
        stdout=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline()) == {"job": job, "created": False}
    assert process.poll() is None
    api.fail(job, claim.fence, retry=False)
    assert process.wait(30) == 1
    process.stdout.close()


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
