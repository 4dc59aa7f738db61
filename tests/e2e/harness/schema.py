"""Putting the schema into a database as a user does: `pawl migrate up`."""

from .program import run_pawl


def install(database):
    run_pawl(database, "migrate", "up")
