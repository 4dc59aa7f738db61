"""What a worker without work costs, and what promotion costs beside a held snapshot.

The bug: a steward that asks for each of its duties by a transaction of its own; a fleet
of fifty idle workers then keeps a server busy.  And: what was promoted stays in the index
by due time while somebody holds a snapshot, and each tick walks over all of it.  Seeds
are printed; PAWL_SEED repeats them.
"""

import datetime
import os
import random
import re
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from harness.api import Api
from harness.cost import blocks
from harness.proxy import Proxy
from harness.strain import Strain
from harness.wait import wait_until

SEED = int(os.environ.get("PAWL_SEED", random.SystemRandom().randrange(10**9)))
SECONDS = 30 if os.environ.get("PAWL_TORTURE") else 5
LOOKS = 5  # ticks that are watched
RSS_KIB = 16 << 10
TRIES = 4

# From one transaction to the next, at least (a tenth less than told, by jitter).  On the
# average that is 1 / 1 s + 1 / 1.4 s + 1 / 10 s, less than two a second.
EVERY_S = {"claim": 0.9, "upkeep": 1.26, "keep": 10}


def rss_kib(pid):
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1])


def transactions(proxy, since=0):
    """How many each role has ended, and how many ticks there were."""
    found = Counter()
    for application, _, _, sql in proxy.messages[since:]:
        role = application.split()[1] if application.startswith("pawl ") else application
        found[role] += sql.strip().upper().startswith("COMMIT")
        found["looks"] += "pawl.upkeep_look(" in sql
    return found


def test_an_idle_worker(db, worker):
    """Two transactions a second at most, of which the steward's are one a tick; and
    16 MiB.  It has had work, so that everything that it does afterwards is over."""
    with Proxy(db) as proxy, db.connect() as connection:
        api = Api(connection)
        with worker("-j", "4", env=proxy.env(), handlers={"k": "true"}) as idle:
            api.push_some(20)
            wait_until(lambda: api.one("SELECT count(*) FROM pawl.outcome") == 20, 30, idle.log)
            warm = transactions(proxy)["looks"] + 3
            wait_until(lambda: transactions(proxy)["looks"] >= warm, 30, idle.log)
            began, first = time.monotonic(), len(proxy.messages)
            wait_until(lambda: transactions(proxy, first)["looks"] >= LOOKS, 60, idle.log)
            found, took_s = transactions(proxy, first), time.monotonic() - began
            rss = rss_kib(idle.pid)
    looks = found.pop("looks")
    print(f"{took_s:.1f} s: {dict(found)}; {rss} kB")
    assert abs(found["upkeep"] - looks) <= 1 and found["claim"] >= 3, found
    assert {role: n for role, n in found.items() if n > 1 + took_s / EVERY_S.get(role, took_s)} == {}
    assert rss <= RSS_KIB


def test_asking_why_nothing_moves_is_no_transaction(db, worker):
    """The bug: a worker that has had nothing to do for a lease asks what waits, each time
    by a transaction of its own."""
    with Proxy(db) as proxy, worker("--lease", "3s", env=proxy.env(), handlers={"k": "true"}) as idle:
        def asked():
            return [sql for *_, sql in list(proxy.messages) if "pawl.work_waiting(" in sql]

        wait_until(lambda: len(asked()) >= 2, 30, idle.log)
    assert all("pawl.upkeep_look(" in sql for sql in asked())


def test_a_job_is_promoted_when_it_is_due(db, api, worker):
    """The bug: it waits for the next tick, up to 1.5 s: of five jobs that are due within
    two seconds, three at least are then late, each time.  Only when that many were late
    in each of the tries, what the machine kept everybody waiting is left out."""
    with worker("-j", "1", handlers={"other": "true"}) as steward:
        for _ in range(TRIES):
            with Strain(db) as strain:
                seen = promote_five(api, steward)
            late = sorted((last - due, strain.during(due, last)) for due, last in seen)
            print(late)
            if late[2][0] < 0.25:
                break
    assert len(late) == 5 and sorted(wait - more for wait, more in late)[2] < 0.25, late


def promote_five(api, steward):
    """[(when each was due, when it was last seen unpromoted, or due)]"""
    for n in range(5):
        api.push(run_at=api.one("SELECT clock_timestamp() + %s * interval '500 ms'", [n + 4]))
    look = "SELECT job_id, due, greatest(due, clock_timestamp()) AS seen FROM pawl.scheduled"
    seen, looks = {}, 0
    while rows := api.query(look):
        seen.update((row.job_id, (row.due.timestamp(), row.seen.timestamp())) for row in rows)
        looks += 1
        assert looks < 100_000, steward.log()
    return list(seen.values())


def test_a_locked_table_stops_no_other_duty(db, api, worker):
    """The bug: recovery fails because somebody has locked running, and nothing is promoted
    until that has ended."""
    with db.connect(autocommit=False) as outsider:
        outsider.execute("LOCK TABLE pawl.running IN ACCESS EXCLUSIVE MODE")
        with worker("-j", "1", handlers={"other": "true"}) as steward:
            wait_until(lambda: "upkeep: could not get a lock" in steward.log(), 20, steward.log)
            api.push(run_at=api.one("SELECT clock_timestamp() + interval '300 ms'"))
            wait_until(lambda: api.one("SELECT count(*) FROM pawl.ready") == 1, 20, steward.log)
            outsider.rollback()
            wait_until(lambda: "upkeep: works again" in steward.log(), 20, steward.log)


# ---------------------------------------------------------------- the mark of promotion


@pytest.fixture
def held(db):
    """A snapshot that stays open: nothing that is deleted now can leave an index."""
    with db.connect(autocommit=False) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM pawl.scheduled")
        yield


def leave_behind(db, n):
    """Rows of scheduled that were due a minute ago, and are gone."""
    db.execute("INSERT INTO pawl.scheduled (job_id, due, priority, queue, kind)"
               " SELECT -i, now() - interval '1 min' + i * interval '1 us', 5, 'q', 'k'"
               f" FROM generate_series(1, {n}) i")
    db.execute("DELETE FROM pawl.scheduled")


def look(api, worker, since=None):
    (row,) = api.rows("upkeep_look", worker=worker, duties=["promote"], lease="1 h", since=since)
    return row


def mark_of(api, row):
    return row.looked_at - datetime.timedelta(seconds=1)


def test_a_look_from_the_mark_is_short(db, api, held):
    """And so is what it costs to promote from there; a look at everything, the naive one,
    walks over what is dead."""
    worker = api.worker_start()
    leave_behind(db, 20_000)
    mark = mark_of(api, look(api, worker))
    job = api.push(run_at="tomorrow")
    api.connection.execute("UPDATE pawl.scheduled SET due = clock_timestamp()")
    wait_until(lambda: look(api, worker, mark).due, 30, "it to be due")
    call = f"pawl.upkeep_look('{worker}', '{{promote}}', '1 h'"
    assert blocks(api, f"SELECT * FROM {call}, '{mark}')") < 50
    assert blocks(api, f"SELECT * FROM {call})") > 200
    assert blocks(api, f"SELECT pawl.promote(1, '{look(api, worker, mark).due}')") < 100
    assert api.value("promote", since=look(api, worker, mark).due) == 1
    assert api.state(job) == "ready"


def late_job(db, api):
    """A connection whose push was due two seconds ago, and has not committed."""
    connection = db.connect(autocommit=False)
    job = Api(connection).push(run_at="tomorrow")
    connection.execute("UPDATE pawl.scheduled SET due = clock_timestamp() WHERE job_id = %s", [job])
    pushed = time.monotonic()
    assert Api(connection).state(job) == "scheduled"
    wait_until(lambda: time.monotonic() > pushed + 2, 30, "it to be behind any mark")
    return connection, job


def test_the_mark_alone_passes_over_a_late_committer(db, api):
    """Red: looked for from the mark alone, it would never be found; the look at everything
    finds it."""
    worker = api.worker_start()
    connection, job = late_job(db, api)
    mark = mark_of(api, look(api, worker))
    with connection:
        connection.commit()
    for _ in range(3):
        seen = look(api, worker, mark)
        assert seen.todo == []
        mark = mark_of(api, seen)
    assert look(api, worker).todo == ["promote"]
    assert api.state(job) == "scheduled"


def test_the_worker_looks_from_the_mark_and_finds_the_late(db, api, worker, held):
    """Beside 300,000 dead rows a tick looks from the mark, and now and then at everything:
    a twentieth of its time at most.  The late committer is found by that."""
    dead = 300_000
    leave_behind(db, dead)
    read = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'scheduled_due'"
    with Proxy(db) as proxy:
        with worker("--lease", "300ms", env=proxy.env(), handlers={"k": "true"}) as steward:
            wait_until(lambda: transactions(proxy)["looks"] >= 3, 30, steward.log)
            connection, job = late_job(db, api)
            before, first = api.one(read), len(proxy.messages)
            wait_until(lambda: transactions(proxy, first)["looks"] >= 30, 60, steward.log)
            looks, whole = transactions(proxy, first)["looks"], (api.one(read) - before) / dead
            with connection:
                connection.commit()
            wait_until(lambda: api.state(job) == "succeeded", 20, steward.log)
    print(f"{looks} looks, {whole:.1f} at everything")
    assert whole < looks / 2


class Scheduler(threading.Thread):
    """Transactions of random length that push what is due soon, or lock it for a while."""

    def __init__(self, database, seed, stop):
        super().__init__(daemon=True)
        self.database, self.stop, self.random = database, stop, random.Random(seed)
        self.pushed = 0

    def run(self):
        with self.database.connect(autocommit=False) as connection:
            while not self.stop.is_set():
                pushed = self.transaction(Api(connection))
                self.stop.wait(self.random.choice([0, 0.01, 0.5, 2]))
                if self.random.random() < 0.2:
                    connection.rollback()
                else:
                    connection.commit()
                    self.pushed += pushed

    def transaction(self, api):
        if self.random.random() < 0.2:
            api.query("SELECT FROM pawl.scheduled WHERE job_id % 3 = 0 FOR UPDATE SKIP LOCKED")
            return 0
        n = self.random.randrange(1, 20)
        for _ in range(n):
            api.push(run_at=api.one("SELECT clock_timestamp() + %s * interval '1 ms'",
                                    [self.random.choice([1, 50, 300, 1000])]))
            self.stop.wait(self.random.choice([0, 0, 0.005]))
        return n


def test_nothing_that_is_scheduled_is_passed_over(db, api, worker, held):
    """Late committers, rollbacks and locked rows, at random, beside dead rows that keep the
    steward from looking at everything: soon after the last has ended nothing is left."""
    print(f"seed {SEED}")
    leave_behind(db, 100_000)
    stop = threading.Event()
    schedulers = [Scheduler(db, SEED + i, stop) for i in range(4)]
    with worker("--lease", "300ms", "-j", "2", handlers={"other": "true"}) as steward:
        for scheduler in schedulers:
            scheduler.start()
        stop.wait(SECONDS)
        stop.set()
        for scheduler in schedulers:
            scheduler.join(30)
            assert not scheduler.is_alive()
        wait_until(lambda: api.one("SELECT count(*) FROM pawl.scheduled") == 0, 15, steward.log)
    pushed = sum(scheduler.pushed for scheduler in schedulers)
    assert api.one("SELECT count(*) FROM pawl.ready") == pushed > 50
