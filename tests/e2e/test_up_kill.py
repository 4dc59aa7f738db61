"""`pawl up` under load, any of its processes killed at random moments.

The bug: the program, its server, its worker or a guard is killed while the others are in
the middle of something, and what they leave behind keeps the next start from working,
loses a job, or runs one twice without a record of it.
"""

import os
import signal

import psycopg
import pytest
from harness import invariants, processes
from harness.fleet import seeded
from harness.ledger import Ledger
from harness.pusher import Pusher
from harness.up import Up, new_place, remove
from harness.wait import wait_until

pytestmark = [pytest.mark.kill, pytest.mark.slow]

KILLS = 20
WHO = ("program", "server", "worker", "guard")


class Private:
    """The private database, for what asks a Database; it may be away."""

    def __init__(self):
        self.conninfo = None

    def connect(self, connect_timeout=2):
        return psycopg.connect(self.conninfo, autocommit=True, connect_timeout=connect_timeout)

    def execute(self, statement, parameters=None):
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def value(self, statement, parameters=None):
        return self.execute(statement, parameters)[0][0]


def pid_of(up, who):
    """The pid of one of its processes, or None while there is none."""
    if who == "program":
        return up.pid
    for process in processes.children(up.pid):
        command = processes.command(process.pid)
        is_worker = command[1:2] == ["work"]
        found = {"server": process.name == "postgres", "worker": is_worker,
                 "guard": process.name == "pawl guard"}[who]
        if found and process.state not in "ZX":
            return process.pid
    return None


def state_of(db):
    try:
        return db.value("SELECT count(*) FROM pawl.outcome"), invariants.live(db)
    except psycopg.Error as error:
        return str(error)


def test_twenty_kills_of_any_process(tmp_path):
    """Twenty kills, five of each kind in random order; a killed program is started
    again. What was acknowledged has one outcome each, by an attempt that ran; at the end
    nothing is left of any of them."""
    rng = seeded("up kill")
    victims = [who for who in WHO for _ in range(KILLS // len(WHO))]
    rng.shuffle(victims)
    ledger = Ledger(tmp_path)
    place, db = new_place(), Private()
    arguments = ("-H", f"work={ledger.handler('exec sleep 0.03')}", "-j", "3", "--lease", "1s",
                 "--poll", "100ms")
    ups = [Up(place / "data", *arguments)]
    try:
        db.conninfo = ups[-1].ready()
        with Pusher(db) as pusher:
            for who in victims:
                started = len(ledger.runs())
                wait_until(lambda n=started + rng.randrange(1, 8): len(ledger.runs()) >= n, 60,
                           lambda: f"more attempts; {state_of(db)}\n{ups[-1].log()}")
                pid = wait_until(lambda w=who: pid_of(ups[-1], w), 30,
                                 lambda w=who: f"the {w}\n{ups[-1].log()}")
                os.kill(pid, signal.SIGKILL)
                if who == "program":
                    ups[-1].process.wait(30)
                    ups.append(Up(place / "data", *arguments))
                    ups[-1].ready()
        jobs = pusher_jobs(db, pusher, ups[-1])
        wait_until(lambda: (s := state_of(db))[0] == len(jobs) and not any(s[1].values()), 90,
                   lambda: f"{len(jobs)} outcomes; {state_of(db)}\n{ups[-1].log()}")
        print(f"ran twice: {invariants.check_outcomes(db, jobs, ledger)}")
        assert ups[-1].stop() == 0, ups[-1].log()
    finally:
        for up in ups:
            up.__exit__(None, None, None)
        remove(place)


def pusher_jobs(db, pusher, up):
    """The jobs of the database, once it answers."""
    wait_until(lambda: not isinstance(state_of(db), str), 60, up.log)
    return pusher.check()
