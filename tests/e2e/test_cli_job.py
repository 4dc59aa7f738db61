"""`pawl job`: list, show, logs, wait, cancel, retry."""

import csv
import io
import datetime
import json
import signal
import subprocess

from harness.batches import Batch
from harness.grouped import Runner
from harness.paths import program
from harness.program import environment, run_pawl
from psycopg.types.json import Jsonb


def rows(db, *args, check=0):
    out = run_pawl(db, "job", *args, "-o", "jsonl", check=check).stdout
    return [json.loads(line) for line in out.splitlines()]


def claimed(api, job, kind="k"):
    return api.claim_one(api.worker_start(), kinds=[kind])._replace(job=job)


# -- list -------------------------------------------------------------------------


def test_list_pages_by_a_cursor(db, api):
    """The bug: a page shows a job twice or leaves one out; the last one offers more."""
    jobs = api.push_some(7)
    first = run_pawl(db, "job", "list", "-n", "3", "-o", "jsonl")
    assert [json.loads(line)["id"] for line in first.stdout.splitlines()] == jobs[:3:-1]
    cursor = jobs[4]
    assert f"--after {cursor}" in first.stderr
    last = run_pawl(db, "job", "list", "-n", "4", "--after", cursor, "-o", "jsonl")
    assert [json.loads(line)["id"] for line in last.stdout.splitlines()] == jobs[3::-1]
    assert last.stderr == ""


def test_list_filters(db, api):
    """The bug: a filter is taken and does nothing."""
    a = api.push("a", queue="x")
    b = api.push("b", run_at="2040-01-01")
    assert [row["id"] for row in rows(db, "list", "--kind", "a")] == [a]
    assert [row["id"] for row in rows(db, "list", "-q", "x")] == [a]
    assert [row["id"] for row in rows(db, "list", "--state", "scheduled")] == [b]
    assert rows(db, "list", "--state", "waiting") == []
    assert rows(db, "list", "--since", "2040-01-01T00:00:00Z") == []
    assert len(rows(db, "list", "--since", "2020-01-01T00:00:00Z")) == 2


def test_formats_keep_what_they_show(db, api):
    """The bug: a large id or number goes through a double; NULL and "" are the same in
    CSV; a kind with a comma breaks the columns."""
    job = api.push('a,"b\n', args={"n": 12345678901234567890})
    (row,) = json.loads(run_pawl(db, "job", "list", "-o", "json").stdout)
    assert (row["id"], row["kind"], row["args"]) == (job, 'a,"b\n', {"n": 12345678901234567890})
    assert row["finished_at"] is None and row["pushed_at"].endswith("Z")
    text = run_pawl(db, "job", "list", "-o", "csv").stdout
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["kind"] == 'a,"b\n' and row["worker"] == ""


def test_tables_are_safe_to_look_at(db, api):
    """The bug: a job's text moves the cursor of the terminal that shows it."""
    job = api.push("k\x1b[2J")
    assert "\x1b" not in run_pawl(db, "job", "list").stdout
    assert "\x1b" not in run_pawl(db, "job", "show", job).stdout


def test_times_are_utc_under_hostile_settings(db, api):
    """The bug: times are shown in the server's style and zone."""
    with db.connect() as connection:
        connection.execute(f'ALTER DATABASE "{db.name}" SET DateStyle = \'German\'')
        connection.execute(f'ALTER DATABASE "{db.name}" SET TimeZone = \'Asia/Kathmandu\'')
    api.push("k")
    (row,) = rows(db, "list")
    seconds = api.one("SELECT extract(epoch FROM %s::timestamptz - now())", [row["pushed_at"]])
    assert abs(seconds) < 60


# -- show -------------------------------------------------------------------------


def shown(db, job, check=0):
    return json.loads(run_pawl(db, "job", "show", job, "-o", "json", check=check).stdout)


def test_show_says_why_a_ready_job_does_not_run(db, api):
    """The bug: a job waits for ever and nothing says that nobody handles its kind."""
    job = api.push("odd", queue="q")
    assert shown(db, job)["note"] == 'no worker handles kind "odd": none is alive'
    api.worker_start(kinds=["even"], queues=["q"])
    assert shown(db, job)["note"] == 'no worker handles kind "odd"'
    assert 'no worker handles kind "odd"' in run_pawl(db, "job", "show", job).stdout
    api.worker_start(kinds=["odd"], queues=["other"])
    assert "takes from queue" in shown(db, job)["note"]
    api.worker_start(kinds=["odd"], queues=["q"])
    assert shown(db, job)["note"] is None
    api.value("queue_pause", queue="q")
    assert shown(db, job)["note"] == 'queue "q" is paused'


def test_show_has_attempts_and_log(db, api):
    """The bug: the last error is shown, and why it was tried before is lost."""
    job = api.push("k", max_attempts=1)
    claim = claimed(api, job)
    api.value("log", job=job, fence=claim.fence, message="two\nlines")
    api.fail(job, claim.fence, error="first\nsecond")
    data = shown(db, job)
    assert data["state"] == "failed" and data["error"] == "first\nsecond"
    assert [a["category"] for a in data["attempts"]] == ["error"]
    assert [line["message"] for line in data["log"]] == ["two\nlines"]
    text = run_pawl(db, "job", "show", job).stdout
    assert "its life:" in text and "last log lines:" in text


def lose(api, worker):
    api.query("UPDATE pawl.worker SET expires_at = clock_timestamp() WHERE id = %s RETURNING 1",
              [worker])
    assert api.value("recover") == 1


def test_show_tells_the_whole_life(db, api):
    """The bug: of a job that was tried again, lost with its worker, failed, taken up once
    more and cancelled, the last state alone is shown, and nothing of its batch."""
    batch = Batch(api, ["process", "results"])
    (job,) = batch.push(1, stage="results")
    lost, steady = api.worker_start(name="lost"), api.worker_start(name="steady")
    api.fail(job, api.claim_one(lost).fence, error="first", retry_in="0 s")
    assert api.value("promote") == 1
    api.claim_one(lost)
    lose(api, lost)
    row = api.claim_one(steady)
    api.value("log", job=job, fence=row.fence, message="a line")
    api.fail(job, row.fence, error="for good", retry=False)
    api.retry(job)
    api.claim_one(steady)
    api.cancel(job, reason="no more")
    data = shown(db, job)
    assert (data["batch"], data["stage"], data["epoch"]) == (batch.id, "results", 1)
    times = [step["at"] for step in data["life"]]
    assert times == sorted(times) and len(set(times)) > 1
    told = [tuple(step[name] for name in ("state", "attempt", "worker", "error"))
            for step in data["life"]]
    assert told == [
        ("ready", None, None, None),
        ("running", 1, str(lost), None),
        ("scheduled", 1, None, "first"),
        ("running", 2, str(lost), None),
        ("ready", 2, None, "its worker was lost"),
        ("running", 3, "steady", None),
        ("failed", 3, None, "for good"),
        ("ready", None, None, "retried by an operator"),
        ("running", 4, "steady", None),
        ("cancelled", 4, None, "no more"),
    ]
    text = run_pawl(db, "job", "show", job).stdout
    assert "a line" in text and f"batch         {batch.id}\n" in text
    grouped = api.push(group_key="g", batch=batch.id)
    api.fail(grouped, Runner(api).dispatch().fence, error="later")
    assert [step["state"] for step in shown(db, grouped)["life"]] == [
        "waiting", "running", "waiting"]
    completion = api.one("SELECT completion FROM pawl.batch")
    assert [step["state"] for step in shown(db, completion)["life"]] == ["scheduled"]
    assert shown(db, completion)["stage"] is None


def test_show_tells_how_a_delayed_job_began(db, api):
    """The bug: a job that was pushed for later, and backs off, is said to have been ready
    at first, for its row tells when it is due next."""
    job = api.push("k", run_at="2030-01-01T00:00:00Z")
    db.execute("UPDATE pawl.scheduled SET due = now()")
    api.value("promote")
    api.fail(job, claimed(api, job).fence, error="first")
    assert [step["state"] for step in shown(db, job)["life"]] == [
        "scheduled", "running", "scheduled"]
    plain = api.push("k")
    api.fail(plain, claimed(api, plain).fence, error="first")
    assert [step["state"] for step in shown(db, plain)["life"]] == [
        "ready", "running", "scheduled"]


def test_further_lines_of_a_message_stand_below_it(db, api):
    """The bug: a message of several lines looks like several messages, one of which can
    have been made to look like another's."""
    job = api.push("k")
    claim = claimed(api, job)
    api.value("log", job=job, fence=claim.fence, message="one\n2026-01-01T00:00:00.000Z error no")
    first, second = run_pawl(db, "job", "logs", job).stdout.splitlines()
    assert first.endswith(" info  one") and second == " " * 31 + "2026-01-01T00:00:00.000Z error no"


def test_whoever_follows_ends_when_nobody_reads(db, api):
    """The bug: `pawl job logs -f | head` ends with an error that says "Success"."""
    job = api.push("k")
    claim = claimed(api, job)
    api.value("log", job=job, fence=claim.fence, message="first")
    follow = subprocess.Popen([program(), "job", "logs", str(job), "-f"], env=environment(db),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert follow.stdout.readline().endswith("first\n")
    follow.stdout.close()
    api.value("log", job=job, fence=claim.fence, message="second")
    assert follow.wait(20) == 128 + signal.SIGPIPE
    assert follow.stderr.read() == ""
    follow.stderr.close()


def steps(db, job):
    return [(step["at"] is not None, step["state"], step["attempt"], step["error"])
            for step in shown(db, job)["life"]]


def test_show_tells_of_attempts_without_a_row(db, api):
    """The bug: a job that was snoozed, released by its handler, given back with its worker
    or promoted looks as if it had never been tried, and never left the state before."""
    lost = "snoozed or released, which is not recorded"
    wid = api.worker_start(name="w")
    job = api.push("k")
    assert steps(db, job) == [(True, "ready", None, None)]
    api.value("snooze", job=job, fence=api.claim_one(wid).fence, delay="1 h")
    told = [(True, "ready", None, None), (False, "running", 1, lost)]
    assert steps(db, job) == [*told, (False, "scheduled", None, None)]
    db.execute("UPDATE pawl.scheduled SET due = now()")
    api.value("promote")
    assert steps(db, job) == [*told, (False, "ready", None, None)]
    api.fail(job, api.claim_one(wid).fence, error="second", retry_in="0 s")
    told += [(True, "running", 2, None), (True, "scheduled", 2, "second")]
    api.value("promote")
    for _ in range(2):
        api.value("release", job=job, fence=api.claim_one(wid).fence)
    api.claim_one(wid)
    assert api.value("worker_stop", worker=wid) == 1
    told.append((False, "running", 5, f"attempts 3 to 5 were {lost}"))
    assert steps(db, job) == [*told, (False, "ready", None, None)]
    wid = api.worker_start(name="w")
    api.cancel(job, reason="no more")
    told.append((True, "cancelled", 5, "no more"))
    assert steps(db, job) == told
    api.retry(job)
    told.append((True, "ready", None, "retried by an operator"))
    assert steps(db, job) == told
    api.value("release", job=job, fence=api.claim_one(wid).fence)
    api.complete(job, api.claim_one(wid).fence)
    told += [(False, "running", 6, lost), (True, "running", 7, None),
             (True, "succeeded", 7, None)]
    assert steps(db, job) == told
    text = run_pawl(db, "job", "show", job).stdout
    assert f"attempts 3 to 5 were {lost}" in text
    grouped = api.push(group_key="g")
    runner = Runner(api)
    api.value("release", job=grouped, fence=runner.dispatch().fence)
    assert steps(db, grouped) == [
        (True, "waiting", None, None), (False, "running", 1, lost),
        (False, "waiting", None, None)]


def test_show_does_not_guess_where_the_list_ends(db, api):
    """The bug: the attempts before the newest fifty are told as snoozed."""
    job = api.push("k", max_attempts=99)
    wid = api.worker_start()
    for _ in range(52):
        api.fail(job, api.claim_one(wid).fence, error="again", retry_in="0 s")
        api.value("promote")
    told = steps(db, job)
    assert told[1] == (False, "running", 2, "attempts 1 to 2 are older than what is shown")
    assert len(told) == 2 + 2 * 50 + 1
    assert [row for row in told if not row[0]] == [told[1], (False, "ready", None, None)]


def test_show_has_the_key(db, api):
    """The bug: a push says that some job has the key, and nobody can see which key it is;
    or every job without one shows an empty line."""
    job = api.push("k", unique_key="contact 7", unique_until="start")
    data = shown(db, job)
    assert (data["unique_key"], data["unique_until"]) == ("contact 7", "start")
    text = run_pawl(db, "job", "show", job).stdout
    assert "unique_key    contact 7\n" in text and "unique_until  start\n" in text
    job = api.push("k")
    assert shown(db, job)["unique_key"] is None
    assert "unique" not in run_pawl(db, "job", "show", job).stdout


def test_an_unknown_job_is_exit_3(db):
    """The bug: an empty table for a job that does not exist."""
    for command in ("show", "logs", "wait", "cancel", "retry"):
        result = run_pawl(db, "job", command, "12345", check=3)
        assert "12345" in result.stderr + result.stdout


# -- logs -------------------------------------------------------------------------


def test_logs_newest_and_by_level(db, api):
    """The bug: the first lines are shown instead of the last; a level hides the worse."""
    job = api.push("k")
    fence = claimed(api, job).fence
    for n in range(5):
        api.value("log", job=job, fence=fence, message=f"line {n}",
                  level="warn" if n % 2 else "info")
    assert [r["message"] for r in rows(db, "logs", job, "-n", "2")] == ["line 3", "line 4"]
    assert [r["message"] for r in rows(db, "logs", job, "--level", "warn")] == ["line 1", "line 3"]
    assert rows(db, "logs", job, "--level", "error") == []
    assert "info  line 4" in run_pawl(db, "job", "logs", job).stdout


def test_logs_by_time_and_by_cursor(db, api):
    """The bug: what happened at ten past three is behind a million other lines; a page
    shows a line twice, or leaves one out."""
    job = api.push("k")
    fence = claimed(api, job).fence
    now = datetime.datetime.now(datetime.timezone.utc)
    ats = [now - datetime.timedelta(minutes=9 - n) for n in range(9)]
    api.value("log_many", jobs=[job] * 9, fences=[fence] * 9, ats=ats, levels=["info"] * 9,
              messages=[str(n) for n in range(9)])

    def shown(*options):
        return "".join(row["message"] for row in rows(db, "logs", job, *options))

    third, sixth = (at.isoformat() for at in (ats[3], ats[6]))
    assert shown("--since", third) == "345678" and shown("--until", third) == "012"
    assert shown("--since", third, "--until", sixth) == "345"
    assert shown("--since", third, "-n", "2") == "78"
    ids = [row["id"] for row in rows(db, "logs", job)]
    assert shown("-n", "3", "--before", str(ids[6])) == "345"
    assert shown("-n", "3", "--after", str(ids[2])) == "345"
    assert shown("--after", str(ids[8])) == "" == shown("--before", str(ids[0]))
    assert "--before" in run_pawl(db, "job", "logs", job, "-n", "3").stderr
    assert "--after" in run_pawl(db, "job", "logs", job, "-n", "3", "--after", ids[2]).stderr
    assert run_pawl(db, "job", "logs", job, "-n", "9").stderr == ""
    for other in ("-f", "--after=7"):
        refused = run_pawl(db, "job", "logs", job, "--before", "7", other, check=2)
        assert "--before can be given neither" in refused.stderr
    api.complete(job, fence)
    assert shown("-f", "--after", str(ids[4])) == "5678"
    assert shown("-f", "-n", "2") == "78" and shown("-f", "--since", third) == "345678"


def test_logs_by_level_and_cursor(db, api):
    """The bug: a cursor, or following, forgets the level; the context is not shown."""
    job = api.push("k")
    fence = claimed(api, job).fence
    numbers = range(9)
    api.value("log_many", jobs=[job] * 9, fences=[fence] * 9, ats=[None] * 9,
              levels=["info" if n % 3 else "warn" for n in numbers],
              messages=[str(n) for n in numbers], contexts=[Jsonb({"at": n}) for n in numbers])
    api.complete(job, fence)
    ids = [row["id"] for row in rows(db, "logs", job)]

    def shown(*options):
        return "".join(row["message"]
                       for row in rows(db, "logs", job, "--level", "warn", *options))

    assert shown("--before", ids[6]) == "03" and shown("--before", ids[6], "-n", "1") == "3"
    assert shown("--after", ids[0]) == "36" and shown("--after", ids[0], "-n", "1") == "3"
    assert shown("-f", "--after", ids[0]) == "36"
    assert rows(db, "logs", job, "-n", "1")[0]["context"] == {"at": 8}
    assert run_pawl(db, "job", "logs", job, "-n", "1").stdout.endswith('info  8 {"at": 8}\n')


def test_follow_ends_with_the_job_and_misses_nothing(db, api):
    """The bug: a line whose transaction commits after that of a later line is behind the
    cursor and never shown; following does not end."""
    job = api.push("k")
    fence = claimed(api, job).fence
    insert = "SELECT pawl.log(%s, %s, %s)"
    process = subprocess.Popen(
        [program(), "job", "logs", str(job), "-f"], env=environment(db),
        stdout=subprocess.PIPE, text=True,
    )
    with db.connect(autocommit=False) as slow:
        slow.execute(insert, [job, fence, "drawn first"])
        api.query(insert, [job, fence, "committed first"])
        assert "committed first" in process.stdout.readline()
        slow.commit()
    assert "drawn first" in process.stdout.readline()
    api.complete(job, fence)
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == ("", 0)


def test_follow_begins_with_the_newest(db, api):
    """The bug: -f shows the whole log that -n cut off."""
    job = api.push("k")
    fence = claimed(api, job).fence
    for n in range(20):
        api.value("log", job=job, fence=fence, message=f"line {n}")
    api.complete(job, fence)
    assert [r["message"] for r in rows(db, "logs", job, "-n", "1", "-f")] == ["line 19"]


def test_follow_catches_up(db, api):
    """The bug: a look that is full is followed by a pause, and three looks after the end of
    the job are the last, whatever is left: the lines behind them are lost in silence."""
    job = api.push("k")
    fence = claimed(api, job).fence
    api.query("SELECT pawl.log_many(array_agg(%s::bigint), array_agg(%s::bigint),"
              " array_agg(now()), array_agg('info'::text), array_agg(n::text ORDER BY n))"
              " FROM generate_series(0, 14000) n", [job, fence])
    api.complete(job, fence)
    (first,) = api.query("SELECT min(id) FROM pawl.logs WHERE job = %s", [job])[0]
    shown = [int(row["message"]) for row in rows(db, "logs", job, "-f", "--after", first)]
    assert shown == list(range(1, 14001))


def test_follow_is_ended_by_ctrl_c(db, api):
    """The bug: following cannot be ended."""
    job = api.push("k")
    fence = claimed(api, job).fence
    api.value("log", job=job, fence=fence, message="one")
    process = subprocess.Popen(
        [program(), "job", "logs", str(job), "-f"], env=environment(db),
        stdout=subprocess.PIPE, text=True,
    )
    assert "one" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == -signal.SIGINT


# -- wait -------------------------------------------------------------------------


def test_wait_for_several(db, api):
    """The bug: one job that failed is lost among those that succeeded; the same id twice
    is waited for for ever."""
    good, bad = api.push("k"), api.push("k", max_attempts=1)
    worker = api.worker_start()
    fences = {row.job: row.fence for row in api.claim(worker, 2)}
    process = subprocess.Popen(
        [program(), "job", "wait", str(good), str(good), str(bad), "-o", "jsonl"],
        env=environment(db), stdout=subprocess.PIPE, text=True,
    )
    api.complete(good, fences[good])
    api.fail(bad, fences[bad], error="no")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    states = [json.loads(line)["state"] for line in out.splitlines()]
    assert states == ["succeeded", "succeeded", "failed"]
    assert rows(db, "wait", good) == [{"job": good, "state": "succeeded", "error": None}]


def test_wait_times_out(db, api):
    """The bug: what has ended is not shown when the time is over for the others."""
    done, left = api.push("k"), api.push("other")
    api.cancel(done)
    result = run_pawl(db, "job", "wait", done, left, "--timeout", "100ms", check=124)
    assert "1 of 2 jobs have not ended" in result.stderr
    assert "cancelled" in result.stdout


# -- cancel and retry -----------------------------------------------------------------


def test_cancel_answers_for_each(db, api):
    """The bug: of many ids one cannot be cancelled, and nobody knows which."""
    ready, done = api.push("k"), api.push("k")
    api.cancel(done)
    answers = rows(db, "cancel", ready, done, 9999, check=3)
    assert answers == [
        {"job": ready, "was": "ready", "done": True},
        {"job": done, "was": "cancelled", "done": False},
        {"job": 9999, "was": "unknown", "done": False},
    ]
    assert rows(db, "cancel", done, check=5)[0]["was"] == "cancelled"
    reason = run_pawl(db, "push", "k").stdout.strip()
    run_pawl(db, "job", "cancel", reason, "--reason", "not wanted")
    assert api.job(int(reason)).error == "not wanted"


def test_a_fenced_job_is_busy(db, api):
    """The bug: cancel waits for a handler's open transaction."""
    job = api.push("k")
    fence = claimed(api, job).fence
    with db.connect(autocommit=False) as holder:
        holder.execute("SELECT pawl.fence(%s, %s)", [job, fence])
        (answer,) = rows(db, "cancel", job, check=5)
    assert answer == {"job": job, "was": "busy", "done": False}
    assert api.state(job) == "running"


def test_what_matches_is_cancelled_in_chunks(db, api):
    """The bug: the first chunk alone is cancelled, or others with it; a dry run does it."""
    api.push_some(1200, kind="a")
    other = api.push("a", queue="other")
    api.push("b")
    args = ("--kind", "a", "--state", "ready", "-q", "default")
    assert len(rows(db, "cancel", *args, "--dry-run")) == 1200
    assert api.one("SELECT count(*) FROM pawl.outcome") == 0
    assert len(rows(db, "cancel", *args)) == 1200
    assert api.one("SELECT count(*) FROM pawl.outcome") == 1200
    assert api.state(other) == "ready"
    assert rows(db, "cancel", *args) == []


def test_retry(db, api):
    """The bug: a retry of a job that runs, or that has succeeded, is said to be done."""
    job, live = api.push("k"), api.push("k")
    api.cancel(job)
    answers = rows(db, "retry", job, live, check=5)
    assert [(a["was"], a["done"]) for a in answers] == [("cancelled", True), ("ready", False)]
    assert api.state(job) == "ready"
    api.cancel(job)
    assert rows(db, "retry", "--kind", "k", "--state", "cancelled")[0]["done"] is True


def test_retry_of_a_job_whose_key_is_taken(db, api):
    """The bug: two live jobs with one key; or the refusal is said to be done."""
    job = api.push("k", unique_key="a")
    api.cancel(job)
    other = api.push("k", unique_key="a")
    (answer,) = rows(db, "retry", job, check=5)
    assert answer == {"job": job, "was": "cancelled", "done": False}
    api.cancel(other)
    assert rows(db, "retry", job)[0]["done"] is True
    assert api.push("k", unique_key="a") == job
