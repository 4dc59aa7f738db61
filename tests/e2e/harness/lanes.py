"""Writers and claimers that meet in lanes: what the marks and floors are tried with."""

import os
import random
import subprocess
import threading

from .paths import BUILD

SEED = int(os.environ.get("PAWL_SEED", random.SystemRandom().randrange(10**9)))
SECONDS = 20 if os.environ.get("PAWL_TORTURE") else 4
QUEUES = ["a", "b"]
PUSH = "SELECT pawl.push(%s, queue => %s, priority => %s)"


class Writer(threading.Thread):
    """Transactions of random length that push at random, with pauses, savepoints and
    rollbacks; `slow` ones stay open for as long as the test lasts."""

    def __init__(self, database, seed, stop, slow=False, kinds=("k",)):
        super().__init__(daemon=True)
        self.database, self.stop, self.slow, self.kinds = database, stop, slow, kinds
        self.random = random.Random(seed)

    def run(self):
        with self.database.connect(autocommit=False) as connection:
            while not self.stop.is_set():
                self.transaction(connection)

    def transaction(self, connection):
        for _ in range(self.random.randrange(1, 40)):
            self.step(connection)
            self.stop.wait(self.random.choice([0, 0, 0, 0.001, 0.02]))
        while self.slow and not self.stop.wait(self.random.random()):
            self.step(connection)
        if self.random.random() < 0.1:
            connection.rollback()
        else:
            connection.commit()

    def step(self, connection):
        what = self.random.random()
        if what < 0.1:
            connection.execute("SAVEPOINT s")
            self.push(connection)
            connection.execute("ROLLBACK TO SAVEPOINT s")
        elif what < 0.2:
            connection.execute("SAVEPOINT s")
            self.push(connection)
            connection.execute("RELEASE SAVEPOINT s")
        else:
            self.push(connection)

    def push(self, connection):
        connection.execute(PUSH, [self.random.choice(self.kinds), self.random.choice(QUEUES),
                                  self.random.randrange(4, 6)])


class Short(Writer):
    """One push a transaction: nobody's end makes a claim look far behind its mark."""

    def transaction(self, connection):
        self.push(connection)
        connection.commit()
        self.stop.wait(0.005)


class EarlyPosition(Writer):
    """Naive: the position is drawn before the transaction has an xid."""

    def transaction(self, connection):
        (pos,) = connection.execute("SELECT nextval('pawl.job_id')").fetchone()
        self.stop.wait(0.1)
        connection.execute(
            "INSERT INTO pawl.ready (job_id, pos, priority, queue, kind)"
            " VALUES (%s, %s, 5, 'a', 'k')", [pos, pos])
        connection.commit()


def start_claimer(database, kinds, seed, *variant):
    return subprocess.Popen(
        [BUILD / "tests/e2e/lane_claims", database.conninfo(), ",".join(QUEUES),
         ",".join(kinds), str(seed), *variant],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
