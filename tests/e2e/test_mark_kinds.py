"""Claimers of different kinds in the same lanes, and such as join late.

The bug: a floor that one claimer raises hides jobs of a kind that it does not handle, or
of a transaction that had drawn its position and was still open: whoever begins later,
and so from the floor, never looks there.  Seeds are printed; PAWL_SEED repeats them.
"""

import random
import threading

from harness.api import Api
from harness.lanes import QUEUES, SECONDS, SEED, Writer, start_claimer
from harness.wait import wait_until

KINDS = ("a", "b", "c", "d")
FIRST = (["a"], ["b", "c"], ["a", "b"])  # nobody handles d until
FLOORS = "SELECT kind, max(floor) FROM pawl.lane WHERE floor > 0 GROUP BY 1 ORDER BY 1"
LATER = (["c", "d"], ["d"], ["a", "d"], ["b", "c"])


class KindWriter(Writer):
    """Of any kind."""

    def __init__(self, database, seed, stop, **options):
        super().__init__(database, seed, stop, kinds=KINDS, **options)


class LateWriter(KindWriter):
    """Stays open for up to a second and a half, with positions of its beginning."""

    def transaction(self, connection):
        self.push(connection)
        self.stop.wait(self.random.random() * 1.5)
        self.step(connection)
        if self.random.random() < 0.2:
            connection.rollback()
        else:
            connection.commit()


class Chance(threading.Thread):
    """Does something again and again, at random, until the end."""

    pause_s = 0.05

    def __init__(self, database, seed, stop):
        super().__init__(daemon=True)
        self.database, self.stop, self.random = database, stop, random.Random(seed)

    def run(self):
        with self.database.connect(autocommit=False) as connection:
            api = Api(connection)
            self.begin(api)
            connection.commit()
            while not self.stop.wait(self.random.random() * 2 * self.pause_s):
                self.act(api, connection)

    def begin(self, api):
        pass


class Locker(Chance):
    """Locks ready jobs, or claims them, and rolls back: no mark knows of these."""

    def begin(self, api):
        self.worker = api.worker_start(name="one who rolls back")

    def act(self, api, connection):
        if self.random.random() < 0.5:
            api.query("SELECT FROM pawl.ready ORDER BY random() LIMIT 5"
                      " FOR UPDATE SKIP LOCKED")
        else:
            api.claim(self.worker, 3, queues=QUEUES, kinds=[self.random.choice(KINDS)])
        self.stop.wait(self.random.random() * 0.05)
        connection.rollback()


class Jumper(Chance):
    """Positions that nobody uses, as after rollbacks: a floor that has risen by less than
    a hundred thousand is not written."""

    pause_s = SECONDS / 8

    def act(self, api, connection):
        api.query("SELECT setval('pawl.job_id', last_value + 110000) FROM pawl.job_id")
        connection.commit()


class HastyFloor(Chance):
    """Naive: a floor is where the sequence is, for every kind."""

    def act(self, api, connection):
        for queue in QUEUES:
            for priority in (4, 5):
                api.query("SELECT pawl.raise_floor(%s, %s, %s, last_value,"
                          " substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)) FROM pawl.job_id",
                          [queue, priority, list(KINDS)])
        connection.commit()


def left_over(database, others, *variant):
    """What is ready when all have ended; claimers join one after another at random."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    stop = threading.Event()
    running = [made(database, SEED + i, stop) for i, made in enumerate(others)]
    for thread in running:
        thread.start()
    claimers = [start_claimer(database, kinds, SEED + i, *variant)
                for i, kinds in enumerate(FIRST)]
    for i, kinds in enumerate(chance.sample(LATER, len(LATER))):
        stop.wait(chance.uniform(0.3, 1.7) * SECONDS / (len(LATER) + 1))
        claimers.append(start_claimer(database, kinds, SEED + 50 + i, *variant))
        if i == len(LATER) - 2 and "sweep" in variant:
            wait_until(lambda: database.execute(FLOORS), 60, "a floor")
    stop.set()
    for thread in running:
        thread.join(30)
        assert not thread.is_alive()
    claimed = 0
    for claimer in claimers:
        claimer.stdin.close()
    for claimer in claimers:
        claimed += int(claimer.stdout.read())
        assert claimer.wait(60) == 0
    assert claimed > 100
    print(f"{claimed} jobs, of each kind",
          database.execute("SELECT j.kind, count(*) FROM pawl.running r"
                           " JOIN pawl.job j ON j.id = r.job_id GROUP BY 1 ORDER BY 1"))
    return database.value("SELECT count(*) FROM pawl.ready")


def slow_writer(database, seed, stop):
    return KindWriter(database, seed, stop, slow=True)


def test_kinds_by_the_marks_alone(db):
    """I11 with kinds: no sweep, late and slow writers, claimers that join at random."""
    assert left_over(db, [KindWriter] * 4 + [slow_writer] * 2) == 0


def test_kinds_with_floors(db):
    """I11 with everything: floors that rise, lockers that roll back, claimers that begin
    from the floors, positions far apart."""
    others = [KindWriter] * 3 + [LateWriter] * 3 + [Locker] * 2 + [Jumper]
    assert left_over(db, others, "sweep") == 0
    print("floors", db.execute(FLOORS))


def test_naive_floor_hides_jobs(db):
    """Red: floors that do not ask whether somebody is still open, nor whose kinds."""
    others = [KindWriter] * 3 + [LateWriter] * 3 + [HastyFloor]
    assert any(left_over(db, others) > 0 for _ in range(5))
