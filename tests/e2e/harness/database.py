"""One database of a cluster: how to reach it and ask it one thing."""

import os

import psycopg


class Database:
    """The handle that the tests get; it holds no connection of its own."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name

    def conninfo(self, user="postgres", **options):
        return self.cluster.conninfo(self.name, user, **options)

    def env(self, user="postgres"):
        """The environment of a program that is to reach this database."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return inherited | {
            "PGHOST": str(self.cluster.directory),
            "PGPORT": str(self.cluster.port),
            "PGDATABASE": self.name,
            "PGUSER": user,
        }

    def connect(self, user="postgres", autocommit=True, **options):
        return psycopg.connect(self.conninfo(user, **options), autocommit=autocommit)

    def execute(self, statement, parameters=None):
        """Run one statement outside a transaction; its rows, or None."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def value(self, statement, parameters=None):
        """The one value of the one row."""
        (row,) = self.execute(statement, parameters)
        (value,) = row
        return value

    def deadlocks(self):
        """The counter of pg_stat_database, fresh (the sessions must have ended)."""
        return self.value(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )

    def drop(self):
        self.cluster.database("postgres").execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
