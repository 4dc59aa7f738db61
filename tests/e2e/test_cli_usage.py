"""What the program says when it is called wrongly, and what it promises everywhere:
data on stdout, talk on stderr, one message that tells what to do, the exit codes."""

import json
import os
import re
import subprocess

import pytest
from harness.paths import program
from harness.program import run_pawl

COMMANDS = [
    "up", "migrate up", "migrate status", "migrate sql", "work", "push", "job list",
    "job show", "job logs", "job wait", "job cancel", "job retry", "batch open", "batch seal",
    "batch list", "batch show", "batch wait", "batch cancel", "batch rerun", "queue list",
    "queue show", "queue pause", "queue resume", "queue set", "group list", "group show",
    "group release", "group fail", "worker list", "bench", "version", "help",
]


def call(*args, **options):
    """A command that must not need a database."""
    return run_pawl(None, *args, check=None, env={"PGHOST": "/nonexistent"}, **options)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "no command given"),
        (["frobnicate"], 'unknown command "frobnicate"'),
        (["--frobnicate"], 'unknown option "--frobnicate"'),
        (["job"], '"job" needs one of its commands'),
        (["job", "frobnicate"], 'unknown command "job frobnicate"'),
        (["group"], '"group" needs one of its commands'),
        (["group", "list", "--state", "free"], 'option "--state" needs one of running, '),
        (["group", "show"], '"pawl group show" needs one more argument'),
        (["queue", "pause"], '"pawl queue pause" needs one more argument'),
        (["queue", "set", "q", "paused"], "a setting is written KEY=VALUE"),
        (["batch"], '"batch" needs one of its commands'),
        (["batch", "open", "b", "--expect", "1", "--expect", "2"], "--expect is given 2 times for 1 stages"),
        *[(["batch", "open", "b", "--expect", given],
           f'option "--expect" needs a whole number from 0, not "{given}"')
          for given in ("1.5", "0x10", "1e3", "-1", " 7", "+7", "", "99999999999999999999")],
        *[(["batch", "open", "b", "--threshold", given],
           f'option "--threshold" needs a number from 0 to 1, not "{given}"')
          for given in ("half", "2", "-0.1", "0x1", "nan", " 1")],
        (["batch", "open", "b", "--on-complete", "[}"], "--on-complete is not JSON"),
        (["batch", "wait"], '"pawl batch wait" needs one more argument'),
        (["batch", "rerun", "7", "--only", "some"], 'option "--only" needs one of failed, all'),
        (["batch", "show", "7", "-w", "-o", "csv"], '"--watch" draws bars or writes jsonl'),
        (["batch", "show", "x"], '"x"'),
        (["push", "k", "--grupo", "x"], 'unknown option "--grupo"'),
        (["push", "k", "--run", "1"], 'option "--run" is of use with --group only'),
        (["push", "k", "--prio", "3"], 'unknown option "--prio"'),
        (["push"], "the kind of the job is missing"),
        (["push", "k", "1", "2"], 'unexpected argument "2"'),
        (["push", "k", "-p", "10"], 'option "-p" needs a whole number from 0 to 9, not "10"'),
        (["push", "k", "--in", "5"], 'option "--in" needs a duration, not "5"'),
        (["push", "k", "--at", "noon"], 'option "--at" needs a time, not "noon"'),
        (["push", "k", "--at", "2030-01-01T00:00:00Z", "--in", "1s"],
         "--at and --in cannot be used together"),
        (["push", "--ndjson", "-", "-p", "1"], 'option "--priority" cannot be used with --ndjson'),
        (["push", "k", "--on-error", "skip"], 'option "--on-error" is of use with --ndjson only'),
        (["push", "k", "{'a': 1}"], "ARGS is not JSON: line 1, column 2"),
        (["push", "k", '{"a":\n1 2}'], "ARGS is not JSON: line 2, column 3"),
        (["push", "k", "@/nonexistent"], 'could not open file "/nonexistent"'),
        (["push", "k", "--meta", "{"], "--meta is not JSON: line 1"),
        (["push", "--ndjson", "/nonexistent"], 'could not open file "/nonexistent"'),
        (["push", "--ndjson", "/tmp"], 'could not open file "/tmp": Is a directory'),
        (["job", "show"], '"pawl job show" needs one more argument'),
        (["job", "show", "x"], '"x" is not an id'),
        (["job", "wait", "1", "-3"], 'unknown option "-3"'),
        (["job", "cancel"], "which jobs? Give their ids, or --kind and --state"),
        (["job", "cancel", "--kind", "k"], "--kind and --queue need --state beside them"),
        (["job", "cancel", "--state", "ready"], "--state needs --kind or --queue beside it"),
        (["job", "cancel", "--kind", "k", "--state", "failed"],
         "there is nothing to cancel about jobs that are failed"),
        (["job", "retry", "--kind", "k", "--state", "ready"],
         "there is nothing to retry about jobs that are ready"),
        (["job", "list", "--state", "done"], 'option "--state" needs one of ready, '),
        (["job", "list", "-o", "xml"], 'option "-o" needs one of table, json, jsonl, csv'),
        (["work"], "a worker needs a handler"),
        (["work", "-H", "k"], 'option "--handler" needs KIND=COMMAND, not "k"'),
        (["work", "-H", "k=true", "--lease", "1ms"], "the lease must be between 100ms and 24h"),
        (["work", "-H", "k='true", "--check-config"], ""),
        (["work", "-c", "/nonexistent"], 'could not open file "/nonexistent"'),
        (["bench", "-n", "0"], 'option "-n" needs a whole number from 1 to 1000000, not "0"'),
        (["migrate", "up", "--to", "0"], 'option "--to" needs a whole number from 1'),
    ],
)
def test_wrong_usage_is_told(args, message):
    """The bug: a typing error is ignored, or ends in a message of the server's.  Exit
    code 2, nothing on stdout, one error that says what was wrong, without a server."""
    result = call(*args)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("pawl: error: ")
    assert message in result.stderr
    assert result.stderr.count("error:") == 1


def test_errors_show_what_to_do():
    """The bug: an error leaves its reader alone with it."""
    assert "HINT:  Try \"pawl push --help\"." in call("push").stderr
    assert "HINT:  A string needs quotes" in call("push", "k", "hello").stderr
    assert "HINT:  Durations look like" in call("push", "k", "--in", "x").stderr


def test_sizes_are_refused_before_connecting(tmp_path):
    """The bug: a payload beyond the limit travels to the server to be refused there."""
    big = tmp_path / "big.json"
    big.write_text(json.dumps("x" * (1 << 20)))
    result = call("push", "k", f"@{big}")
    assert result.returncode == 2
    assert "ARGS is too large: more than the limit of 1048576 bytes" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete(command):
    """The bug: an option works and no help names it.  The help of each command lists
    every option that the parser takes; the program's lists every command."""
    text = call(*command.split(), "--help").stdout
    assert text.startswith(f"Usage: pawl {command}")
    assert "Exit codes:" in text and "--help" in text and "--quiet" in text
    assert all(len(line) <= 81 for line in text.splitlines()), "it fits a terminal"
    assert re.search(rf"^  {command} ", call("help").stdout, re.MULTILINE)
    assert call("help", *command.split()).stdout == text


def test_the_man_page_has_every_option():
    """The bug: the man page is written by hand and falls behind."""
    page = call("help", "--man").stdout.replace("\\-", "-")
    for command in COMMANDS:
        assert f".SS {command}\n" in page
        for option in re.findall(r"--[a-z][a-z-]+", call(*command.split(), "--help").stdout):
            assert option in page


def test_version():
    """The bug: a version that only people can read."""
    assert re.fullmatch(r"pawl \d+\.\d+\.\d+ \(schema \d+\)\n", call("version").stdout)
    assert call("--version").stdout == call("version").stdout
    (row,) = json.loads(call("version", "-o", "json").stdout)
    assert set(row) == {"program", "schema"}


def test_a_full_disk_is_an_error():
    """The bug: the output is lost and the exit code says that all is well."""
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [program(), "migrate", "sql"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == 1
    assert "could not write to standard output: No space left on device" in result.stderr


def test_a_closed_pipe_is_quiet():
    """The bug: `pawl migrate sql | head -1` complains, or dies without a word of why."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(
        [program(), "migrate", "sql"], stdout=write_end, stderr=subprocess.PIPE, text=True
    )
    os.close(write_end)
    assert (result.returncode, result.stderr) == (128 + 13, "")


def test_closed_descriptors_are_not_the_connection(db):
    """The bug: with stdout closed, the socket to the server is descriptor 1, and a table
    is written to the server; the exit code is 0 and nobody has seen a line."""
    def closed(descriptors, *args):
        shell = f'exec "$@" {descriptors}'
        return subprocess.run(["sh", "-c", shell, "sh", program(), *args], env=db.env(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)

    run_pawl(db, "push", "k")
    run_pawl(db, "push", "k")
    result = closed(">&-", "job", "list")
    assert result.returncode == 1
    assert result.stderr == "pawl: error: could not write to standard output: Bad file descriptor\n"
    result = closed("2>&-", "job", "list", "-n", "1", "-o", "jsonl")
    assert (result.returncode, len(result.stdout.splitlines())) == (0, 1)
    result = closed("<&-", "push", "k", "-")
    assert result.returncode == 2
    assert "Bad file descriptor" in result.stderr
    assert closed("<&- >&- 2>&-", "job", "show", "999").returncode == 3
    result = closed(">&- 2>&-", "work", "-H", "k=true", "--once")
    assert result.returncode == 0
    assert len(json.loads(run_pawl(db, "job", "list", "--state", "succeeded",
                                   "-o", "json").stdout)) == 2


def test_a_refused_connection_is_told_once(db):
    """The bug: libpq tries twice, and what it says of both is the message and the detail."""
    result = run_pawl(db, "push", "k", env={"PGOPTIONS": "-c bogus=1"}, check=4)
    assert result.stderr.count("bogus") == 1, result.stderr


def test_no_server_is_exit_4():
    """The bug: a script cannot tell "not reached" from "refused"."""
    result = call("push", "k", "-d", "host=/nonexistent port=1 connect_timeout=2")
    assert result.returncode == 4
    assert "/nonexistent" in result.stderr


def test_a_bad_connection_string_is_exit_2():
    """The bug: a typing error in -d is reported as a server that cannot be reached."""
    for args in (["push", "k"], ["work", "-H", "k=true"], ["job", "list"]):
        result = call(*args, "-d", "hots=x")
        assert result.returncode == 2, result.stderr
        assert "hots" in result.stderr


def test_no_schema_is_exit_6(cluster):
    """The bug: on a database without the schema each command fails in its own words, and
    none says that it is the wrong database."""
    empty = cluster.new_database(template="template0")
    try:
        for args in (["push", "k"], ["job", "list"], ["job", "show", "1"], ["migrate", "status"]):
            result = run_pawl(empty, *args, check=6)
            assert "pawl migrate up" in result.stderr
            if args[0] != "migrate":
                assert f'no schema pawl in database "{empty.name}"' in result.stderr
    finally:
        empty.drop()


def test_quiet_leaves_errors(db):
    """The bug: --quiet hides what went wrong, or does not hide the rest."""
    assert run_pawl(db, "migrate", "up", "--quiet").stderr == ""
    assert "does not exist" in run_pawl(db, "job", "show", "1", "--quiet", check=3).stderr
