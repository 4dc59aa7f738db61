"""Putting the schema into a database as a user does: `pawl migrate up`."""

from .program import run_pawl

AHEAD = 21  # a worker that starts attaches what is missing of twenty

SURPLUS = """SELECT c.oid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE c.relkind = 'r' AND CASE WHEN i.inhparent = 'pawl.log'::regclass
        THEN right(c.relname, 8) > to_char(now() AT TIME ZONE 'UTC' + %s * interval '1 day', 'YYYYMMDD')
        ELSE substring(c.relname from '[0-9]+$')::int > %s END"""


def install(database):
    run_pawl(database, "migrate", "up")


def thin(database):
    """Leave as many partitions as a worker keeps ahead, of the hundred to begin with.

    That is the schema of a database that has run for a while.  To make one, and to ask
    pawl.jobs in a new session, costs a third of what it costs with all of them; tests of
    the partitions themselves take all (template=WHOLE).
    """
    surplus = [name for (name,) in database.execute(SURPLUS, [AHEAD, AHEAD])]
    database.execute(f"DROP TABLE {', '.join(surplus)}")
