"""A handler that writes to a table of the user's and completes in one transaction.

Usage: fenced_handler.py POINT [naive]

Claimed by somebody else (PAWL_JOB, PAWL_FENCE), it connects as its environment says
(PG* variables), and at POINT it says so on stdout and waits for ever, to be killed:

    before-fence   in the transaction, nothing done yet
    after-fence    the claim is held, nothing written
    before-commit  written and completed, not committed
    after-commit   committed
    nowhere        it runs to its end

With "naive" it writes its row in a transaction of its own, without the fence, and
completes in another.
"""

import os
import signal
import sys

import psycopg

POINTS = ("before-fence", "after-fence", "before-commit", "after-commit")
WRITE = "INSERT INTO public.ledger (job, fence) VALUES (%s, %s)"


def reach(point):
    if sys.argv[1] == point:
        print(f"at {point}", flush=True)
        signal.pause()


def fenced(connection, job, fence):
    with connection.transaction():
        reach("before-fence")
        connection.execute("SELECT pawl.fence(%s, %s)", [job, fence])
        reach("after-fence")
        connection.execute(WRITE, [job, fence])
        connection.execute("SELECT pawl.complete(%s, %s)", [job, fence])
        reach("before-commit")
    reach("after-commit")


def naive(connection, job, fence):
    with connection.transaction():
        connection.execute(WRITE, [job, fence])
    reach("before-fence")
    connection.execute("SELECT pawl.complete(%s, %s)", [job, fence])


def main():
    job, fence = int(os.environ["PAWL_JOB"]), int(os.environ["PAWL_FENCE"])
    with psycopg.connect("", autocommit=True) as connection:
        (naive if "naive" in sys.argv else fenced)(connection, job, fence)


if __name__ == "__main__":
    main()
