"""Translates variants: two jobs side by side in one event loop, by a synchronous driver.

The program of report 000.  Each job has a connection of its own and upserts its pairs of
allele identifiers one after another, with an await between them, and commits every ten.
When two jobs have a pair in common, the second waits for the first in a call that does not
return; the first, idle in its transaction, cannot commit, because its turn never comes.

usage: translate.py JOBS [--unnamed]

Claims by SQL until JOBS jobs have ended here.  Its connections have the names by which
Pawl can tell that they belong to one process; --unnamed leaves them out.
"""

import asyncio
import sys

import psycopg
from psycopg.types.json import Jsonb

UPSERT = """INSERT INTO variant_translation (aa, nt) VALUES (%s, %s)
    ON CONFLICT DO NOTHING"""
CLAIM = "SELECT * FROM pawl.claim(%s, %s)"
COMMIT_EVERY = 10
POLL_S = 0.05  # for jobs that are due again


def connect(name):
    # what an application without Pawl's names calls itself
    named = "translate" if "--unnamed" in sys.argv else name
    return psycopg.connect(application_name=named)


async def next_allele():
    """Here it would ask a service; the other job has its turn meanwhile."""
    loop = asyncio.get_running_loop()
    answer = loop.create_future()
    loop.call_soon(answer.set_result, None)
    await answer


async def translate(connection, pairs):
    """Upsert the pairs; how many were new."""
    created = 0
    for number, (aa, nt) in enumerate(pairs, 1):
        created += connection.execute(UPSERT, [aa, nt]).rowcount
        if number % COMMIT_EVERY == 0:
            connection.commit()
        await next_allele()
    connection.commit()
    return created


async def run(worker, claim):
    """One job; True when it has succeeded, False when it is to be tried again."""
    with connect(f"pawl worker {worker} {claim.job}") as connection:
        try:
            created = await translate(connection, claim.args["pairs"])
        except psycopg.errors.QueryCanceled as error:
            connection.rollback()
            connection.execute(
                "SELECT pawl.fail(%s, %s, %s, retry_in => '500 ms')",
                [claim.job, claim.fence, str(error)],
            )
            return False
        connection.execute(
            "SELECT pawl.complete(%s, %s, %s)",
            [claim.job, claim.fence, Jsonb({"created": created})],
        )
        return True


async def main(jobs):
    """Claim, two at a time, until so many have succeeded."""
    with connect("pawl claim") as connection:
        connection.autocommit = True
        cursor = connection.cursor(row_factory=psycopg.rows.namedtuple_row)
        (started,) = cursor.execute("SELECT pawl.worker_start('translate', '1 h') AS id")
        tasks, succeeded = set(), 0
        never = asyncio.get_running_loop().create_future()
        while succeeded < jobs:
            if len(tasks) < 2:
                cursor.execute(CLAIM, [started.id, 2 - len(tasks)])
                tasks |= {asyncio.create_task(run(started.id, claim)) for claim in cursor}
            done, rest = await asyncio.wait(tasks | {never}, timeout=POLL_S,
                                            return_when=asyncio.FIRST_COMPLETED)
            tasks = rest - {never}
            succeeded += sum(task.result() for task in done)
        cursor.execute("SELECT pawl.worker_stop(%s)", [started.id])


asyncio.run(main(int(sys.argv[1])))
