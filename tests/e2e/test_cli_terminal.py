"""What a person sees who sits at a terminal, and what a program sees who does not."""

import json
import os
import pty
import subprocess

from harness.paths import program
from harness.program import environment, run_pawl
from harness.wait import wait_until


def on_terminal(db, *args, env=None, stdin=None, stdout_too=True):
    """Run a command with stderr, and perhaps stdout, on a terminal; what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [program(), *map(str, args)], env=environment(db, env), text=True,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=theirs if stdout_too else subprocess.PIPE, stderr=theirs,
    )
    os.close(theirs)
    if stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
    out = "" if stdout_too else process.stdout.read()
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux answers EIO when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(60), out, shown.decode()


def test_colours_only_for_people_who_want_them(db, api):
    """The bug: escape sequences in a pipe, or in spite of NO_COLOR."""
    api.cancel(api.push("k"))
    assert "\x1b[" in on_terminal(db, "job", "list", env={"NO_COLOR": "", "TERM": "xterm"})[2]
    assert "\x1b[" not in on_terminal(db, "job", "list", env={"NO_COLOR": "1"})[2]
    assert "\x1b" not in run_pawl(db, "job", "list").stdout


def test_progress_only_on_a_terminal(db):
    """The bug: a log file full of progress bars; ids and bars in one stream."""
    lines = "".join(json.dumps({"kind": "k", "args": n}) + "\n" for n in range(3000))
    code, out, shown = on_terminal(db, "push", "--ndjson", "-", stdin=lines, stdout_too=False)
    assert (code, len(out.split())) == (0, 3000)
    assert "\r\x1b[Kpushed " in shown
    piped = run_pawl(db, "push", "--ndjson", "-", input=lines)
    assert piped.stderr == "pawl: pushed 3000 jobs\n"
    quiet = on_terminal(db, "push", "--ndjson", "-", "--quiet", stdin=lines, stdout_too=False)
    assert quiet[2] == ""


def test_a_worker_shows_what_it_does(db, api, worker):
    """The bug: the line of a terminal is written into a log file each second."""
    api.push_some(3)
    slow = ("work", "-H", "k=sleep 3", "-j", "3", "--once", "--poll", "50ms")
    code, _, shown = on_terminal(db, *slow)
    assert code == 0 and "3 in hand, 0 succeeded, 0 failed" in shown
    api.push("k")
    with worker("--poll", "50ms", handlers={"k": "sleep 1.2"}) as running:
        wait_until(lambda: not api.query("SELECT 1 FROM pawl.ready UNION ALL "
                                         "SELECT 1 FROM pawl.running"), 20, running.log)
        assert "in hand" not in running.log() and "\x1b" not in running.log()
